//! `#[derive(JobError)]` on every shape of an error, beside the lints and the names a user may have.
#![deny(warnings, missing_docs, unused)]

use std::time::Duration;

use kiq::{JobError, Plan};

/// A unit.
#[derive(Debug, thiserror::Error, JobError)]
#[error("down")]
#[transient]
pub struct Down;

/// A tuple.
#[derive(Debug, thiserror::Error, kiq::JobError)]
#[error("busy")]
#[rate_limited(after = 0)]
pub struct Busy(Duration);

/// Fields.
#[derive(Debug, thiserror::Error, JobError)]
#[error("slow")]
#[transient(after = wait)]
#[kiq(crate = ::kiq)]
pub struct Slow {
    wait: Option<Duration>,
    #[allow(dead_code)]
    other: u8,
}

/// None at all.
#[derive(Debug, thiserror::Error, JobError)]
pub enum Never {}

/// Several.
#[derive(Debug, thiserror::Error, JobError)]
pub enum Shop {
    /// With a raw name.
    #[error("{type}")]
    #[transient(after = r#type)]
    Raw {
        /// Like a keyword.
        r#type: U,
    },
    /// Not here.
    #[cfg(any())]
    #[error("nowhere")]
    #[fatal]
    Nowhere(NoSuchType),
    /// From another.
    #[error(transparent)]
    #[defer]
    Down(#[from] Down),
}

/// A wait of one's own.
#[derive(Clone, Copy, Debug)]
pub struct U;

impl std::fmt::Display for U {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("u")
    }
}

impl From<U> for Option<Duration> {
    fn from(_: U) -> Self {
        Some(Duration::from_secs(1))
    }
}

fn main() {
    assert_eq!(Down.plan(), Some(Plan::transient()));
    assert_eq!(Busy(Duration::from_secs(2)).plan(), Some(Plan::rate_limited().after(Duration::from_secs(2))));
    assert_eq!(Slow { wait: None, other: 0 }.plan(), Some(Plan::transient()));
    assert_eq!(Shop::Raw { r#type: U }.plan(), Some(Plan::transient().after(Duration::from_secs(1))));
    assert_eq!(Shop::from(Down).plan(), None);
}
