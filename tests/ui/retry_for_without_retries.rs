#![allow(unused)]

#[kiq::job(retry_for = "1h", retry = false)]
async fn a() {}

fn main() {}
