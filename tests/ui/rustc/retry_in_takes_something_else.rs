#![allow(unused)]

fn patient(retries: u32) -> kiq::RetryIn {
    kiq::RetryIn::Default
}

#[kiq::job(retry_in = patient)]
async fn a() {}

fn main() {}
