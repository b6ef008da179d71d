//! A job that is enqueued and not yet run.

use std::fmt;
use std::time::Duration;

use kiq_runtime::Timestamp;
use kiq_runtime::job::{ArgsError, Jid, Job, Payload};

/// A job that waits in a queue, or for its time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Waiting {
    /// When it is due; `None` is now: it is in a queue.
    pub at: Option<Timestamp>,
    /// The whole record.
    pub payload: Payload,
}

impl Waiting {
    /// The queue it is in, or will be.
    pub fn queue(&self) -> String {
        self.payload.queue().unwrap_or_default()
    }

    /// How long it was to wait when it was enqueued, to the millisecond; `None` in a queue.
    pub fn delay(&self) -> Option<Duration> {
        let created = self.payload.created_at()?;
        let delay = self.at?.since(created);
        let millis = (delay.as_micros() + 500) / 1000;
        Some(u64::try_from(millis).map_or(delay, Duration::from_millis))
    }

    pub(crate) fn typed<J: Job>(self) -> Result<Enqueued<J>, ArgsError> {
        Ok(Enqueued { job: J::from_args(self.payload.args())?, waiting: self })
    }
}

/// Class, arguments, queue and delay: `SendWelcome(7) in "mail", delay 60s`.
impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args = self.payload.args().get();
        let args = args.strip_prefix('[').and_then(|args| args.strip_suffix(']')).unwrap_or(args);
        write!(f, "{}({args}) in {:?}", self.payload.class(), self.queue())?;
        match self.delay() {
            Some(delay) => write!(f, ", delay {delay:?}"),
            None => Ok(()),
        }
    }
}

/// A [`Waiting`] job as a value: its arguments are the fields of `job`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Enqueued<J> {
    /// The job, read back from JSON.
    pub job: J,
    /// Where it waits.
    pub waiting: Waiting,
}

impl<J> Enqueued<J> {
    /// The job's id.
    pub fn jid(&self) -> &Jid {
        self.waiting.payload.jid()
    }

    /// The queue it is in, or will be.
    pub fn queue(&self) -> String {
        self.waiting.queue()
    }

    /// When it is due; `None` is now.
    pub fn at(&self) -> Option<Timestamp> {
        self.waiting.at
    }

    /// How long it was to wait; `None` is not at all.
    pub fn delay(&self) -> Option<Duration> {
        self.waiting.delay()
    }
}
