#![allow(unused)]

#[kiq::job(retry_for = "0s")]
async fn a() {}

fn main() {}
