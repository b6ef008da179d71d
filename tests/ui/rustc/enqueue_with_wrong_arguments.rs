#![allow(unused)]

use kiq::Data;

#[kiq::job]
async fn charge(order: u64, note: &str, db: Data<u8>) {}

fn calls() {
    let _ = Charge::enqueue("7", "x");
    let _ = Charge::enqueue(7);
    let _ = Charge::enqueue(7, "x", Data::new(1));
}

fn main() {}
