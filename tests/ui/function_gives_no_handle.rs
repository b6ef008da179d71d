#![allow(unused)]

#[kiq::job]
async fn ___() {}

fn main() {}
