//! One job, or many, about to be enqueued: what can be told of them beyond their arguments.

use std::collections::HashSet;
use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use crate::broker::Replicas;
use crate::clock::Timestamp;
use crate::job::{BoxFuture, Jid, Job, Payload, Retry};

use super::outcome::{BulkError, EnqueueError, Receipt};
use super::{Client, default_client};

/// Enqueues a job: the same as `J::enqueue(…)`, for a job that is already a value.
pub fn enqueue<J: Job>(job: J) -> Enqueue<J> {
    Enqueue::new(job)
}

/// Enqueues many jobs of one kind, in chunks of 1,000 (or 1 MiB).
///
/// # Examples
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = kiq::Client::in_memory();
/// #[kiq::job]
/// async fn reindex(user_id: u64) { let _ = user_id; }
///
/// let receipts = kiq::enqueue_all((1..=2500).map(Reindex::new)).queue("bulk").on(&client).await?;
/// assert_eq!(receipts.len(), 2500);
/// # Ok(())
/// # }
/// ```
pub fn enqueue_all<J: Job>(jobs: impl IntoIterator<Item = J>) -> EnqueueAll<J> {
    EnqueueAll { jobs: jobs.into_iter().collect(), jids: None, set: Overrides::default() }
}

/// What an enqueue says beyond the job itself.
#[derive(Default)]
pub(super) struct Overrides {
    pub(super) queue: Option<String>,
    pub(super) retry: Option<Retry>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) jid: Option<Jid>,
    when: When,
    once: Option<Once>,
    /// `Some(None)`: not durable, whatever the client says.
    durable: Option<Option<Replicas>>,
    client: Option<Client>,
}

/// An enqueue that may be repeated.
#[derive(Clone, Debug)]
pub(super) struct Once {
    pub(super) ttl: Duration,
    /// What tells the job; its id if nothing else does.
    pub(super) key: Option<String>,
}

#[derive(Default)]
enum When {
    #[default]
    Now,
    In(Duration),
    At(Timestamp),
}

impl Overrides {
    fn client(&mut self) -> Result<Client, EnqueueError> {
        self.client.take().map_or_else(default_client, Ok)
    }

    fn at(&self, now: Timestamp) -> Option<Timestamp> {
        match self.when {
            When::Now => None,
            When::In(delay) => Some(now + delay),
            When::At(at) => Some(at),
        }
    }
}

/// What one job and many jobs can be told alike.
macro_rules! overrides {
    () => {
        /// To another queue. Names are 1 to 128 of `A-Z a-z 0-9 _ . : -`.
        pub fn queue(mut self, queue: impl Into<String>) -> Self {
            self.set.queue = Some(queue.into());
            self
        }

        /// With so many retries. `0` sends the first failure to the dead set.
        pub fn retry(mut self, count: u32) -> Self {
            self.set.retry = Some(Retry::Max(count));
            self
        }

        /// Without retries: the first failure ends the job, and nothing of it is kept.
        pub fn no_retry(mut self) -> Self {
            self.set.retry = Some(Retry::Never);
            self
        }

        /// Not before so much time has passed.
        pub fn delay(mut self, delay: Duration) -> Self {
            self.set.when = When::In(delay);
            self
        }

        /// Not before a time: a `SystemTime` or a [`Timestamp`]. A time that has passed is now; the year 9999 is the last.
        pub fn at(mut self, at: impl Into<Timestamp>) -> Self {
            self.set.when = When::At(at.into());
            self
        }

        /// With labels instead of the job's own.
        pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
            self.set.tags = Some(tags.into_iter().map(Into::into).collect());
            self
        }

        /// So that it can be repeated without a second copy: within `ttl` (a millisecond to a year) of an enqueue that stored
        /// a job, another idempotent one under the same id stores nothing and answers with a receipt that says so
        /// ([`Stored::Already`](crate::client::Stored::Already)), whether the job still waits or has ended.
        ///
        /// The mark and the job are stored in one step, and the mark is as safe as the Redis it is in: one that restarts from
        /// an older state, or fails over to a replica that lags, forgets both, or the later of two jobs. Give the id
        /// yourself (`jid`, or `jids` of a bulk), or take it from the error.
        pub fn idempotent(mut self, ttl: Duration) -> Self {
            self.set.once = Some(Once { ttl, key: None });
            self
        }

        /// Stored only when so many replicas have it, too. Otherwise it is
        /// [`Unknown`](crate::client::EnqueueError::Unknown) with
        /// [`NotReplicated`](crate::error::BrokerError::NotReplicated): on the server, and lost if that fails now.
        /// `None` undoes what the client asks for ([`Client::with_durability`]).
        ///
        /// It narrows the window in which a failover loses jobs, and does not close it: Redis may still promote a replica that
        /// lacks it. The wait is on a connection of its own, one for each kind of [`Replicas`] in use.
        pub fn durable(mut self, replicas: impl Into<Option<Replicas>>) -> Self {
            self.set.durable = Some(replicas.into());
            self
        }

        /// Through this client instead of the process's default.
        pub fn on(mut self, client: &Client) -> Self {
            self.set.client = Some(client.clone());
            self
        }
    };
}

