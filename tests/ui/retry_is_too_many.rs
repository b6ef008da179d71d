#![allow(unused)]

#[kiq::job(retry = 5000)]
async fn a() {}

fn main() {}
