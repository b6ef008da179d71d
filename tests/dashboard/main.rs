//! The dashboard as people meet it: in a real browser, over a real Redis.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod acting;
#[allow(dead_code, reason = "the tests of Sidekiq's pages and those of the dashboard use a part of it each")]
#[path = "../support/browser.rs"]
mod browser;
mod hostile;
mod living;
mod looking;
mod pictures;
mod seed;
mod site;
