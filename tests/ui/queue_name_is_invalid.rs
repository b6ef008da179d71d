#![allow(unused)]

#[kiq::job(queue = "")]
async fn empty() {}

#[kiq::job(queue = "very high")]
async fn space() {}

#[kiq::job(queue = "a/b")]
async fn slash() {}

#[kiq::job(queue = 1)]
async fn number() {}

#[kiq::job(queue = ["a"])]
async fn list() {}

fn main() {}
