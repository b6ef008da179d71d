//! The reading side of a store: how much is where, a page of it, who works on it, and how long that took.

use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::metrics::{Deploy, Durations, Step, StepRuns};
use super::presence::CapsuleInfo;

/// Counts and pages. Nothing here changes anything, and nothing reads more than it is asked for.
///
/// Every method fails when the store does not answer, and for no other reason.
pub trait Browse: fmt::Debug + Send + Sync + 'static {
    /// The totals.
    fn stats(&self) -> BoxFuture<'_, Result<Stats, BrokerError>>;

    /// Runs of the last `days` UTC days, today first.
    fn history(&self, days: usize) -> BoxFuture<'_, Result<Vec<Day>, BrokerError>>;

    /// All queues that were ever pushed to, by name.
    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueState>, BrokerError>>;

    /// Part of a queue, the job that runs next first.
    fn queue_page<'a>(
        &'a self,
        queue: &'a str,
        skip: usize,
        take: usize,
    ) -> BoxFuture<'a, Result<Vec<Vec<u8>>, BrokerError>>;

    /// Part of a sorted set, the earliest time first.
    fn set_page(&self, set: JobSet, skip: usize, take: usize) -> BoxFuture<'_, Result<Vec<Entry>, BrokerError>>;

    /// Part of what a sorted set has in a span of time.
    fn set_span(&self, set: JobSet, span: Span) -> BoxFuture<'_, Result<Vec<Entry>, BrokerError>>;

    /// Some of what is in a place, in no order, and where to go on. Whoever goes on to the end has met everything that was
    /// there all the time, some of it twice perhaps; jobs that come or leave meanwhile may be met or not.
    ///
    /// `containing` is a hint: the store may leave out what does not have these bytes.
    fn scan<'a>(
        &'a self,
        place: &'a Place,
        from: ScanFrom,
        containing: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Scanned, BrokerError>>;

    /// The worker processes that live, by identity.
    fn processes(&self) -> BoxFuture<'_, Result<Vec<ProcessState>, BrokerError>>;

    /// At most about `limit` of the jobs that processes said they were running, with their last heartbeats.
    fn running(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Running>, BrokerError>>;

    /// What ran in each step of time from `from` to `to`, both rounded down. Steps in which nothing ran are there, empty.
    fn runs(&self, from: Timestamp, to: Timestamp, step: Step) -> BoxFuture<'_, Result<Vec<StepRuns>, BrokerError>>;

    /// How many runs took how long, for each class and minute that is asked for, in order; the minutes are rounded down.
    fn durations<'a>(
        &'a self,
        minutes: &'a [(&'a str, Timestamp)],
    ) -> BoxFuture<'a, Result<Vec<Durations>, BrokerError>>;

    /// The marks of deploys in a span of time, the earliest first.
    fn deploys(&self, from: Timestamp, to: Timestamp) -> BoxFuture<'_, Result<Vec<Deploy>, BrokerError>>;

    /// The classes of jobs that programs said they know, and when one last did; some thousands at most.
    fn known_jobs(&self) -> BoxFuture<'_, Result<Vec<(String, Timestamp)>, BrokerError>>;

    /// What the store says of itself; `None` for what it has no word for.
    fn store_info(&self) -> BoxFuture<'_, Result<StoreInfo, BrokerError>>;
}

/// The totals of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Runs that ended, well or not, since the counter was last reset.
    pub processed: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Jobs in all queues.
    pub enqueued: usize,
    /// Jobs in processes' hands.
    pub in_flight: usize,
    /// Jobs that wait for their time.
    pub scheduled: usize,
    /// Jobs that wait for their next try.
    pub retries: usize,
    /// Jobs that failed for good and are kept.
    pub dead: usize,
    /// Worker processes that live.
    pub processes: usize,
}

impl Stats {
    /// Jobs that are yet to be settled: queued, in flight, scheduled or waiting for a retry.
    pub fn unsettled(&self) -> usize {
        self.enqueued + self.in_flight + self.scheduled + self.retries
    }
}

/// What ran on one UTC day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// As in `2026-11-23`.
    pub date: String,
    /// Runs that ended, well or not.
    pub processed: u64,
    /// Runs that failed.
    pub failed: u64,
}

/// A queue as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueState {
    /// Its name.
    pub name: String,
    /// The jobs in it.
    pub size: usize,
    /// Whether workers leave it alone.
    pub is_paused: bool,
    /// The bytes of the job that runs next.
    pub next: Option<Vec<u8>>,
}

