#![allow(unused)]

fn refund(dead: kiq::DeadJob) {}

#[kiq::job(on_exhausted = refund)]
async fn a() {}

fn main() {}
