#![allow(unused)]

#[kiq::job(retry = 5, retry_for = "1h")]
async fn a() {}

fn main() {}
