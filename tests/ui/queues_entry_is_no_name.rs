#![allow(unused)]

kiq::queues! { high, 5, low }

fn main() {}
