#![allow(unused)]

#[kiq::job]
async fn a(#[inject(default)] cx: kiq::JobContext) {}

fn main() {}
