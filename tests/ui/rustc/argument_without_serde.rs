#![allow(unused)]

struct Order;

#[kiq::job]
async fn by_value(order: Order) {}

#[kiq::job]
async fn by_reference(orders: &[Order]) {}

fn main() {}
