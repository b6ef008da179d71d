#![allow(unused)]

const OLD: &[&str] = &["old name"];

#[kiq::job(aliases = OLD)]
async fn a() {}

fn main() {}
