#![allow(unused)]

#[kiq::job(aliases = ["old_name"])]
async fn a() {}

fn main() {}
