//! The bakery, tested as kiq's guide on testing says.

mod crashes;
mod ends;
mod jobs;
mod orders;
mod redis;
mod time;

use bakery_sample::fakes::Fakes;
use bakery_sample::worker;
use kiq_testing::Mode;

/// What each test answers, for `?`.
type Tested = Result<(), Box<dyn std::error::Error>>;

/// A shop of the test's own, and its jobs, which stay where they are until the test runs them.
fn open() -> (Fakes, Mode) {
    let fakes = Fakes::default();
    let kiq = kiq_testing::fake().worker(worker(fakes.shop()));
    (fakes, kiq)
}
