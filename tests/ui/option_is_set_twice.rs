#![allow(unused)]

#[kiq::job(queue = "a", queue = "b")]
async fn a() {}

fn main() {}
