//! Where jobs are kept: the seam between kiq and its stores.
//!
//! Traits split by who calls. [`Broker`] is what a client needs (put in) and what hands out the rest;
//! [`Consumer`] is one worker process at work (fetch, settle, give back, reclaim), with its [`Presence`]; [`Browse`] is
//! the reading side, [`Manage`] the operator's hand, and [`Logbook`] what it did. All are object-safe and are held as `Arc<dyn …>`.
//!
//! # The promise every broker keeps
//! From the moment a push returned `Ok` a job is in exactly one place: a queue, in flight (with an owner and a lease), the
//! schedule, the retries, the dead, or done. Every move is one atomic step. The conformance suite in `tests/brokers/`
//! holds each implementation to it.

pub mod browse;
pub mod dead;
pub mod front;
pub mod logbook;
pub mod manage;
pub mod memory;
pub mod metrics;
pub mod presence;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "spool")]
pub mod spool;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::BoxFuture;

pub use crate::job::RawPayload;

#[cfg(feature = "redis")]
pub use self::redis::RedisBroker;
pub use browse::{
    Browse, Day, Entry, JobSet, Place, ProcessState, QueueState, Running, ScanFrom, Scanned, Span, Stats, StoreInfo,
};
pub use dead::{DEAD_SET_AGE, DEAD_SET_LIMIT, DeadLimits};
pub use front::Front;
pub use logbook::{Logbook, Logged, Mark, Restore, Restored};
pub use manage::{Destination, Manage, Move};
pub use memory::MemoryBroker;
pub use metrics::{ClassRuns, ClassTotals, Deploy, Durations, Step};
pub use presence::{Beat, CapsuleInfo, Heard, Identity, OrderMode, Presence, ProcessInfo, Signal, Work};

/// A store of jobs.
pub trait Broker: Browse + Manage + Logbook {
    /// Stores jobs: each to the head of its queue, or into the schedule. A job with a guard that is still there is not
    /// stored again. Answers for each of them, in order.
    ///
    /// # Cancel safety
    /// A push that was dropped may or may not have stored its jobs.
    fn push<'a>(&'a self, jobs: &'a [NewJob]) -> BoxFuture<'a, Vec<Result<Pushed, PushError>>>;

    /// The same, and then waits until so many replicas have it. A job that fewer acknowledged in time is
    /// [`PushError::Unknown`] with [`BrokerError::NotReplicated`]. A store without replicas refuses.
    ///
    /// # Cancel safety
    /// As [`push`](Broker::push).
    fn push_durably<'a>(
        &'a self,
        jobs: &'a [NewJob],
        replicas: Replicas,
    ) -> BoxFuture<'a, Vec<Result<Pushed, PushError>>> {
        let _ = replicas;
        let refused = |_: &NewJob| {
            let reason = "it has no replicas to wait for; enqueue without `durable`".to_owned();
            Err(PushError::Rejected(BrokerError::Unsupported { server: self.place(), reason }))
        };
        Box::pin(std::future::ready(jobs.iter().map(refused).collect()))
    }

    /// Moves at most `limit` due jobs each from the retries and the schedule to the heads of their queues, with a fresh
    /// `enqueued_at`. What is due and no job goes to the dead set as it is.
    ///
    /// # Errors
    /// When the store does not answer; what was moved is moved.
    fn promote(&self, limit: usize) -> BoxFuture<'_, Result<Promotion, BrokerError>>;

    /// One worker process at work. It owns nothing until its first [`Presence::beat`].
    fn attach(&self, identity: Identity) -> Arc<dyn Consumer>;

    /// How much the dead set keeps from now on, for everybody who shares this value. Default: [`DeadLimits::default`].
    fn limit_dead(&self, limits: DeadLimits);

    /// Asks the store whether it is there and fit for use. Answers with what an operator should know, one sentence each.
    ///
    /// # Errors
    /// When it is not there, or cannot be used.
    fn check(&self) -> BoxFuture<'_, Result<Vec<String>, BrokerError>>;

    /// Where the jobs are kept, for messages: an address without its password, or `memory`.
    fn place(&self) -> String;
}

/// One worker process's hold on the store.
///
/// What a consumer fetched it *owns*, under a lease that its heartbeat renews. If the heartbeat stops, any other consumer
/// may [`reclaim`](Consumer::reclaim) the jobs, and whatever the late owner then says of them changes nothing.
pub trait Consumer: Presence {
    /// Takes up to `want` of the oldest jobs, from the first queue that has any, then the next. Does not wait.
    ///
    /// # Errors
    /// [`BrokerError::LeaseLost`] when the lease ran out; others when the store does not answer. Nothing is lost by an
    /// error: what the store had already handed out is answered by a later call, which may then be more than it wants, or
    /// is back in its queue within one [`reclaim`](Consumer::reclaim).
    ///
    /// # Cancel safety
    /// The same holds when this is dropped.
    fn fetch<'a>(&'a self, queues: &'a [String], want: usize) -> BoxFuture<'a, Result<Vec<UnitOfWork>, BrokerError>>;

