#![allow(unused)]

#[kiq::job(colour = "red")]
async fn a() {}

fn main() {}
