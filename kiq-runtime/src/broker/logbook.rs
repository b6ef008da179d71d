//! What operators did, and what is kept so that it can be taken back.

use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::browse::Place;

/// The operations that the log has; older ones leave it.
pub const OPERATIONS_KEPT: usize = 1000;

/// How long an operation stays in the log.
pub const OPERATIONS_AGE: Duration = Duration::from_secs(30 * 86_400);

/// How long jobs can be put back after they were moved.
pub const UNDO_AGE: Duration = Duration::from_secs(600);

/// The log of operations. Every method fails when the store does not answer.
pub trait Logbook: fmt::Debug + Send + Sync + 'static {
    /// Writes a new operation into the log. Answers `false`, and changes nothing, if there is one of that id.
    fn begin_operation<'a>(
        &'a self,
        id: &'a str,
        at: Timestamp,
        record: &'a str,
    ) -> BoxFuture<'a, Result<bool, BrokerError>>;

    /// Writes how far an operation is. Answers `false` if somebody wants it stopped.
    fn update_operation<'a>(&'a self, id: &'a str, record: &'a str) -> BoxFuture<'a, Result<bool, BrokerError>>;

    /// Has an operation stop at its next [`update_operation`](Logbook::update_operation). Answers `false` if there is none of
    /// that id.
    fn stop_operation<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, BrokerError>>;

    /// An operation of the log.
    fn operation<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Logged>, BrokerError>>;

    /// The newest operations, the last first.
    fn operations(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Logged>, BrokerError>>;

    /// Puts at most `limit` jobs that an operation moved back into `place`, as they were, and notes who did so. What is no
    /// longer where the operation put it stays away.
    fn restore<'a>(&'a self, restore: Restore<'a>) -> BoxFuture<'a, Result<Restored, BrokerError>>;

    /// Keeps nothing of an operation any more: it cannot be taken back.
    fn forget_undo<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), BrokerError>>;
}

/// An operation that moves are part of.
#[derive(Clone, Copy, Debug)]
pub struct Mark<'a> {
    /// Its id.
    pub operation: &'a str,
    /// Whether the jobs are kept as they were, for [`UNDO_AGE`].
    pub keeps_undo: bool,
}

/// An operation of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logged {
    /// Its id.
    pub id: String,
    /// What its writer says of it.
    pub record: String,
    /// Jobs that were moved. Counted in the same step as the moves, so that it is exact whatever ends.
    pub done: usize,
    /// Jobs that were not there any more.
    pub gone: usize,
    /// Whether somebody wants it stopped.
    pub is_told_to_stop: bool,
    /// Jobs that can be put back.
    pub kept: usize,
    /// Who took it back, first.
    pub undone_by: Option<String>,
    /// When, first.
    pub undone_at: Option<Timestamp>,
    /// Jobs that were put back.
    pub restored: usize,
    /// Jobs that could not be put back: they were not where the operation had put them.
    pub missed: usize,
}

/// What to put back.
#[derive(Clone, Copy, Debug)]
pub struct Restore<'a> {
    /// The operation's id.
    pub operation: &'a str,
    /// Where its jobs were.
    pub place: &'a Place,
    /// So many at most.
    pub limit: usize,
    /// Who wants it.
    pub by: &'a str,
    /// When.
    pub at: Timestamp,
}

/// What was put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Jobs that are where they were, as they were.
    pub restored: usize,
    /// Jobs that went on meanwhile.
    pub missed: usize,
    /// Jobs that are yet to be put back.
    pub left: usize,
}
