#![allow(unused)]

#[kiq::job]
async fn a(#[arg] #[inject] n: u32) {}

fn main() {}
