//! Tools for testing jobs, for users of kiq and for kiq itself.
//!
//! | to test | use |
//! |---|---|
//! | the function | call it: it stays as you wrote it |
//! | what a program enqueues, and what its jobs do | [`fake`]: no server, nothing runs until the test says so |
//! | the same with jobs running at once | [`inline`] |
//! | what passes with time | [`Fake::advance`]: twenty days in milliseconds |
//! | what a crash does to a job | `gopher` (feature `gopher`): stops it at each of its awaits |
//! | against a real Redis | [`redis`]: a server of the test's own, and [`real`] |
//! | against a bad network | [`FaultProxy`]: lost replies, cut and frozen connections, a slow link |
//! | that nothing is lost or doubled | [`Ledger`]: what happened; [`Audit`]: whether Redis agrees |
//! | a worker that runs | `kiq::Client::in_memory()`, and [`Events`] to wait for what happens |
//!
//! A mode is a value that holds until it is dropped, for the test that made it and no other.
#![warn(unreachable_pub)]

mod assertions;
pub mod audit;
mod broker;
mod drain;
mod drained;
mod events;
mod fake;
mod footprint;
#[cfg(feature = "gopher")]
pub mod gopher;
mod hand;
pub mod ledger;
mod mode;
pub mod proxy;
mod redis;
mod snapshot;
mod waiting;

pub use self::redis::{RedisServer, redis};
#[doc(hidden)]
pub use assertions::{Differences, Wanted};
pub use audit::{Audit, Cause, Census};
pub use drain::{DEFAULT_LIMIT, Drain, DrainError};
pub use drained::{Drained, Outcome, Run};
pub use events::Events;
pub use fake::Fake;
pub use footprint::Footprint;
#[cfg(feature = "gopher")]
#[doc(inline)]
pub use gopher::gopher;
pub use ledger::{Entry, Ledger};
pub use mode::{Mode, Real, current, fake, inline, real};
pub use proxy::{Fault, FaultProxy, Weather};
pub use waiting::{Enqueued, Waiting};

/// The answer of a future that never waits.
fn at_once<F: Future>(future: F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(answer) => Some(answer),
        std::task::Poll::Pending => None,
    }
}
