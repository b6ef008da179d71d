#![allow(unused)]

#[kiq::job]
async fn a(#[arg(defualt)] n: u32) {}

fn main() {}
