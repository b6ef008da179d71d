#![allow(unused)]

#[kiq::job(retry_for = "1s500ms")]
async fn a() {}

fn main() {}
