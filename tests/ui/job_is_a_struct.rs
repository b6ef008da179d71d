#![allow(unused)]

#[kiq::job]
struct Order {
    id: u64,
}

fn the_struct_is_still_there() {
    let _ = Order { id: 1 };
}

fn main() {}
