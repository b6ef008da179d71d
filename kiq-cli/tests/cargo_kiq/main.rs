//! `cargo kiq` as a developer runs it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod generate;
mod generated;
mod interface;
mod new;
mod reset;
mod setup;
