#![allow(unused)]

#[kiq::job(dead = "no")]
async fn a() {}

fn main() {}
