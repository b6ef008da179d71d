#![allow(unused)]

#[kiq::job(retry = "20")]
async fn a() {}

fn main() {}
