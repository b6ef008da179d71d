#![allow(unused)]

#[kiq::job(tags = ["", "a"])]
async fn a() {}

fn main() {}
