#![allow(unused)]

#[kiq::job(queue = 1)]
async fn a() {}

fn main() {}
