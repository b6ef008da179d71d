#![allow(unused)]

#[kiq::job]
struct Order {
    id: u64,
}

#[kiq::job]
mod jobs {}

struct Mailer;

impl Mailer {
    #[kiq::job]
    async fn send(&self, to: String) {}
}

fn the_struct_is_still_there() {
    let _ = Order { id: 1 };
}

fn main() {}
