//! What every broker must do, asked of each of them: the in-memory one and a real Redis.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod costs;
mod durable;
mod enqueueing;
mod fetching;
mod idempotent;
mod inspecting;
mod operating;
mod paging;
mod promoting;
mod pushing;
mod reclaiming;
mod redis_faults;
mod redis_only;
mod resync;
mod sentinel;
mod settling;
mod setup;
mod spool;
mod tls;
mod waiting;
