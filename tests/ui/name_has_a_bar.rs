#![allow(unused)]

#[kiq::job(name = "A|B")]
async fn a() {}

fn main() {}
