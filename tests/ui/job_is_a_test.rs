#![allow(unused)]

#[kiq::job]
#[test]
fn a() {}

fn main() {}
