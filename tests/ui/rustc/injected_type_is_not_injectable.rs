#![allow(unused)]

struct Pool;

#[kiq::job]
async fn injected(#[inject] pool: Pool) {}

fn main() {}
