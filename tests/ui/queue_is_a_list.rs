#![allow(unused)]

#[kiq::job(queue = ["a"])]
async fn a() {}

fn main() {}
