#![allow(unused)]

#[kiq::job("high")]
async fn a() {}

fn main() {}
