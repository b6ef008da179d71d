//! An order shop: places orders over HTTP, and completes them in three jobs.

pub mod jobs;
pub mod shop;
pub mod web;

/// The guide's code must compile and run, in a project that has what it asks for.
#[cfg(doctest)]
#[doc = include_str!("../../../src/guide/testing.md")]
mod guide {}
