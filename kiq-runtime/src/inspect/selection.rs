//! All jobs of a place that a filter means: to be counted, and acted upon.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use crate::broker::manage::MOST_MOVES;
use crate::broker::{Place, ScanFrom};
use crate::clock::Timestamp;
use crate::error::BrokerError;

use super::act::check;
use super::walk::Walk;
use super::{Act, ActError, Filter, Found, Inspector, Outcome};

/// Entries that one step of a scan looks at.
const SCAN: usize = 500;

/// Jobs that a count keeps to show.
const SAMPLE: usize = 5;

/// All jobs of a place that a filter means, up to a moment: what failed later is another operator's affair.
///
/// # Examples
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use kiq::inspect::{Act, Begun, By, Filter, OperationId, Place};
/// # #[kiq::job(queue = "mail")]
/// # async fn send_welcome(user_id: u64) { let _ = user_id; }
/// # let client = kiq::Client::in_memory();
/// # let _ = SendWelcome::enqueue(7).on(&client).await?;
/// let inspector = kiq::Inspector::new(&client);
/// let selection = inspector.select(Place::Queue("mail".to_owned()), Filter::parse("args:7")?);
/// let count = selection.count(10_000).await?;
/// assert_eq!(count.matching, 1); // show this to the operator, and ask
///
/// // The id comes with the question: whoever answers it twice begins one operation.
/// let id = OperationId::random();
/// let by = By::new("ann").because("user 7 has left");
/// let Begun::New(run) = selection.begin(&id, Act::Delete, by, Some(count.matching)).await? else { unreachable!() };
/// assert_eq!(run.finish().await?.outcome.done, 1);
/// assert_eq!(inspector.undo(&id, "ben").await?.restored, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Selection {
    pub(super) inspector: Inspector,
    pub(super) place: Place,
    pub(super) filter: Filter,
    pub(super) as_of: Timestamp,
    pub(super) limit: usize,
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
    /// Jobs that would match, and failed or came after the moment.
    pub later: usize,
    /// Of the jobs that match, those that are none, and can only be deleted, killed or put off.
    pub not_jobs: usize,
    /// The bytes of those that match.
    pub bytes: usize,
    /// Some that match.
    pub sample: Vec<Found>,
}

impl Selection {
    /// As it was at an earlier moment: when the operator saw the count, say.
    #[must_use]
    pub fn as_of(mut self, moment: Timestamp) -> Self {
        self.as_of = moment;
        self
    }

    /// Only so many of them: of a set those with the earliest times, of a queue those that run next.
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

    /// The moment.
    pub fn moment(&self) -> Timestamp {
        self.as_of
    }

    /// Counts, looking at `budget` entries at most, more or less. In Redis: one `ZSCAN` or `LRANGE` for 500 entries, O(entries);
    /// with a limit one `ZRANGE` for 500.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn count(&self, budget: usize) -> Result<Count, BrokerError> {
        let mut count =
            Count { matching: 0, read: 0, is_complete: false, later: 0, not_jobs: 0, bytes: 0, sample: Vec::new() };
        let mut reader = Reader::new(self);
        while count.read < budget && count.matching < self.limit {
            let Some(found) = reader.next().await? else {
                count.is_complete = true;
                break;
            };
            for found in found.into_iter().take(self.limit - count.matching) {
                count.matching += 1;
                count.bytes += found.bytes.len();
                count.not_jobs += usize::from(found.payload.is_err());
                if count.sample.len() < SAMPLE {
                    count.sample.push(found);
                }
            }
            (count.read, count.later) = (reader.read, reader.later);
        }
        (count.read, count.later) = (reader.read, reader.later);
        Ok(count)
    }

    /// Does it to all of them, [as many as wanted](Selection::limit), and writes nothing into the log. In Redis: reading as for
    /// [`count`](Selection::count), and one script for each 100 jobs, each O(jobs · log size); for a queue O(jobs · size).
    ///
    /// A job is in one place or the other at every moment, whatever breaks off. What people do is better
    /// [begun](Selection::begin) as an operation: it can be seen, stopped and taken back.
    ///
    /// # Errors
    /// When it cannot be done there, or the store does not answer.
    ///
    /// # Cancel safety
    /// What was done up to then is done.
    pub async fn apply(&self, act: Act) -> Result<Outcome, ActError> {
        check(&act, &self.place)?;
        let mut outcome = Outcome::default();
        let mut reader = Reader::new(self);
        while outcome.done < self.limit {
            let Some(found) = reader.next().await? else { break };
            outcome.read = reader.read;
            for some in found.chunks(MOST_MOVES) {
                let left = self.limit.saturating_sub(outcome.done);
                let some = some.get(..left.min(some.len())).unwrap_or_default();
                let acted = self.inspector.act_on(&self.place, some, &act, None).await?;
                let before = outcome.done;
                outcome.add(&acted);
                reader.removed(outcome.done - before);
            }
        }
        outcome.read = reader.read;
        Ok(outcome)
    }
}

/// Goes through a selection.
pub(super) struct Reader<'a> {
    selection: &'a Selection,
    met: Met,
    way: Way<'a>,
    /// Entries that were looked at.
    pub(super) read: usize,
    /// Those that match and are too late.
    later: usize,
}

enum Way<'a> {
    /// To the end, in no order: whatever is there all the time is met.
    Scan(Option<u64>),
    /// In order: for the first so many.
    Walk(Box<Walk<'a>>),
}

impl<'a> Reader<'a> {
    pub(super) fn new(selection: &'a Selection) -> Self {
        let way = match selection.limit {
            usize::MAX => Way::Scan(Some(0)),
            _ => Way::Walk(Box::new(Walk::new(&selection.inspector, &selection.place))),
        };
        Reader { selection, met: Met::default(), way, read: 0, later: 0 }
    }

    /// Those that match among the next entries; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Found>>, BrokerError> {
        let Selection { inspector, place, filter, as_of, .. } = self.selection;
        let found: Vec<Found> = match &mut self.way {
            Way::Scan(None) => return Ok(None),
            Way::Scan(next) => {
                let from = ScanFrom { position: next.unwrap_or(0), count: SCAN };
                let scanned = inspector.broker.scan(place, from, filter.hint()).await?;
                self.read += scanned.read;
                *next = scanned.next;
                scanned.entries.into_iter().map(|(at, bytes)| Found::new(place, at, bytes)).collect()
            }
            Way::Walk(walk) => {
                let found = walk.next(SCAN).await?;
                if found.is_empty() {
                    return Ok(None);
                }
                self.read += found.len();
                found
            }
        };
        let mut meant = Vec::with_capacity(found.len());
        for found in found {
            if !filter.matches(&found, *as_of) || !self.met.is_new(&found.bytes) {
                continue;
            }
            match found.happened_at() {
                Some(at) if at > *as_of => self.later += 1,
                _ => meant.push(found),
            }
        }
        Ok(Some(meant))
    }

    /// So many of what was read were taken out of their place. A queue is read by position, and that moved the rest.
    pub(super) fn removed(&mut self, jobs: usize) {
        if let (Way::Scan(Some(next)), Place::Queue(_)) = (&mut self.way, &self.selection.place) {
            *next = next.saturating_sub(jobs as u64);
        }
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
        Selection { inspector: self.clone(), place, filter, as_of: self.now(), limit: usize::MAX }
    }
}
