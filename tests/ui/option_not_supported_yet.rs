#![allow(unused)]

#[kiq::job(cron = "0 8 * * *", tz = "UTC", unique_for = "1h", unique_until = "start", limit = 3, expires_in = "1h", version = 2)]
async fn a() {}

fn main() {}
