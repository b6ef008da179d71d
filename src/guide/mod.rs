//! Guides, by what one wants to do. Their code is compiled and run with the tests.

#[doc = include_str!("beginning.md")]
pub mod beginning {}

#[cfg_attr(any(feature = "web", not(doctest)), doc = include_str!("dashboard.md"))]
pub mod dashboard {}

#[doc = include_str!("failures.md")]
pub mod failures {}

#[doc = include_str!("idempotency.md")]
pub mod idempotency {}

#[doc = include_str!("moving.md")]
pub mod moving {}

// Its code is compiled and run in `tests/sample`, a project that has what it asks for (axum, say).
#[cfg_attr(not(doctest), doc = include_str!("testing.md"))]
pub mod testing {}
