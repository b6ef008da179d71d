#![allow(unused)]

#[kiq::job(timeout = "1s", transient = [std::io::Error], retry_in = patient, on_exhausted = refund, aliases = ["Old"])]
async fn elsewhere(id: u64) -> Result<(), std::io::Error>;

fn the_job_can_still_be_enqueued() {
    let _ = Elsewhere::enqueue(1);
}

fn main() {}
