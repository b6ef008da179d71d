#![allow(unused)]

#[kiq::job(crate = nowhere)]
async fn lost() {}

fn main() {}
