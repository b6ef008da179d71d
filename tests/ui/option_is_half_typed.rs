#![allow(unused)]

#[kiq::job(queue = "high", retry = )]
async fn typing(id: u64) {}

fn the_job_can_still_be_used() {
    let _ = Typing::enqueue(1);
    let _ = typing(1);
}

fn main() {}
