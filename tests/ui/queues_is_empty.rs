#![allow(unused)]

kiq::queues! {}

fn main() {}
