#![allow(unused)]

#[kiq::job(on_arg_error = discard)]
async fn a() {}

fn main() {}
