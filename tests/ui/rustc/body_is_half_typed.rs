#![allow(unused)]

#[kiq::job]
async fn typing(id: u64) {
    let order = id.
}

fn the_job_can_still_be_used() {
    let _ = Typing::enqueue(1);
}

fn main() {}
