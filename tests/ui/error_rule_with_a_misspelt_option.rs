//! `after` is all a rule takes.

#[derive(Debug, thiserror::Error, kiq::JobError)]
enum ShopError {
    #[error("busy")]
    #[rate_limited(afer = 0)]
    Busy(std::time::Duration),
    #[error("slow")]
    #[transient = "1s"]
    Slow,
    #[error("gone")]
    #[discard(after = 0)]
    Gone(std::time::Duration),
}

fn main() {}
