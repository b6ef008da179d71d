#![allow(unused)]

#[kiq::job]
async fn a(name: std::borrow::Cow<'_, str>) {}

fn main() {}
