#![allow(unused)]

#[kiq::job(transient = [std::io::Error])]
async fn a() {}

fn main() {}
