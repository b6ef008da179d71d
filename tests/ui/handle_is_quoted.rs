#![allow(unused)]

#[kiq::job(handle = "Text")]
async fn a() {}

fn main() {}