/// One job about to be enqueued. Awaiting it enqueues it.
///
/// # Errors
/// [`EnqueueError`]. `Unknown`: the answer was lost, so the job is stored once or not at all. Every other: this attempt has
/// stored nothing. kiq itself never sends it twice; repeating it is safe if it is [`idempotent`](Enqueue::idempotent).
/// Each ends within 9 seconds, whatever the server does (a durable one within its own time more, twice).
///
/// # Cancel safety
/// Dropping the future once it was polled leaves it open whether the job is stored.
///
/// # Examples
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use kiq::{EnqueueError, Stored};
/// use std::time::Duration;
///
/// #[kiq::job]
/// async fn charge(order: u64) { let _ = order; }
///
/// # let client = kiq::Client::in_memory();
/// let day = Duration::from_secs(86_400);
/// let jid = kiq::Jid::random(); // once, and kept with the order
/// let mut attempts = 3;
/// let receipt = loop {
///     match Charge::enqueue(42).jid(jid.clone()).idempotent(day).on(&client).await {
///         Err(EnqueueError::Unknown { .. }) if attempts > 0 => attempts -= 1,
///         outcome => break outcome?,
///     }
/// };
/// assert_eq!(receipt.stored, Stored::New);
/// assert_eq!(Charge::enqueue(42).jid(jid).idempotent(day).on(&client).await?.stored, Stored::Already);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is enqueued until this is awaited"]
pub struct Enqueue<J: Job> {
    job: J,
    set: Overrides,
}

impl<J: Job> Enqueue<J> {
    /// Starts with the options fixed where the job is defined.
    pub fn new(job: J) -> Self {
        Enqueue { job, set: Overrides::default() }
    }

    overrides!();

    /// Under an id of your own, for an enqueue that may be repeated. kiq does not look for another job of that id, unless it
    /// is [`idempotent`](Enqueue::idempotent).
    pub fn jid(mut self, jid: Jid) -> Self {
        self.set.jid = Some(jid);
        self
    }

    /// As [`idempotent`](Enqueue::idempotent), going by a key of your own (1 to 256 bytes) instead of the job's id: what tells
    /// the job apart, such as `"receipt:42"`. Keys are one set for all kinds of jobs; the receipt of a repetition has the
    /// id of the job that was stored.
    pub fn idempotent_by(mut self, key: impl Into<String>, ttl: Duration) -> Self {
        self.set.once = Some(Once { ttl, key: Some(key.into()) });
        self
    }
}

impl<J: Job> IntoFuture for Enqueue<J> {
    type Output = Result<Receipt, EnqueueError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let client = self.set.client()?;
            let payload = client.payload(&self.job, &self.set)?;
            let at = self.set.at(client.clock().now());
            let replicas = client.replicas(self.set.durable)?;
            client.push_through(payload, at, self.set.once, replicas).await
        })
    }
}

impl<J: Job> fmt::Debug for Enqueue<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enqueue").field("job", &J::NAME).finish_non_exhaustive()
    }
}

/// Many jobs of one kind about to be enqueued. Awaiting it enqueues them, and answers one receipt each, in order.
///
/// # Errors
/// [`BulkError`], with an outcome for each job: chunks before the one that failed are stored.
#[must_use = "nothing is enqueued until this is awaited"]
pub struct EnqueueAll<J: Job> {
    jobs: Vec<J>,
    jids: Option<Vec<Jid>>,
    set: Overrides,
}

impl<J: Job> EnqueueAll<J> {
    overrides!();

    /// Under ids of your own, one for each job in their order, for a bulk that may be repeated.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use kiq::{Jid, Stored};
    /// use std::time::Duration;
    ///
    /// #[kiq::job]
    /// async fn reindex(user_id: u64) { let _ = user_id; }
    ///
    /// # let client = kiq::Client::in_memory();
    /// let jids: Vec<Jid> = (0..100).map(|_| Jid::random()).collect();
    /// let hour = Duration::from_secs(3600);
    /// let all = || kiq::enqueue_all((0..100).map(Reindex::new)).jids(jids.clone()).idempotent(hour).on(&client);
    /// let first = all().await?;
    /// let again = all().await?; // after a BulkError, say
    /// assert!(first.iter().all(|receipt| receipt.stored == Stored::New));
    /// assert!(again.iter().all(|receipt| receipt.stored == Stored::Already));
    /// # Ok(())
    /// # }
    /// ```
    pub fn jids(mut self, jids: impl IntoIterator<Item = Jid>) -> Self {
        self.jids = Some(jids.into_iter().collect());
        self
    }

    fn payloads(&mut self, client: &Client) -> Result<Vec<Payload>, EnqueueError> {
        let mut jids = self.jids.take().map(Vec::into_iter);
        if let Some(jids) = &jids {
            if jids.len() != self.jobs.len() {
                return Err(EnqueueError::JidsDoNotFit { jobs: self.jobs.len(), jids: jids.len() });
            }
            let mut seen = HashSet::with_capacity(jids.len());
            if let Some(jid) = jids.as_slice().iter().find(|jid| !seen.insert(*jid)) {
                return Err(EnqueueError::DuplicateJid { jid: jid.clone() });
            }
        }
        let mut payloads = Vec::with_capacity(self.jobs.len());
        for job in &self.jobs {
            self.set.jid = jids.as_mut().and_then(Iterator::next);
            payloads.push(client.payload(job, &self.set)?);
        }
        Ok(payloads)
    }
}

impl<J: Job> IntoFuture for EnqueueAll<J> {
    type Output = Result<Vec<Receipt>, BulkError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let client = self.set.client().map_err(BulkError::before_any)?;
            let replicas = client.replicas(self.set.durable).map_err(BulkError::before_any)?;
            let at = self.set.at(client.clock().now());
            if self.jids.is_none() && self.set.once.is_none() && client.around.is_empty() {
                let jobs = client.bulk(&self.jobs, &self.set, at).map_err(BulkError::before_any)?;
                return client.push_all(jobs, replicas).await;
            }
            let payloads = self.payloads(&client).map_err(BulkError::before_any)?;
            client.push_all_through(payloads, at, self.set.once, replicas).await
        })
    }
}

impl<J: Job> fmt::Debug for EnqueueAll<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnqueueAll").field("job", &J::NAME).field("count", &self.jobs.len()).finish_non_exhaustive()
    }
}
