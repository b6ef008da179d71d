#![allow(unused)]

#[kiq::job]
async unsafe fn a() {}

fn main() {}
