//! `after` names a field of the variant.

#[derive(Debug, thiserror::Error, kiq::JobError)]
enum ShopError {
    #[error("busy")]
    #[rate_limited(after = wiat)]
    Busy { wait: std::time::Duration },
}

fn main() {}
