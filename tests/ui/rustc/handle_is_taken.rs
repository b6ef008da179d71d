#![allow(unused)]

struct Order;

#[kiq::job]
async fn order() {}

fn main() {}
