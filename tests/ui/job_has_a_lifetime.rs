#![allow(unused)]

#[kiq::job]
async fn a<'a>(x: &'a str) {}

fn main() {}
