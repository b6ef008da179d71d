#![allow(unused)]

kiq::defaults! { queue = "low", name = "A", transient = [std::io::Error], retry_in = patient }

fn main() {}
