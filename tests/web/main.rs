//! The dashboard, asked in process: its pages, who is let in, what is refused.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod acting;
mod api;
mod asking;
mod frame;
mod guarding;
mod hostile;
mod job;
mod jobs;
mod live;
mod metrics;
mod sets;
