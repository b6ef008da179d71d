#![allow(unused)]

#[kiq::job(crate = 1)]
async fn a() {}

fn main() {}
