#![allow(unused)]

#[kiq::job(tags = [1])]
async fn a() {}

fn main() {}
