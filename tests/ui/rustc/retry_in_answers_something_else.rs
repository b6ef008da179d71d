#![allow(unused)]

fn patient(retry: &kiq::RetryContext<'_>) -> u64 {
    60
}

#[kiq::job(retry_in = patient)]
async fn a() {}

fn main() {}
