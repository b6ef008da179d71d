#![allow(unused)]

#[kiq::job(cron = "0 8 * * *", unique_for = "1h", encrypt = true, retry_in = patient)]
async fn later() {}

#[kiq::job]
async fn resumable(at: Checkpoint<u64>) {}

fn main() {}
