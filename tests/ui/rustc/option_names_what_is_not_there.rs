#![allow(unused)]

#[kiq::job(retry_in = patient, on_exhausted = refund)]
async fn a() {}

fn main() {}
