#![allow(unused)]

const QUEUE: &str = "";

#[kiq::job(queue = QUEUE)]
async fn constant() {}

fn main() {}
