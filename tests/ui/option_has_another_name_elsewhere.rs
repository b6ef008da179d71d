#![allow(unused)]

#[kiq::job(max_retries = 3, on_death = bury, backoff = patient, labels = ["a"])]
async fn a() {}

fn main() {}
