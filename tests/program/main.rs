//! A worker as a program: what it is told to be, and how it behaves as a process.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod health;
mod numbers;
mod processes;
mod running;
mod settings;
mod sharing;
