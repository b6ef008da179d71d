#![allow(unused)]

kiq::queues! { all }

fn main() {}
