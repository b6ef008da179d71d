//! Tools for testing jobs, for users of kiq and for kiq itself.
//!
//! | to test | use |
//! |---|---|
//! | the function | call it: it stays as you wrote it |
//! | what a worker does, in memory | `kiq::Client::in_memory()`, and [`Events`] to wait for what happens |
//! | what passes with time | `kiq::Clock::manual(…)`, given to a `MemoryBroker` and its client |
//! | against a real Redis | [`RedisServer`]: one of the test's own |
//! | that nothing is lost or doubled | [`Ledger`]: what happened; [`Audit`]: whether Redis agrees |
//! | against a bad network | [`FaultProxy`]: lost replies, cut and frozen connections, a slow link |
#![warn(unreachable_pub)]

mod audit;
mod events;
mod ledger;
mod proxy;
mod redis;

pub use self::redis::RedisServer;
pub use audit::{Audit, Cause, Census};
pub use events::Events;
pub use ledger::{Entry, Ledger, Run};
pub use proxy::{Fault, FaultProxy, Weather};
