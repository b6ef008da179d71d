//! A rule for all variants would be a rule for those to come.

#[derive(Debug, thiserror::Error, kiq::JobError)]
#[transient]
enum ShopError {
    #[error("down")]
    #[transient]
    Down,
}

fn main() {}
