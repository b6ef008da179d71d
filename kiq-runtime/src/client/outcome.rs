//! What became of an enqueue: stored, certainly not, or not known.

use std::fmt;

use crate::broker::PushError;
use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::{ArgsError, ContextError, Jid, PayloadError};

/// A job is stored: its id, where, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The job's id: that of the first, if it [was there already](Stored::Already).
    pub jid: Jid,
    /// The queue it is in, or will be.
    pub queue: String,
    /// When it will be there; `None` is now.
    pub at: Option<Timestamp>,
    /// Whether this enqueue stored it.
    pub stored: Stored,
}

/// How an enqueue that is `Ok` found the job stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stored {
    /// This enqueue stored it.
    New,
    /// An enqueue before it did, and this one was [idempotent](crate::client::Enqueue::idempotent): nothing was stored. The
    /// job may wait, run, or have ended.
    Already,
    /// A [middleware](crate::client::EnqueueMiddleware) stopped it: nothing was stored.
    Stopped,
    /// The store is out of reach: the job is on this machine's disk, in the client's spool (`Client::with_spool`, feature
    /// `spool`), and is sent when the store is back.
    Spooled,
}

/// A job was not enqueued, or nobody knows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// The client was closed. Nothing is stored.
    #[error("job {jid} was not stored: this client was closed")]
    Closed {
        /// The id it would have had.
        jid: Jid,
    },
    /// No client to enqueue with. Nothing is stored.
    #[error("no client to enqueue with; call `kiq::init(client)` at start, or name one with `.on(&client)`")]
    NoClient,
    /// A test enqueues and has not said where to. Nothing is stored.
    #[error(
        "this is a test, where the client of `kiq::init` is not used, and it has not said where its jobs go; begin it with \
         `let kiq = kiq_testing::fake();`, or `inline()`, or `real(&client)`. That covers one runtime or thread: from another, \
         name a client: `.on(&kiq.client())`"
    )]
    NoTestMode,
    /// The job was run in place of being stored, as a test asked for, and failed. What became of it is in the store.
    #[error("job {jid} was run at its enqueue: {reason}")]
    FailedInline {
        /// The job's id.
        jid: Jid,
        /// What ran, and how it failed.
        reason: String,
    },
    /// An argument cannot be written as JSON. Nothing is stored.
    #[error(transparent)]
    Args(#[from] ArgsError),
    /// The queue's name cannot be used. Nothing is stored.
    #[error("{queue:?} cannot be a queue: {fault}")]
    InvalidQueue {
        /// The name.
        queue: String,
        /// The rule it breaks.
        fault: &'static str,
    },
    /// The time is after the year 9999. Nothing is stored.
    #[error("a job cannot wait until {at}; the year 9999 is the last")]
    InvalidTime {
        /// The time.
        at: Timestamp,
    },
    /// The payload is larger than the client allows. Nothing is stored.
    #[error(
        "the payload of this {class} job is {size} bytes long and the limit is {limit}; pass a reference to the data, or raise it with `Client::with_payload_limit`"
    )]
    TooLarge {
        /// The job's class.
        class: String,
        /// The payload's length in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The values of the request cannot travel with the job. Nothing is stored.
    #[error("this job cannot carry the request's values: {0}")]
    Context(#[from] ContextError),
    /// The payload is JSON that another reader could not read (nested deeper than 100 levels, say). Nothing is stored.
    #[error("a worker could not read this job: {source}")]
    Unreadable {
        /// What is wrong with it.
        source: PayloadError,
    },
    /// An idempotent enqueue that cannot be one. Nothing is stored.
    #[error("this enqueue cannot be idempotent: {fault}")]
    InvalidGuard {
        /// The rule it breaks.
        fault: &'static str,
    },
    /// A durable enqueue that cannot be one. Nothing is stored.
    #[error("this enqueue cannot be durable: {fault}")]
    InvalidReplicas {
        /// The rule it breaks.
        fault: &'static str,
    },
    /// Two jobs of one bulk have the same id. Nothing is stored.
    #[error("two jobs of this bulk have the id {jid}; each needs one of its own")]
    DuplicateJid {
        /// The id.
        jid: Jid,
    },
    /// A bulk with more jobs than ids, or fewer. Nothing is stored.
    #[error("this bulk has {jobs} jobs and {jids} ids; it takes one for each")]
    JidsDoNotFit {
        /// How many jobs.
        jobs: usize,
        /// How many ids.
        jids: usize,
    },
    /// The store could not be reached or said no. This attempt has certainly stored nothing.
    #[error("job {jid} was not stored: {source}")]
    Rejected {
        /// The id it would have had.
        jid: Jid,
        /// The reason.
        source: BrokerError,
    },
    /// The request went out and the answer was lost: stored, or not.
    #[error("job {jid} may or may not be stored: {source}; {}", repeating(*.is_guarded))]
    Unknown {
        /// Its id.
        jid: Jid,
        /// Whether it was [idempotent](crate::client::Enqueue::idempotent), so that repeating it with the same id or key
        /// within the time makes no second copy.
        is_guarded: bool,
        /// What happened to the answer.
        source: BrokerError,
    },
}

/// How to repeat an enqueue whose outcome is not known.
fn repeating(is_guarded: bool) -> &'static str {
    match is_guarded {
        true => "enqueue it again with the same id or key and `idempotent`, and it is stored once",
        false => "enqueue it again under the same id if twice is better than never (`idempotent` would make it safe)",
    }
}

