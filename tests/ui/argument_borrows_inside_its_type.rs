#![allow(unused)]

#[kiq::job]
async fn inside(name: Option<&str>) {}

fn the_job_can_still_be_enqueued() {
    let _ = Inside::enqueue("x");
}

fn main() {}
