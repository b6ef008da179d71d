#![allow(unused)]

#[kiq::job(queue = "a/b")]
async fn a() {}

fn main() {}
