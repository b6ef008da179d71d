//! What kiq does at run time. Use the crate `kiq`; its front page is the manual.
#![warn(unreachable_pub)]

pub mod app;
pub mod awaits;
pub mod broker;
pub mod client;
pub mod clock;
pub mod error;
pub mod events;
pub mod inspect;
pub mod job;
#[cfg(feature = "logs")]
pub mod logs;
pub mod meters;
pub mod middleware;
#[doc(hidden)]
pub mod private;
#[cfg(feature = "cli")]
pub mod program;
mod random;
pub mod reports;
pub mod retry;
mod suggest;
pub mod worker;

pub use clock::{Clock, Timestamp};
