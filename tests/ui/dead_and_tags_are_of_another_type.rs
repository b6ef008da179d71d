#![allow(unused)]

#[kiq::job(dead = "no")]
async fn dead() {}

#[kiq::job(tags = "billing")]
async fn tag() {}

#[kiq::job(tags = ["", 1])]
async fn tags() {}

#[kiq::job(derive = Clone)]
async fn derived() {}

#[kiq::job(crate = 1)]
async fn path() {}

fn main() {}
