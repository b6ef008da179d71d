#![allow(unused)]

#[kiq::job(retry = 1.5)]
async fn a() {}

fn main() {}