/// The sorted sets of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobSet {
    /// Jobs for later, by the time they are due.
    Scheduled,
    /// Failed jobs, by the time of their next try.
    Retry,
    /// Jobs that failed for good, by the time of death.
    Dead,
}

impl JobSet {
    /// All of them.
    pub const ALL: [JobSet; 3] = [JobSet::Scheduled, JobSet::Retry, JobSet::Dead];
}

/// Where jobs wait.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A queue, by its name.
    Queue(String),
    /// A sorted set.
    Set(JobSet),
}

impl fmt::Display for Place {
    /// As an operator calls it: `queue mail`, `retries`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Queue(name) => write!(f, "queue {name}"),
            Place::Set(JobSet::Scheduled) => f.write_str("scheduled"),
            Place::Set(JobSet::Retry) => f.write_str("retries"),
            Place::Set(JobSet::Dead) => f.write_str("dead"),
        }
    }
}

/// An entry of a sorted set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its time.
    pub at: Timestamp,
    /// Its bytes, whatever they are.
    pub payload: Vec<u8>,
}

/// Which entries of a sorted set to read.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Not those before; `None` from the first on.
    pub from: Option<Timestamp>,
    /// Not those after; `None` up to the last.
    pub to: Option<Timestamp>,
    /// The latest first.
    pub newest_first: bool,
    /// So many of them not.
    pub skip: usize,
    /// So many of them at most.
    pub take: usize,
}

/// Where a scan goes on: a position of the store's own, and how many entries to look at, more or less.
#[derive(Clone, Copy, Debug)]
pub struct ScanFrom {
    /// 0 at the beginning, then what the last one answered.
    pub position: u64,
    /// About so many entries.
    pub count: usize,
}

/// What a step of a scan met.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    /// The bytes, and the time if the place is a sorted set.
    pub entries: Vec<(Option<Timestamp>, Vec<u8>)>,
    /// How many entries were looked at, with those that were left out.
    pub read: usize,
    /// Where to go on; `None` at the end. If the place is a queue, whoever removed jobs meanwhile goes on that many earlier.
    pub next: Option<u64>,
}

/// A worker process, as its last heartbeat described it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProcessState {
    /// `host:pid:nonce`.
    pub identity: String,
    /// The host's name.
    pub hostname: String,
    /// The process's number there.
    pub pid: u32,
    /// A label for people, or empty.
    pub tag: String,
    /// What it runs: `kiq 0.1.0`, or a version of Sidekiq.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Its capsules. A Sidekiq before 8.0.9 says only its queues: they are one capsule, `default`.
    pub capsules: Vec<CapsuleInfo>,
    /// Jobs at once.
    pub concurrency: usize,
    /// Jobs it runs.
    pub busy: usize,
    /// When it last said that it lives.
    pub beat_at: Timestamp,
    /// Whether it takes no more jobs.
    pub is_quiet: bool,
    /// Whether it is part of another program, and cannot be told to stop from here.
    pub is_embedded: bool,
    /// Resident memory, in KiB; 0 if unknown.
    pub rss_kib: u64,
    /// How long the store took to answer its last heartbeat.
    pub round_trip: Duration,
}

impl ProcessState {
    /// Whether it takes jobs from that queue.
    pub fn serves(&self, queue: &str) -> bool {
        self.capsules.iter().any(|capsule| capsule.queues.iter().any(|(name, _)| name == queue))
    }
}

/// A job that a process said it was running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The process's identity.
    pub process: String,
    /// The processor's label.
    pub tid: String,
    /// The queue it was taken from.
    pub queue: String,
    /// Since when.
    pub run_at: Timestamp,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// What a store says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct StoreInfo {
    /// Its version.
    pub version: Option<String>,
    /// Bytes in use.
    pub used_memory: Option<u64>,
    /// The most bytes that were ever in use.
    pub peak_memory: Option<u64>,
    /// The most bytes it may use; `None` without a limit.
    pub max_memory: Option<u64>,
    /// Programs connected to it.
    pub clients: Option<u64>,
    /// The most of them.
    pub max_clients: Option<u64>,
    /// For how long it has run.
    pub uptime: Option<Duration>,
    /// Whether each change goes to a log on disk.
    pub has_append_only_file: Option<bool>,
    /// Replicas connected to it.
    pub replicas: Option<u64>,
}
