#![allow(unused)]

#[kiq::job(high, |x| x)]
async fn a() {}

fn main() {}
