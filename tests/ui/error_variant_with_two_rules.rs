//! A variant has one rule.

#[derive(Debug, thiserror::Error, kiq::JobError)]
enum ShopError {
    #[error("down")]
    #[transient]
    #[fatal]
    Down,
}

fn main() {}
