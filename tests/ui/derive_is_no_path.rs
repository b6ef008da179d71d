#![allow(unused)]

#[kiq::job(derive(1))]
async fn a() {}

fn main() {}
