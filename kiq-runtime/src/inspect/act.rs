//! What an operator does to jobs that wait.

use std::fmt;

use crate::broker::manage::MOST_MOVES;
use crate::broker::{Destination, JobSet, Mark, Move, Place};
use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::options::{DEFAULT_QUEUE, queue_name_fault};

use super::{Found, Inspector};

/// What to do to a job that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// To the head of its queue, now. Takes back one of the counted retries, as Sidekiq does, and clears it of the suspicion of
    /// having killed its process. Not for jobs that are in a queue.
    Retry,
    /// To another time. For scheduled jobs and retries.
    Reschedule {
        /// When.
        at: Timestamp,
    },
    /// To the dead, as it is. Not for the dead.
    Kill,
    /// Away, for good.
    Delete,
    /// To the head of another queue. For jobs that are in a queue.
    Move {
        /// Which.
        queue: String,
    },
    /// To the end of its queue, where it is taken next. For jobs that are in a queue.
    RunNext,
}

impl Act {
    /// Whether it can be done to jobs of that place.
    pub fn suits(&self, place: &Place) -> bool {
        match (self, place) {
            (Act::Delete, _) => true,
            (Act::Retry | Act::Reschedule { .. }, Place::Queue(_)) => false,
            (Act::Kill | Act::Reschedule { .. }, Place::Set(JobSet::Dead)) => false,
            (Act::Move { queue }, Place::Queue(from)) => queue != from,
            (Act::Move { .. } | Act::RunNext, place) => matches!(place, Place::Queue(_)),
            (Act::Retry | Act::Kill | Act::Reschedule { .. }, _) => true,
        }
    }

    /// Whether it can be taken back while its jobs are where it put them.
    pub fn has_undo(&self) -> bool {
        !matches!(self, Act::RunNext)
    }

    /// Whether jobs are lost by it, unless it is taken back.
    pub fn is_destructive(&self) -> bool {
        matches!(self, Act::Delete)
    }

    /// As an operator calls it: `retry`.
    pub fn verb(&self) -> &'static str {
        match self {
            Act::Retry => "retry",
            Act::Reschedule { .. } => "reschedule",
            Act::Kill => "kill",
            Act::Delete => "delete",
            Act::Move { .. } => "move",
            Act::RunNext => "run next",
        }
    }

    /// Where to, if its verb does not say it.
    pub(super) fn detail(&self) -> String {
        match self {
            Act::Reschedule { at } => format!("to {at}"),
            Act::Move { queue } => format!("to {queue}"),
            _ => String::new(),
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verb())
    }
}

/// What an act did to one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acted {
    /// It is done.
    Done,
    /// The job is not there any more, not as it was, or as it should be already: somebody else was quicker.
    Gone,
    /// There is no job in these bytes, so it can only be deleted, killed or put off.
    NotAJob,
}

/// What an act did to many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// Jobs it was done to.
    pub done: usize,
    /// Jobs that were not there any more.
    pub gone: usize,
    /// Entries that are no jobs and cannot be retried.
    pub not_jobs: usize,
    /// Entries that were looked at, more or less.
    pub read: usize,
}

impl Outcome {
    pub(super) fn add(&mut self, acted: &[Acted]) {
        for acted in acted {
            match acted {
                Acted::Done => self.done += 1,
                Acted::Gone => self.gone += 1,
                Acted::NotAJob => self.not_jobs += 1,
            }
        }
    }
}

/// An act could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActError {
    /// It makes no sense there.
    #[error("jobs of {place} cannot be told to {act}{}", hint(.act, .place))]
    Unsuitable {
        /// What was to be done.
        act: Act,
        /// Where.
        place: Place,
    },
    /// There can be no queue of that name.
    #[error("jobs cannot be moved to queue {queue:?}: {fault}")]
    QueueName {
        /// The name.
        queue: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The store did not answer; what was done up to then is done.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

fn hint(act: &Act, place: &Place) -> &'static str {
    match (act, place) {
        (Act::Retry, _) => ": they are in their queue already",
        (Act::Move { .. }, Place::Queue(_)) => ": they are in that queue already",
        (Act::Move { .. } | Act::RunNext, _) => ": they are in no queue; retry them",
        (Act::Kill, _) => ": they are dead already",
        (_, Place::Set(JobSet::Dead)) => ": they have no time to run; retry them",
        _ => ": a queue has no times",
    }
}

