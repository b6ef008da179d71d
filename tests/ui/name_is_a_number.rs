#![allow(unused)]

#[kiq::job(name = 7)]
async fn a() {}

fn main() {}
