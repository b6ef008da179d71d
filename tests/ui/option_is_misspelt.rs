#![allow(unused)]

#[kiq::job(quue = "high")]
async fn a() {}

fn main() {}
