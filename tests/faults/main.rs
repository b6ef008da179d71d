//! What goes wrong in the field, done to real processes and a real Redis: kills, freezes, lost replies, full memory.
//!
//! Each test names the fault of the project's fault list (F1 to F49) it is about, and most end with an audit: what producers
//! and workers wrote down, against every key of the Redis. Workers that have to die are this program itself, started again.
//!
//! Elsewhere: F17 and F20 in `tests/lifecycle/`, F19 in part in `wire.rs`, F40 in `tests/brokers/redis_faults.rs`, F1 also in
//! `tests/crash/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod jobs;
mod killing;
mod payloads;
mod poison;
mod server;
mod setup;
mod stopping;
mod wire;
