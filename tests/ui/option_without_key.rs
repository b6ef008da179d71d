#![allow(unused)]

#[kiq::job("high")]
async fn text() {}

#[kiq::job(5)]
async fn number() {}

#[kiq::job(high, |x| x)]
async fn word() {}

fn main() {}
