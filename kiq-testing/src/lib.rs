//! Tools for testing jobs.
