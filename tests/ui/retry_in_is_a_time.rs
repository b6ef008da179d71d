#![allow(unused)]

#[kiq::job(retry_in = "5m")]
async fn a() {}

fn main() {}