/// That it makes sense there.
pub(super) fn check(act: &Act, place: &Place) -> Result<(), ActError> {
    if !act.suits(place) {
        return Err(ActError::Unsuitable { act: act.clone(), place: place.clone() });
    }
    if let Act::Move { queue } = act
        && let Some(fault) = queue_name_fault(queue)
    {
        return Err(ActError::QueueName { queue: queue.clone(), fault });
    }
    Ok(())
}

impl Inspector {
    /// Does something to one job, if it is still where it was found, as it was. In Redis: one script, O(log size); for a queue
    /// O(size). It is in no log: [`begin_on`](Inspector::begin_on) is for what people do.
    ///
    /// # Errors
    /// When it cannot be done there, or the store does not answer.
    pub async fn act(&self, found: &Found, act: Act) -> Result<Acted, ActError> {
        check(&act, &found.place)?;
        let acted = self.act_on(&found.place, std::slice::from_ref(found), &act, None).await?;
        Ok(acted.first().copied().unwrap_or(Acted::Gone))
    }

    /// At most [`MOST_MOVES`].
    pub(super) async fn act_on(
        &self,
        place: &Place,
        found: &[Found],
        act: &Act,
        mark: Option<Mark<'_>>,
    ) -> Result<Vec<Acted>, BrokerError> {
        debug_assert!(found.len() <= MOST_MOVES, "a script that moves more keeps everybody waiting");
        let now = self.now();
        let mut answers = vec![Acted::NotAJob; found.len()];
        let mut moves = Vec::with_capacity(found.len());
        let mut indexes = Vec::with_capacity(found.len());
        for (index, found) in found.iter().enumerate() {
            if let Some(to) = destination(found, act, now) {
                moves.push(Move { payload: found.bytes.clone(), to });
                indexes.push(index);
            }
        }
        let moved = if moves.is_empty() { Vec::new() } else { self.broker.relocate(place, &moves, mark).await? };
        for (index, moved) in indexes.into_iter().zip(moved) {
            if let Some(answer) = answers.get_mut(index) {
                *answer = if moved { Acted::Done } else { Acted::Gone };
            }
        }
        Ok(answers)
    }
}

/// `None` if there is no job to be brought there.
fn destination(found: &Found, act: &Act, now: Timestamp) -> Option<Destination> {
    Some(match act {
        Act::Delete => Destination::Nothing,
        Act::Kill => Destination::Dead { at: now },
        Act::Reschedule { at } => Destination::Later { at: *at },
        Act::Retry => retried(found, now)?,
        Act::Move { queue } => {
            let mut job = found.payload.as_ref().ok()?.clone();
            job.set("queue", queue);
            Destination::Queue { name: queue.clone(), payload: job.to_string() }
        }
        Act::RunNext => {
            let job = found.payload.as_ref().ok()?;
            Destination::Next { name: found.queue()?, payload: job.to_string() }
        }
    })
}

/// As Sidekiq's `SortedEntry#retry`: one counted retry less, so that the job has as many left as before the operator came.
fn retried(found: &Found, now: Timestamp) -> Option<Destination> {
    let mut job = found.payload.as_ref().ok()?.clone();
    job.remove("at");
    if found.place != Place::Set(JobSet::Scheduled)
        && let Some(count) = job.retry_count()
    {
        job.set("retry_count", &(count - 1));
    }
    job.clear_deaths();
    job.set_time("enqueued_at", now);
    let name = job.queue().filter(|queue| queue_name_fault(queue).is_none());
    Some(Destination::Queue { name: name.unwrap_or_else(|| DEFAULT_QUEUE.to_owned()), payload: job.to_string() })
}
