#![allow(unused)]

#[kiq::job]
mod jobs {}

fn main() {}
