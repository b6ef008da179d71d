#![allow(unused)]

#[kiq::job(aliases = ["A"])]
async fn a() {}

fn main() {}
