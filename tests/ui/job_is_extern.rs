#![allow(unused)]

#[kiq::job]
extern "C" fn a() {}

fn main() {}
