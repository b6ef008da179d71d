//! Guides, by what one wants to do. Their code is compiled and run with the tests.

#[doc = include_str!("failures.md")]
pub mod failures {}

#[doc = include_str!("idempotency.md")]
pub mod idempotency {}
