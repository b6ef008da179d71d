#![allow(unused)]

use std::borrow::Cow;

#[kiq::job]
async fn forever(name: &'static str) {}

#[kiq::job]
async fn inside(name: Option<&str>) {}

#[kiq::job]
async fn shared(name: Cow<'_, str>) {}

#[kiq::job]
async fn exclusive(name: &mut String) {}

fn the_job_can_still_be_enqueued() {
    let _ = Inside::enqueue("x");
}

fn main() {}
