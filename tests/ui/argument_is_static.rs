#![allow(unused)]

#[kiq::job]
async fn a(name: &'static str) {}

fn main() {}
