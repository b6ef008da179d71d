#![allow(unused)]

#[kiq::job(timeout = "soon")]
async fn a() {}

fn main() {}
