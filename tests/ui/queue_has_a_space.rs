#![allow(unused)]

#[kiq::job(queue = "very high")]
async fn a() {}

fn main() {}
