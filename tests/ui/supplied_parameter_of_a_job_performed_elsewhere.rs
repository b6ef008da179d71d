#![allow(unused)]

#[kiq::job]
async fn with_state(id: u64, state: kiq::Data<u8>);

fn main() {}
