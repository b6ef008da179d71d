//! The whole life of a job, through the facade, on every broker: enqueue → perform → retry → done or dead.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod blocking;
mod failing;
mod handing_over;
mod jobs;
mod logging;
mod operating;
mod outages;
mod performing;
mod poison;
mod reruns;
mod retrying;
mod scheduling;
mod setup;
mod starting;
mod stopping;