    /// One who waits for jobs without asking again and again: one for each set of processors.
    fn waiter(&self) -> Box<dyn Waiter>;

    /// Ends this process's hold on one job, in one step with the counters.
    ///
    /// May be repeated after an error: a second one finds nothing to do and answers [`Settled::Stale`].
    ///
    /// # Errors
    /// When the store does not answer; the job is then still owned, or was settled.
    fn settle<'a>(&'a self, unit: &'a UnitOfWork, end: &'a Settlement) -> BoxFuture<'a, Result<Settled, BrokerError>>;

    /// Ends this process's hold on jobs that succeeded, in one step with the counters. Answers for each of them, in order.
    ///
    /// After an error it must be repeated with the same jobs before it is called with others; what the first call did is
    /// not done twice.
    ///
    /// # Errors
    /// When the store does not answer; the jobs are then still owned, or were acknowledged.
    fn ack<'a>(&'a self, units: &'a [UnitOfWork]) -> BoxFuture<'a, Result<Vec<Settled>, BrokerError>>;

    /// Replaces the bytes of a job this process holds, before it runs: what is written is what comes back if the process
    /// dies. May be repeated.
    ///
    /// # Errors
    /// When the store does not answer; the job is then as it was, or has the new bytes.
    fn mark<'a>(&'a self, unit: &'a UnitOfWork, payload: &'a str) -> BoxFuture<'a, Result<Settled, BrokerError>>;

    /// Puts jobs back where they will be taken next, oldest first, as if they had never been fetched. Those this process
    /// no longer owns are passed over. Answers how many went back.
    ///
    /// # Errors
    /// When the store does not answer; they are then still owned, and the lease brings them back.
    fn give_back<'a>(&'a self, units: &'a [UnitOfWork]) -> BoxFuture<'a, Result<usize, BrokerError>>;

    /// Puts back what processes hold whose lease ran out (with the field `kiq_recovered`, see
    /// [`recovered`](crate::job::recovered)), and what this process was handed without learning of it (an
    /// answer that was lost). Any number of processes may do this at once.
    ///
    /// # Errors
    /// When the store does not answer.
    fn reclaim(&self) -> BoxFuture<'_, Result<Vec<Reclaimed>, BrokerError>>;
}

/// Waits for jobs on behalf of processors that have nothing to do.
///
/// A store may hand a job over as soon as it comes, which saves asking for it. What was handed over is owned like what was
/// [fetched](Consumer::fetch).
///
/// Dropping it loses nothing: what the store hands over to one that is gone is back in its queue within one
/// [`reclaim`](Consumer::reclaim).
pub trait Waiter: fmt::Debug + Send + Sync {
    /// Returns when one of `queues` may have a job, or after `patience`.
    ///
    /// Jobs may be handed over from then on until a [`rest`](Waiter::rest) has ended, between two calls too; the next
    /// call answers them. What goes wrong is a reason to fetch, which says it.
    ///
    /// # Cancel safety
    /// May be dropped at any time; no job is lost by it.
    fn wait<'a>(&'a mut self, queues: &'a [String], patience: Duration) -> BoxFuture<'a, Arrival>;

    /// Asks the store to hand nothing over any more. Returns when something was handed over all the same, or, with no
    /// job, when nothing can be.
    ///
    /// # Cancel safety
    /// As [`wait`](Waiter::wait).
    fn rest(&mut self) -> BoxFuture<'_, Vec<UnitOfWork>>;

    /// Whether the store may hand something over.
    fn is_armed(&self) -> bool;
}

/// How a [`wait`](Waiter::wait) ended.
#[derive(Debug, Default)]
pub struct Arrival {
    /// Jobs that were handed over.
    pub units: Vec<UnitOfWork>,
    /// Whether a fetch may find more.
    pub look: bool,
}

/// A job to store.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// The payload's JSON.
    pub payload: String,
    /// The queue it is for.
    pub queue: String,
    /// When to run it; `None` is now.
    pub at: Option<Timestamp>,
    /// What keeps it from being stored twice; `None` stores it whatever is there.
    pub guard: Option<Guard>,
}

