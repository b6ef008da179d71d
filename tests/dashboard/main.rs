//! The dashboard as people meet it: in a real browser, over a real Redis.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[path = "../support/browser.rs"]
mod browser;
mod looking;
mod seed;
mod site;
