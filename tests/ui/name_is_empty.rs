#![allow(unused)]

#[kiq::job(name = "")]
async fn a() {}

fn main() {}
