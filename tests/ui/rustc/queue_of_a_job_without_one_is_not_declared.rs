#![allow(unused)]

kiq::queues! { high, low }

#[kiq::job]
async fn a() {}

fn main() {}
