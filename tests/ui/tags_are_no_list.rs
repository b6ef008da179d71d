#![allow(unused)]

#[kiq::job(tags = "billing")]
async fn a() {}

fn main() {}
