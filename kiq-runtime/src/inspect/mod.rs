//! Looking at what is where, and setting it right by hand: from any process, with or without a worker.
//!
//! Nothing here reads without a bound, and nothing asks Redis for its keys. Each method says what it costs; a test counts the
//! commands that are sent, with ten jobs and with a hundred thousand, and fails if that is not what is said.

mod act;
mod explain;
mod filter;
mod found;
mod groups;
mod message;
mod numbers;
mod operations;
mod page;
mod selection;
mod unknown;
mod walk;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::Broker;
use crate::client::Client;
use crate::clock::{Clock, Timestamp};
use crate::error::BrokerError;
use crate::job::Payload;

pub use crate::broker::metrics::{HISTOGRAM_BOUNDS_MS, HISTOGRAM_BUCKETS};
pub use crate::broker::{
    CapsuleInfo, ClassTotals, Day, Deploy, Durations, Entry, JobSet, OrderMode, Place, ProcessState, Running, Signal,
    Span, Stats, Step, StoreInfo,
};
pub use crate::clock::parse_duration;
pub use act::{Act, ActError, Acted, Outcome};
pub use explain::{Explanation, Whereabouts};
pub use filter::{Filter, FilterError, Hide};
pub use found::Found;
pub use groups::{Group, Groups};
pub use numbers::{Histogram, Runs};
pub use operations::{
    Begun, By, MOST_UNDO, MOST_UNDO_BYTES, NotAnOperationId, Operation, OperationId, OperationState, Run, UndoError,
    Undone,
};
pub use page::{Page, PageOf};
pub use selection::{Count, Selection};
pub use unknown::{UnknownClass, UnknownJobs};
pub use walk::{Cursor, EntryKey, KeyError};

/// How far back `since:deploy` looks.
const DEPLOYS_LOOKED_AT: Duration = Duration::from_secs(7 * 86_400);

/// The most days of history: five years, for which Sidekiq keeps them.
const MOST_DAYS: usize = 1825;

/// The operator's side of a client: reads what is where, and acts on it.
///
/// # Examples
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// #[kiq::job(queue = "mail")]
/// async fn send_welcome(user_id: u64) { let _ = user_id; }
///
/// let client = kiq::Client::in_memory();
/// let _ = SendWelcome::enqueue(7).on(&client).await?;
///
/// let inspector = kiq::Inspector::new(&client);
/// assert_eq!(inspector.stats().await?.enqueued, 1);
/// let next = &inspector.queue("mail", 0, 10).await?[0];
/// assert_eq!(next.payload.as_ref().map(|job| job.class().to_owned()), Ok("SendWelcome".to_owned()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Inspector {
    broker: Arc<dyn Broker>,
    clock: Clock,
}

/// A queue as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Jobs in it.
    pub size: usize,
    /// For how long the job that runs next has waited; zero when it is empty.
    pub latency: Duration,
    /// Whether workers leave it alone.
    pub is_paused: bool,
}

