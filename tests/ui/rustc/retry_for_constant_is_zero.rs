#![allow(unused)]

const PATIENCE: std::time::Duration = std::time::Duration::ZERO;

#[kiq::job(retry_for = PATIENCE)]
async fn a() {}

fn main() {}
