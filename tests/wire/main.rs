//! One Redis for Ruby and Rust: everything here is checked against the real Sidekiq.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod active_job;
mod inspecting;
mod jobs;
mod metrics;
mod pages;
mod ruby;

#[allow(dead_code, reason = "the tests of Sidekiq's pages and those of the dashboard use a part of it each")]
#[path = "../support/browser.rs"]
mod browser;
mod fleet;
mod reading;
mod recorded;
mod ruby_to_rust;
mod rust_to_ruby;
mod rusty;
mod stubs;
