#![allow(unused)]

kiq::defaults! { unique_for = "1h" }

fn main() {}