impl EnqueueError {
    pub(super) fn of_push(jid: Jid, is_guarded: bool, error: PushError) -> Self {
        match error {
            PushError::Rejected(source) => EnqueueError::Rejected { jid, source },
            PushError::Unknown(source) => EnqueueError::Unknown { jid, is_guarded, source },
            PushError::FailedInline(reason) => EnqueueError::FailedInline { jid, reason },
        }
    }

    /// The id of the job, for enqueueing it again, if the error came late enough for it to have one.
    pub fn jid(&self) -> Option<&Jid> {
        match self {
            EnqueueError::Closed { jid }
            | EnqueueError::DuplicateJid { jid }
            | EnqueueError::FailedInline { jid, .. }
            | EnqueueError::Rejected { jid, .. }
            | EnqueueError::Unknown { jid, .. } => Some(jid),
            _ => None,
        }
    }

    /// Whether the job may be stored all the same.
    pub fn is_unknown(&self) -> bool {
        matches!(self, EnqueueError::Unknown { .. })
    }
}

/// A bulk enqueue went wrong somewhere: what became of each job. The three lists are empty when all were refused together,
/// before any of them was sent: by an option that cannot be, or because there is no client.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct BulkError {
    /// These are stored.
    pub stored: Vec<Receipt>,
    /// These may be stored: the answer was lost.
    pub unknown: Vec<Jid>,
    /// These are certainly not stored.
    pub rejected: Vec<Jid>,
    /// The first thing that went wrong.
    source: Option<EnqueueError>,
}

impl BulkError {
    /// Nothing was sent.
    pub(super) fn before_any(error: EnqueueError) -> Self {
        BulkError { source: Some(error), ..BulkError::default() }
    }

    /// Takes down the outcome of one job: `jid` is its id where an error does not tell it.
    pub(super) fn note(&mut self, jid: Option<Jid>, outcome: Result<Receipt, EnqueueError>) {
        match outcome {
            Ok(receipt) => self.stored.push(receipt),
            Err(error) => {
                let list = if error.is_unknown() { &mut self.unknown } else { &mut self.rejected };
                list.extend(error.jid().cloned().or(jid));
                self.source.get_or_insert(error);
            }
        }
    }

    /// The first thing that went wrong.
    pub fn first(&self) -> Option<&EnqueueError> {
        self.source.as_ref()
    }
}

impl fmt::Display for BulkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stored, unknown, rejected) = (self.stored.len(), self.unknown.len(), self.rejected.len());
        match stored + unknown + rejected {
            0 => f.write_str("none of the jobs was sent")?,
            _ => write!(f, "{stored} jobs stored, {unknown} perhaps, {rejected} not")?,
        }
        match &self.source {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for BulkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}
