#![allow(unused)]

#[kiq::job(aliases = "Old")]
async fn a() {}

fn main() {}
