#![allow(unused)]

#[kiq::job]
async fn a(_: u32) {}

fn main() {}
