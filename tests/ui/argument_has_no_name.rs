#![allow(unused)]

#[kiq::job]
async fn pattern((x, y): (u32, u32)) {}

#[kiq::job]
async fn wild(_: u32) {}

fn main() {}
