#![allow(unused)]

#[kiq::job]
async fn typing(id: u64, name: ) {}

fn main() {}
