#![allow(unused)]

#[kiq::job(retry = -1)]
async fn a() {}

fn main() {}
