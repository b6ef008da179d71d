#![allow(unused)]

#[kiq::job(retry_for = 3600)]
async fn a() {}

fn main() {}
