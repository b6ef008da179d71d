#![allow(unused)]

#[kiq::job]
async fn number() -> u32 {
    1
}

fn main() {}
