#![allow(unused)]

#[kiq::job(derive = Clone)]
async fn a() {}

fn main() {}
