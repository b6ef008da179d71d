#![allow(unused)]

#[kiq::job]
async fn über() {}

fn main() {}
