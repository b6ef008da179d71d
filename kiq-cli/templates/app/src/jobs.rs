//! The jobs. `cargo kiq generate job NAME` adds one.

pub mod send_welcome;
