#![allow(unused)]

#[kiq::job]
async fn a(#[arg(default = 1)] n: u32, id: u64) {}

fn main() {}
