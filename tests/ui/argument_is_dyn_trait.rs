#![allow(unused)]

#[kiq::job]
async fn a(name: Box<dyn std::fmt::Debug>) {}

fn main() {}
