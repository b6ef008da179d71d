#![allow(unused)]

kiq::defaults! { quue = "low" }

fn main() {}
