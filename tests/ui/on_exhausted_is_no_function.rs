#![allow(unused)]

#[kiq::job(on_exhausted = "refund")]
async fn a() {}

fn main() {}
