#![allow(unused)]

#[derive(serde::Serialize)]
struct Order;

#[kiq::job]
async fn half(order: Order) {}

fn main() {}
