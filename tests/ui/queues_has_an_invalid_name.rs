#![allow(unused)]

kiq::queues! { "very high", "" }

fn main() {}
