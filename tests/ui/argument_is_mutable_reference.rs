#![allow(unused)]

#[kiq::job]
async fn a(name: &mut String) {}

fn main() {}
