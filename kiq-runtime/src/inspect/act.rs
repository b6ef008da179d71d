//! What an operator does to jobs that wait: to one, or to all that a filter means, counted first.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use crate::broker::manage::MOST_MOVES;
use crate::broker::{Destination, JobSet, Move, Place, ScanFrom};
use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::options::{DEFAULT_QUEUE, queue_name_fault};

use super::{Filter, Found, Inspector};

/// Entries that one step of a scan looks at.
const SCAN: usize = 500;

/// Jobs that a count keeps to show.
const SAMPLE: usize = 5;

/// What to do to a job that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl Act {
    /// Whether it can be done to jobs of that place.
    pub fn suits(self, place: &Place) -> bool {
        match (self, place) {
            (Act::Delete, _) => true,
            (Act::Retry, Place::Queue(_)) | (Act::Kill, Place::Set(JobSet::Dead)) => false,
            (Act::Reschedule { .. }, Place::Queue(_) | Place::Set(JobSet::Dead)) => false,
            (Act::Retry | Act::Kill | Act::Reschedule { .. }, _) => true,
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Act::Retry => "retry",
            Act::Reschedule { .. } => "reschedule",
            Act::Kill => "kill",
            Act::Delete => "delete",
        })
    }
}

/// What an act did to one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acted {
    /// It is done.
    Done,
    /// The job is not there any more, or not as it was: somebody else was quicker.
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
    /// The store did not answer; what was done up to then is done.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

fn hint(act: &Act, place: &Place) -> &'static str {
    match (act, place) {
        (Act::Retry, _) => ": they are in their queue already",
        (Act::Kill, _) => ": they are dead already",
        (_, Place::Set(JobSet::Dead)) => ": they have no time to run; retry them",
        _ => ": a queue has no times",
    }
}

/// All jobs of a place that a filter means, up to a moment: what failed later is another operator's affair.
///
/// # Examples
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use kiq::inspect::{Act, Filter, Place};
/// # #[kiq::job(queue = "mail")]
/// # async fn send_welcome(user_id: u64) { let _ = user_id; }
/// # let client = kiq::Client::in_memory();
/// # let _ = SendWelcome::enqueue(7).on(&client).await?;
/// let inspector = kiq::Inspector::new(&client);
/// let selection = inspector.select(Place::Queue("mail".to_owned()), Filter::parse("args:7")?);
/// assert_eq!(selection.count(10_000).await?.matching, 1); // show this to the operator, and ask
/// assert_eq!(selection.apply(Act::Delete).await?.done, 1);
/// assert_eq!(selection.apply(Act::Delete).await?.done, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Selection {
    inspector: Inspector,
    place: Place,
    filter: Filter,
    as_of: Timestamp,
    limit: usize,
}

/// How many jobs a selection has.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Count {
    /// Jobs that match, of those that were read.
    pub matching: usize,
    /// Entries that were read, more or less.
    pub read: usize,
    /// Whether everything was read.
    pub is_complete: bool,
    /// Some that match.
    pub sample: Vec<Found>,
}

impl Selection {
    pub(super) fn new(inspector: &Inspector, place: Place, filter: Filter) -> Self {
        Selection { inspector: inspector.clone(), place, filter, as_of: inspector.now(), limit: usize::MAX }
    }

    /// As it was at an earlier moment: when the operator saw the count, say.
    #[must_use]
    pub fn as_of(mut self, moment: Timestamp) -> Self {
        self.as_of = moment;
        self
    }

    /// Only so many of them, whichever.
    #[must_use]
    pub fn limit(mut self, jobs: usize) -> Self {
        self.limit = jobs;
        self
    }

