#![allow(unused)]

#[kiq::job]
const fn a() {}

fn main() {}
