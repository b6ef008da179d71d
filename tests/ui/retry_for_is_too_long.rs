#![allow(unused)]

#[kiq::job(retry_for = "11575d")]
async fn a() {}

fn main() {}
