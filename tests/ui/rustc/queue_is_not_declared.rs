#![allow(unused)]

kiq::queues! { high, default, low }

#[kiq::job(queue = "hihg")]
async fn a() {}

fn main() {}
