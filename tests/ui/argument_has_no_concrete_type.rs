#![allow(unused)]

#[kiq::job]
async fn anything(name: impl Into<String>) {}

#[kiq::job]
async fn boxed(name: Box<dyn std::fmt::Debug>) {}

fn main() {}
