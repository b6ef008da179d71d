//! `kiq_testing`'s modes, as a user's tests use them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod asserting;
mod draining;
mod jobs;
mod modes;
mod time;
