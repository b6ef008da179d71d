//! What is in a program by being linked, and by the features Cargo gives it: shown with projects that are built for it, offline,
//! from the sources that cargo has already.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod forgotten;
mod jobs;
mod project;
