#![allow(unused)]

#[kiq::job]
async fn a((x, y): (u32, u32)) {}

fn main() {}
