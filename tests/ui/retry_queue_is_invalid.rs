#![allow(unused)]

#[kiq::job(retry_queue = "a b")]
async fn a() {}

fn main() {}
