//! A new variant must be decided about.

#[derive(Debug, thiserror::Error, kiq::JobError)]
enum ShopError {
    #[error("down")]
    #[transient]
    Down,
    #[error("gone")]
    Gone(u64),
}

fn main() {}
