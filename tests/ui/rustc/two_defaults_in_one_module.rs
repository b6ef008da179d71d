#![allow(unused)]

kiq::defaults! { queue = "low" }
kiq::defaults! { retry = 5 }

fn main() {}
