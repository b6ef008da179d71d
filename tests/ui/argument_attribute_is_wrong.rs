#![allow(unused)]

#[kiq::job]
async fn misspelt(#[arg(defualt)] n: u32) {}

#[kiq::job]
async fn both(#[arg] #[inject] n: u32) {}

#[kiq::job]
async fn injected(#[inject(default)] cx: kiq::JobContext) {}

#[kiq::job]
async fn configured(#[cfg(unix)] n: u32) {}

fn main() {}
