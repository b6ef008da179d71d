//! It is for errors.

#[derive(kiq::JobError)]
enum ShopError {
    #[transient]
    Down,
}

fn main() {}
