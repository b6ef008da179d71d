#![allow(unused)]

async fn refund(order: u64) {}

#[kiq::job(on_exhausted = refund)]
async fn a(order: u64) {}

fn main() {}
