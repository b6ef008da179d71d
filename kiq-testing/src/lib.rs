//! Tools for testing jobs, for users of kiq and for kiq itself.
//!
//! | to test | use |
//! |---|---|
//! | the function | call it: it stays as you wrote it |
//! | what a worker does, in memory | `kiq::Client::in_memory()`, and [`Events`] to wait for what happens |
//! | what passes with time | `kiq::Clock::manual(…)`, given to a `MemoryBroker` and its client |
//! | against a real Redis | [`RedisServer`]: one of the test's own |
#![warn(unreachable_pub)]

mod events;
mod redis;

pub use self::redis::RedisServer;
pub use events::Events;
