#![allow(unused)]

#[kiq::job]
async fn a(name: impl Into<String>) {}

fn main() {}
