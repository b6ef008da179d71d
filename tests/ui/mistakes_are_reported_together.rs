#![allow(unused)]

#[kiq::job(quue = "high", retry = -1, timeout = 30, dead = "no")]
async fn four(id: u64) {}

fn the_job_can_still_be_used() {
    let _ = Four::enqueue(1);
    let _ = Four { id: 1 };
    let _ = four(1);
}

fn main() {}
