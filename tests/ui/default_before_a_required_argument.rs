#![allow(unused)]

#[kiq::job]
async fn render(#[arg(default = 1)] n: u32, id: u64) {}

fn main() {}
