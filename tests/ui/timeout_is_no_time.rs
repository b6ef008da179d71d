#![allow(unused)]

#[kiq::job(timeout = 30)]
async fn no_unit() {}

#[kiq::job(timeout = "soon")]
async fn word() {}

#[kiq::job(timeout = "0s")]
async fn zero() {}

fn main() {}
