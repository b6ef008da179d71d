#![allow(unused)]

#[kiq::job(5)]
async fn a() {}

fn main() {}