/// Keeps a job from being stored twice: whoever comes second with the same key, within the time, stores nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// What the pushes that mean the same job have in common.
    pub key: String,
    /// How long it is remembered, from the push that stored the job.
    pub ttl: Duration,
    /// The job's id, which the second is told.
    pub jid: String,
}

/// What a push that succeeded did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It stored the job.
    New,
    /// Its guard was there: the job was stored before, under this id, and may have run since.
    Already {
        /// The id of the job that was stored.
        jid: String,
    },
    /// The store is out of reach, and the job waits in a local spool (`Client::with_spool`, feature `spool`).
    Spooled,
}

/// How many replicas must have a job before its enqueue is `Ok`, and how long that may take.
///
/// # Examples
/// ```
/// use kiq::Replicas;
/// use std::time::Duration;
///
/// let two = Replicas::new(2).within(Duration::from_millis(200));
/// assert_eq!((two.count(), two.patience()), (2, Duration::from_millis(200)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicas {
    count: u32,
    patience: Duration,
}

impl Replicas {
    /// At least so many, from 1, within a second.
    pub const fn new(count: u32) -> Self {
        Replicas { count, patience: Duration::from_secs(1) }
    }

    /// Within another time: from a millisecond to a minute.
    #[must_use]
    pub const fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How many.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// How long they may take.
    pub const fn patience(self) -> Duration {
        self.patience
    }

    /// What is wrong with it, if anything.
    pub(crate) fn fault(self) -> Option<&'static str> {
        match self {
            Replicas { count: 0, .. } => Some("it asks for no replica; leave `durable` out"),
            // The server takes 0 for ever.
            Replicas { patience, .. } if patience < Duration::from_millis(1) || patience > Duration::from_secs(60) => {
                Some("the time for it must be from a millisecond to a minute")
            }
            _ => None,
        }
    }
}

/// A job in this process's hands: the exact bytes that were stored, and where its owner's mark stands.
#[derive(Clone)]
pub struct UnitOfWork {
    /// The queue it was taken from.
    pub queue: Arc<str>,
    /// The bytes, whatever they are.
    pub payload: RawPayload,
    /// Its place among what this process owns; the broker's own affair.
    pub slot: Slot,
}

impl fmt::Debug for UnitOfWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnitOfWork")
            .field("queue", &self.queue)
            .field("bytes", &self.payload.len())
            .field("slot", &self.slot)
            .finish()
    }
}

/// The place of one job in a batch that was fetched together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The batch.
    pub batch: Arc<str>,
    /// The position in it, from 0.
    pub index: usize,
}

/// How this process's hold on a job ends.
#[derive(Clone, Debug)]
pub enum Settlement {
    /// It succeeded. Counts as processed.
    Done,
    /// It failed and is tried again at a time. Counts as processed and failed.
    Retry {
        /// The payload with the failure written into it.
        payload: String,
        /// When.
        at: Timestamp,
    },
    /// It was told to come later, which is no failure: it waits in the schedule. Counts as processed.
    Later {
        /// The payload.
        payload: String,
        /// When.
        at: Timestamp,
    },
    /// It failed for good and is kept among the dead. Counts as processed and failed.
    Dead {
        /// The payload with the failure written into it.
        payload: String,
        /// The time of death.
        at: Timestamp,
    },
    /// It failed for good and nothing is kept. Counts as processed and failed.
    Discarded,
    /// It is no job: its bytes go to the dead set as they are. Counts as nothing, as in Sidekiq.
    NotAJob {
        /// The time of death.
        at: Timestamp,
    },
}

/// What a settlement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is done. `trimmed` old entries had to leave the dead set.
    Applied {
        /// How many jobs left the dead set because it is full or they are too old.
        trimmed: usize,
    },
    /// This process did not own the job any more; nothing was changed.
    Stale,
}

/// Jobs that were put back because their owner is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reclaimed {
    /// Who held them.
    pub owner: String,
    /// The queue they are back in.
    pub queue: String,
    /// How many.
    pub jobs: usize,
}

/// What one promotion did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promotion {
    /// Jobs moved to their queues.
    pub moved: usize,
    /// Entries that are no jobs, moved to the dead set.
    pub buried: usize,
    /// How long until the next entry is due, by the store's clock; zero when more are due already.
    pub next_in: Option<Duration>,
}

/// Why a push did not return `Ok`.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// Certainly not stored.
    #[error(transparent)]
    Rejected(BrokerError),
    /// The request went out and no answer came: stored, or not.
    #[error(transparent)]
    Unknown(BrokerError),
    /// Run at once in place of being stored, by a store for tests, and failed: the error's class and message.
    #[error("run at its enqueue, and failed: {0}")]
    FailedInline(String),
}
