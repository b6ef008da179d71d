#![allow(unused)]

kiq::queues! { mail_out, "mail-out" }

fn main() {}
