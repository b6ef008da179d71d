#![allow(unused_variables, dead_code)]
#![deny(unused_must_use)]

#[kiq::job]
async fn send(id: u64) {}

fn forgets() {
    Send::enqueue(1);
}

fn main() {}
