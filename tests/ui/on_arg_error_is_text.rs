#![allow(unused)]

#[kiq::job(on_arg_error = "dead")]
async fn a() {}

fn main() {}
