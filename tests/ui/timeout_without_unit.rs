#![allow(unused)]

#[kiq::job(timeout = 30)]
async fn a() {}

fn main() {}