/// There is no filter of that text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterFault {
    /// A word cannot be used.
    #[error(transparent)]
    Word(#[from] FilterError),
    /// The store did not answer.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

impl Inspector {
    /// Looks at what `client` enqueues into.
    pub fn new(client: &Client) -> Self {
        Inspector { broker: Arc::clone(client.broker()), clock: client.clock().clone() }
    }

    /// The totals, all of one instant. In Redis: one transaction of one command a queue and two a process, and eight more;
    /// twice, as a rule, because the first finds out which queues and processes there are.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn stats(&self) -> Result<Stats, BrokerError> {
        self.broker.stats().await
    }

    /// Runs of the last `days` UTC days, from 1 to 1,825, today first. In Redis: one command, O(days).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn history(&self, days: usize) -> Result<Vec<Day>, BrokerError> {
        self.broker.history(days.clamp(1, MOST_DAYS)).await
    }

    /// All queues that were ever pushed to and not cleared since, by name. In Redis: two commands a queue and two more, each
    /// O(1) for any size of the queues.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn queues(&self) -> Result<Vec<Queue>, BrokerError> {
        let now = self.now();
        let waited = |next: Option<Vec<u8>>| {
            let job = Payload::parse(&next?).ok()?;
            Some(now.since(job.enqueued_at().or_else(|| job.created_at())?))
        };
        let states = self.broker.queues().await?.into_iter();
        let queues = states.map(|state| Queue {
            name: state.name,
            size: state.size,
            latency: waited(state.next).unwrap_or_default(),
            is_paused: state.is_paused,
        });
        Ok(queues.collect())
    }

    /// At most `take` jobs of a queue after the first `skip`, the one that runs next first. One command in Redis.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn queue(&self, name: &str, skip: usize, take: usize) -> Result<Vec<Found>, BrokerError> {
        let page = self.broker.queue_page(name, skip, take).await?;
        let place = Place::Queue(name.to_owned());
        Ok(page.into_iter().map(|bytes| Found::new(&place, None, bytes)).collect())
    }

    /// At most `take` jobs of a set after the first `skip`, the earliest first. In Redis: one command,
    /// O(log size + skip + take) at most.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn set(&self, set: JobSet, skip: usize, take: usize) -> Result<Vec<Found>, BrokerError> {
        self.set_span(set, Span { from: None, to: None, newest_first: false, skip, take }).await
    }

    /// What a set has in a span of time. In Redis: one command, O(log size + take), and O(skip) more if the span has an end.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn set_span(&self, set: JobSet, span: Span) -> Result<Vec<Found>, BrokerError> {
        let place = Place::Set(set);
        let entries = self.broker.set_span(set, span).await?;
        Ok(entries.into_iter().map(|Entry { at, payload }| Found::new(&place, Some(at), payload)).collect())
    }

    /// Removes everything there is in a place, for good, and answers how much it was. In Redis: one script, O(1); the memory is
    /// freed in the background.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn clear(&self, place: &Place) -> Result<usize, BrokerError> {
        self.broker.clear(place).await
    }

    /// Removes all jobs, wherever they are, and all numbers: an empty store, for development. Answers how many keys (in memory:
    /// jobs) that were. What kiq and Sidekiq keep in Redis goes, whoever wrote it, and no other key of the database. Workers go
    /// on, and what they were running counts for nothing. In Redis: a look at every key, a thousand a command.
    ///
    /// # Errors
    /// When the store does not answer; then some of it may be gone.
    pub async fn forget_everything(&self) -> Result<usize, BrokerError> {
        self.broker.forget_everything().await
    }

    /// Has workers leave a queue alone, from their next heartbeat on (5 s, as a rule). Jobs of it that run end as usual. Answers
    /// whether it was not paused before. In Redis: one command, O(1).
    ///
    /// The mark is that of Sidekiq Pro; the free Sidekiq does not know of it, and its processes go on.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn pause(&self, queue: &str) -> Result<bool, BrokerError> {
        self.broker.set_paused(queue, true).await
    }

    /// Has workers take jobs of a queue again. Answers whether it was paused. In Redis: one command, O(1).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn resume(&self, queue: &str) -> Result<bool, BrokerError> {
        self.broker.set_paused(queue, false).await
    }

    /// The worker processes that live, by identity: kiq's and Sidekiq's. In Redis: one command a process and one more,
    /// O(processes).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn processes(&self) -> Result<Vec<ProcessState>, BrokerError> {
        self.broker.processes().await
    }

    /// At most `limit` jobs that processes said they were running with their last heartbeats, the longest first. In Redis: for
    /// each process one command for 1,000 jobs, and one more; O(jobs).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn running(&self, limit: usize) -> Result<Vec<Running>, BrokerError> {
        let mut running = self.broker.running(limit).await?;
        running.sort_by_key(|run| run.run_at);
        Ok(running)
    }

    /// Tells a process to take no more jobs ([`Signal::Quiet`]), to stop, or to log what it does. It hears of it with its next
    /// heartbeat: within 5 s, as a rule, 10 s for a Sidekiq. Answers whether there is such a process. In Redis: one script,
    /// O(1).
    ///
    /// A process that is part of another program does not obey.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn signal(&self, identity: &str, signal: Signal) -> Result<bool, BrokerError> {
        self.broker.signal(identity, signal).await
    }

    /// The filter that a text means, with what it asks of the store: `since:deploy` is since the last deploy of the last 7 days,
    /// and means nothing if there was none. In Redis: nothing, or for that word one command a day.
    ///
    /// # Errors
    /// When a word cannot be used, or the store does not answer.
    pub async fn filter(&self, text: &str) -> Result<Filter, FilterFault> {
        let filter = Filter::parse(text)?;
        if !filter.needs_deploy() {
            return Ok(filter);
        }
        let deploys = self.deploys(DEPLOYS_LOOKED_AT).await?;
        Ok(match deploys.last() {
            Some(deploy) => filter.with_deploy(deploy.at),
            None => filter,
        })
    }

    /// What the store says of itself. In Redis: one command.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn store_info(&self) -> Result<StoreInfo, BrokerError> {
        self.broker.store_info().await
    }

    /// Looks whether the store is fit for use, as a worker does at its start. Answers with what an operator should know.
    ///
    /// # Errors
    /// When it is not there, or cannot be used.
    pub async fn check(&self) -> Result<Vec<String>, BrokerError> {
        self.broker.check().await
    }

    /// Where the jobs are kept: an address without its password, or `memory`.
    pub fn store(&self) -> String {
        self.broker.place()
    }

    /// The time on the client's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inspector({})", self.broker.place())
    }
}
