#![allow(unused)]

use kiq::Data;

#[kiq::job(timeout = "1s", transient = [std::io::Error])]
async fn elsewhere(id: u64) -> Result<(), std::io::Error>;

#[kiq::job]
async fn with_state(id: u64, state: Data<u8>);

fn the_job_can_still_be_enqueued() {
    let _ = Elsewhere::enqueue(1);
}

fn main() {}
