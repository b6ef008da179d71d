//! Under another name, and where `kiq` means something else.

mod facade {
    pub use ::kiq as jobs;
}

#[allow(dead_code)]
mod kiq {}

use facade::jobs;
use jobs::Job as _;

jobs::queues! { crate = facade::jobs, high, low }

jobs::defaults! { crate = facade::jobs, queue = "low" }

#[jobs::job(crate = facade::jobs, retry_in = |_| jobs::RetryIn::Kill, on_exhausted = bury)]
async fn first() {}

async fn bury(_: jobs::DeadJob) {}

#[jobs::job(crate = "facade::jobs", queue = queues::HIGH)]
async fn second() {}

fn main() {
    assert_eq!((First::OPTIONS.queue, Second::OPTIONS.queue), ("low", "high"));
}
