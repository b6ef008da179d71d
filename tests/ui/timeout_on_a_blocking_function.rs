#![allow(unused)]

#[kiq::job(timeout = "30s")]
fn blocking() {}

fn main() {}
