#![allow(unused)]

#[kiq::job(quue = "high")]
async fn near() {}

#[kiq::job(max_retries = 3)]
async fn by_another_name() {}

#[kiq::job(colour = "red")]
async fn far() {}

#[kiq::job(queue)]
async fn no_value() {}

#[kiq::job(queue = "a", queue = "b")]
async fn twice() {}

#[kiq::job(queue = "a" retry = -1)]
async fn no_comma() {}

fn main() {}
