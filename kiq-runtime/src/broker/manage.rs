//! What an operator does to jobs that wait, and tells to processes: each act is one step of the store, and the second of two
//! equal ones finds nothing to do.

use std::fmt;

use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::browse::Place;
use super::logbook::Mark;
use super::presence::Signal;

/// The most jobs that one [`Manage::relocate`] moves: what a script does keeps everybody else waiting.
pub const MOST_MOVES: usize = 100;

/// An operator's acts. Every method fails when the store does not answer; what was done is then done, or not.
pub trait Manage: fmt::Debug + Send + Sync + 'static {
    /// Takes jobs out of a place, if they are still in it, and puts each where it says, in one step. Answers for each whether
    /// it was there, and not yet as it is wanted. At most [`MOST_MOVES`] are looked at. If they are part of an operation, they
    /// are counted and kept in the same step.
    fn relocate<'a>(
        &'a self,
        place: &'a Place,
        moves: &'a [Move],
        mark: Option<Mark<'a>>,
    ) -> BoxFuture<'a, Result<Vec<bool>, BrokerError>>;

    /// Removes everything there is in a place, and answers how much it was.
    fn clear<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<usize, BrokerError>>;

    /// Has workers leave a queue alone, or take jobs from it again. Answers whether that is new.
    fn set_paused<'a>(&'a self, queue: &'a str, paused: bool) -> BoxFuture<'a, Result<bool, BrokerError>>;

    /// Leaves a signal for a process, which finds it with its next heartbeat. Answers whether there is such a process.
    fn signal<'a>(&'a self, identity: &'a str, signal: Signal) -> BoxFuture<'a, Result<bool, BrokerError>>;

    /// Notes that a new version of the application runs from now on. Answers `false` if that was noted within the last
    /// minute, by another process say.
    fn mark_deploy<'a>(&'a self, label: &'a str, at: Timestamp) -> BoxFuture<'a, Result<bool, BrokerError>>;

    /// Removes all jobs and numbers, whoever put them there, and what belongs to kiq or Sidekiq beside them; nothing else.
    /// Answers how much it was: keys in Redis, jobs in memory.
    fn forget_everything(&self) -> BoxFuture<'_, Result<usize, BrokerError>>;
}

/// One job, and where it goes.
#[derive(Clone, Debug)]
pub struct Move {
    /// Its bytes as they were found: if they changed since, it is another job.
    pub payload: Vec<u8>,
    /// Where it goes.
    pub to: Destination,
}

/// Where an operator sends a job.
#[derive(Clone, Debug)]
pub enum Destination {
    /// Nowhere.
    Nothing,
    /// To the head of a queue.
    Queue {
        /// Which.
        name: String,
        /// Its bytes there.
        payload: String,
    },
    /// To the tail of a queue, where it is taken next.
    Next {
        /// Which.
        name: String,
        /// Its bytes there.
        payload: String,
    },
    /// To the dead, as it is.
    Dead {
        /// Its time of death.
        at: Timestamp,
    },
    /// To another time in the same sorted set. A queue has no times: there it is not found.
    Later {
        /// When.
        at: Timestamp,
    },
}
