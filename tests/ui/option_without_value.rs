#![allow(unused)]

#[kiq::job(queue)]
async fn a() {}

fn main() {}
