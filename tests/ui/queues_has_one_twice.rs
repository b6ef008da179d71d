#![allow(unused)]

kiq::queues! { high, default, high }

fn main() {}
