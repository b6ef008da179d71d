#![allow(unused)]

#[kiq::job(retry_for = "two days")]
async fn a() {}

fn main() {}
