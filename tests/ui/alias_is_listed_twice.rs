#![allow(unused)]

#[kiq::job(aliases = ["Old", "Older", "Old"])]
async fn a() {}

fn main() {}
