#![allow(unused)]

#[kiq::job]
async fn generic<T: Send>(x: T) {}

#[kiq::job]
async fn lifetime<'a>(x: &'a str) {}

fn the_job_can_still_be_enqueued() {
    let _ = Generic::enqueue(1);
}

fn main() {}
