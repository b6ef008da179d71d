#![allow(unused)]

#[kiq::job(queue = "a" retry = -1)]
async fn a() {}

fn main() {}
