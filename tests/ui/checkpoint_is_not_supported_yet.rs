#![allow(unused)]

#[kiq::job]
async fn a(at: Checkpoint<u64>) {}

fn main() {}
