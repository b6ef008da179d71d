#![allow(unused)]

#[derive(serde::Serialize, serde::Deserialize)]
struct Order;

#[kiq::job(derive(Clone))]
async fn cloned(order: Order) {}

fn main() {}
