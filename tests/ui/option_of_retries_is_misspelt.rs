#![allow(unused)]

#[kiq::job(retyr_for = "1h", retry_im = patient, rety_queue = "slow", on_exhuasted = refund, alias = ["Old"])]
async fn a() {}

fn main() {}
