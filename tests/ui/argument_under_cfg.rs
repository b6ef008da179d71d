#![allow(unused)]

#[kiq::job]
async fn a(#[cfg(unix)] n: u32) {}

fn main() {}
