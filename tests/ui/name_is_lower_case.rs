#![allow(unused)]

#[kiq::job(name = "pdf::Render")]
async fn a() {}

fn main() {}
