#![allow(unused)]

#[kiq::job]
fn main() {}
