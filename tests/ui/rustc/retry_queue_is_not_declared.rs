#![allow(unused)]

kiq::queues! { high, default }

#[kiq::job(queue = queues::HIGH, retry_queue = "slow")]
async fn a() {}

fn main() {}
