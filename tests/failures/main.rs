//! Failures handled by plan, through the facade: middleware, kinds of errors, who is told, the schedule, the dead, and what
//! travels with a job.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod context;
mod cut_off;
mod handlers;
mod jobs;
mod kinds;
mod logging;
mod middleware;
mod retries;
#[allow(dead_code, reason = "shared with tests/lifecycle, which uses all of it")]
#[path = "../lifecycle/setup.rs"]
mod setup;
mod wire;
