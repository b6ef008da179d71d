#![allow(unused)]

#[kiq::job]
async fn typing(id: u64, name: ) {}

fn the_job_can_still_be_used() {
    let _ = Typing::enqueue(1, "x");
    let _ = typing;
}

fn main() {}
