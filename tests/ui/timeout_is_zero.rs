#![allow(unused)]

#[kiq::job(timeout = "0s")]
async fn a() {}

fn main() {}
