#![allow(unused)]

#[kiq::job(discard_if = |e: &std::io::Error| true)]
async fn a() -> () {}

fn main() {}
