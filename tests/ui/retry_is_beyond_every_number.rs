#![allow(unused)]

#[kiq::job(retry = 99999999999999999999)]
async fn a() {}

fn main() {}
