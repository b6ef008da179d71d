//! The reading side of a store: how much is where, and a page of it.

use std::fmt;

use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::BoxFuture;

/// Counts and pages. Nothing here changes anything, and nothing reads more than it is asked for.
pub trait Browse: fmt::Debug + Send + Sync + 'static {
    /// The totals.
    ///
    /// # Errors
    /// When the store does not answer.
    fn stats(&self) -> BoxFuture<'_, Result<Stats, BrokerError>>;

    /// All queues that were ever pushed to, by name, with their sizes.
    ///
    /// # Errors
    /// When the store does not answer.
    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueSize>, BrokerError>>;

    /// Part of a queue, the job that runs next first.
    ///
    /// # Errors
    /// When the store does not answer.
    fn queue_page<'a>(
        &'a self,
        queue: &'a str,
        skip: usize,
        take: usize,
    ) -> BoxFuture<'a, Result<Vec<Vec<u8>>, BrokerError>>;

    /// Part of a sorted set, the earliest time first.
    ///
    /// # Errors
    /// When the store does not answer.
    fn set_page(&self, set: JobSet, skip: usize, take: usize) -> BoxFuture<'_, Result<Vec<Entry>, BrokerError>>;
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

/// A queue and how many jobs wait in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSize {
    /// The queue.
    pub name: String,
    /// The jobs in it.
    pub size: usize,
}

/// The sorted sets of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobSet {
    /// Jobs for later, by the time they are due.
    Scheduled,
    /// Failed jobs, by the time of their next try.
    Retry,
    /// Jobs that failed for good, by the time of death.
    Dead,
}

/// An entry of a sorted set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its time.
    pub at: Timestamp,
    /// Its bytes, whatever they are.
    pub payload: Vec<u8>,
}
