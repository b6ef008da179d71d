//! rustc knows which rules there are.

#[derive(Debug, thiserror::Error, kiq::JobError)]
enum ShopError {
    #[error("down")]
    #[transeint]
    Down,
}

fn main() {}
