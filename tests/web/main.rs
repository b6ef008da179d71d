//! The dashboard, asked in process: its pages, who is let in, what is refused.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod asking;
mod frame;
