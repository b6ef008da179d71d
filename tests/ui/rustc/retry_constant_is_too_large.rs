#![allow(unused)]

const RETRIES: u32 = 1001;

#[kiq::job(retry = RETRIES)]
async fn constant() {}

fn main() {}
