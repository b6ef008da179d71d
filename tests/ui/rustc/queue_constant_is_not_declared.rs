#![allow(unused)]

kiq::queues! { high, default }

#[kiq::job(queue = queues::LOW)]
async fn a() {}

fn main() {}