    /// The place.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Counts, looking at `budget` entries at most, more or less. In Redis: one `ZSCAN` or `LRANGE` for 500 entries, O(entries).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn count(&self, budget: usize) -> Result<Count, BrokerError> {
        let mut count = Count { matching: 0, read: 0, is_complete: false, sample: Vec::new() };
        let mut met = Met::default();
        let mut position = Some(0);
        while let Some(from) = position {
            if count.read >= budget || count.matching >= self.limit {
                return Ok(count);
            }
            let (found, read, next) = self.step(from, &mut met).await?;
            count.read += read;
            for found in found.into_iter().take(self.limit - count.matching) {
                count.matching += 1;
                if count.sample.len() < SAMPLE {
                    count.sample.push(found);
                }
            }
            position = next;
        }
        count.is_complete = true;
        Ok(count)
    }

    /// Does it to all of them, [as many as wanted](Selection::limit). In Redis: reading as for [`count`](Selection::count), and
    /// one script for each 100 jobs, each O(jobs · log size); for a queue O(jobs · size).
    ///
    /// A job is in one place or the other at every moment, whatever breaks off.
    ///
    /// # Errors
    /// When it cannot be done there, or the store does not answer.
    ///
    /// # Cancel safety
    /// What was done up to then is done.
    pub async fn apply(&self, act: Act) -> Result<Outcome, ActError> {
        self.apply_telling(act, |_| true).await
    }

    /// The same, and tells after each 100 jobs how far it is. `false` stops it.
    ///
    /// # Errors
    /// As [`apply`](Selection::apply).
    pub async fn apply_telling(&self, act: Act, mut go_on: impl FnMut(&Outcome) -> bool) -> Result<Outcome, ActError> {
        if !act.suits(&self.place) {
            return Err(ActError::Unsuitable { act, place: self.place.clone() });
        }
        let mut outcome = Outcome::default();
        let mut met = Met::default();
        let mut position = Some(0);
        while let Some(from) = position {
            let (found, read, next) = self.step(from, &mut met).await?;
            outcome.read += read;
            let before = outcome.done;
            for some in found.chunks(MOST_MOVES) {
                let left = self.limit.saturating_sub(outcome.done);
                let some = some.get(..left.min(some.len())).unwrap_or_default();
                for acted in self.inspector.act_on(&self.place, some, act).await? {
                    match acted {
                        Acted::Done => outcome.done += 1,
                        Acted::Gone => outcome.gone += 1,
                        Acted::NotAJob => outcome.not_jobs += 1,
                    }
                }
                if !go_on(&outcome) || outcome.done >= self.limit {
                    return Ok(outcome);
                }
            }
            // A queue is read by position, and what was taken out moved the rest.
            let moved = if matches!(self.place, Place::Queue(_)) { outcome.done - before } else { 0 };
            position = next.map(|next| next.saturating_sub(moved as u64));
        }
        Ok(outcome)
    }

    /// Those that match among the next entries, how many were read, and where to go on.
    async fn step(&self, position: u64, met: &mut Met) -> Result<(Vec<Found>, usize, Option<u64>), BrokerError> {
        let from = ScanFrom { position, count: SCAN };
        let scanned = self.inspector.broker.scan(&self.place, from, self.filter.hint()).await?;
        let found = scanned.entries.into_iter().map(|(at, bytes)| Found::new(&self.place, at, bytes));
        let meant = found
            .filter(|found| found.happened_at().is_none_or(|at| at <= self.as_of))
            .filter(|found| self.filter.matches(found, self.as_of))
            .filter(|found| met.is_new(&found.bytes));
        Ok((meant.collect(), scanned.read, scanned.next))
    }
}

/// Which entries were met: a scan may meet one twice. (By a hash: of a million, two are mistaken for one with a chance of
/// one in 36 million.)
#[derive(Default)]
struct Met {
    hasher: RandomState,
    hashes: HashSet<u64>,
}

impl Met {
    fn is_new(&mut self, bytes: &[u8]) -> bool {
        self.hashes.insert(self.hasher.hash_one(bytes))
    }
}

impl Inspector {
    /// All jobs of a place that a filter means, as of now: to be counted, and acted upon.
    pub fn select(&self, place: Place, filter: Filter) -> Selection {
        Selection::new(self, place, filter)
    }

    /// Does something to one job, if it is still where it was found, as it was. In Redis: one script, O(log size); for a queue
    /// O(size).
    ///
    /// # Errors
    /// When it cannot be done there, or the store does not answer.
    pub async fn act(&self, found: &Found, act: Act) -> Result<Acted, ActError> {
        if !act.suits(&found.place) {
            return Err(ActError::Unsuitable { act, place: found.place.clone() });
        }
        let acted = self.act_on(&found.place, std::slice::from_ref(found), act).await?;
        Ok(acted.first().copied().unwrap_or(Acted::Gone))
    }

    /// At most [`MOST_MOVES`].
    async fn act_on(&self, place: &Place, found: &[Found], act: Act) -> Result<Vec<Acted>, BrokerError> {
        let now = self.now();
        let mut answers = vec![Acted::NotAJob; found.len()];
        let mut moves = Vec::with_capacity(found.len());
        let mut indexes = Vec::with_capacity(found.len());
        for (index, found) in found.iter().enumerate() {
            let to = match act {
                Act::Delete => Some(Destination::Nothing),
                Act::Kill => Some(Destination::Dead { at: now }),
                Act::Reschedule { at } => Some(Destination::Later { at }),
                Act::Retry => retried(found, now),
            };
            if let Some(to) = to {
                moves.push(Move { payload: found.bytes.clone(), to });
                indexes.push(index);
            }
        }
        let moved = if moves.is_empty() { Vec::new() } else { self.broker.relocate(place, &moves).await? };
        for (index, moved) in indexes.into_iter().zip(moved) {
            if let Some(answer) = answers.get_mut(index) {
                *answer = if moved { Acted::Done } else { Acted::Gone };
            }
        }
        Ok(answers)
    }
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
