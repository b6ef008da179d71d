#![allow(unused)]

#[kiq::job(retry = -1)]
async fn negative() {}

#[kiq::job(retry = "20")]
async fn text() {}

#[kiq::job(retry = 5000)]
async fn too_many() {}

#[kiq::job(retry = 99999999999999999999)]
async fn far_too_many() {}

#[kiq::job(retry = 1.5)]
async fn fraction() {}

fn main() {}
