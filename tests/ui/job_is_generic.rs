#![allow(unused)]

#[kiq::job]
async fn generic<T: Send>(x: T) {}

fn the_job_can_still_be_enqueued() {
    let _ = Generic::enqueue(1);
}

fn main() {}
