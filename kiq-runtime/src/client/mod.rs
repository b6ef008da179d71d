//! Putting jobs in: now, in a while, at a time, many at once.

pub mod ambient;
mod bulk;
mod enqueue;
#[cfg(feature = "redis")]
mod environment;
#[cfg(feature = "testing")]
pub mod in_test;
mod middleware;
mod outcome;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[cfg(feature = "spool")]
use crate::broker::spool::{Spool, SpoolError, SpoolWatch};
use crate::broker::{Broker, Guard, MemoryBroker, NewJob, PushError, Pushed, Replicas};
use crate::clock::{Clock, Timestamp};
use crate::error::BrokerError;
use crate::job::current::Context;
use crate::job::options::queue_name_fault;
use crate::job::{Jid, Job, Payload, Retry, args};

pub use ambient::{default_client, init};
pub use enqueue::{Enqueue, EnqueueAll, enqueue, enqueue_all};
#[cfg(feature = "redis")]
pub use environment::EnvironmentError;
#[cfg(feature = "cli")]
pub(crate) use environment::redis_of_environment;
pub use middleware::{EnqueueMiddleware, NextEnqueue, Outgoing};
pub use outcome::{BulkError, EnqueueError, Receipt, Stored};

pub(crate) use middleware::EnqueueChain;

use enqueue::{Once, Overrides};

/// The largest payload an enqueue accepts by default: 1 MiB.
pub const DEFAULT_PAYLOAD_LIMIT: usize = 1 << 20;

/// Jobs in one chunk of a bulk enqueue: as Sidekiq's `perform_bulk`.
const CHUNK_JOBS: usize = 1000;

/// Bytes in one chunk of a bulk enqueue: the store reads a chunk in one go, and others wait meanwhile.
const CHUNK_BYTES: usize = 1 << 20;

/// The longest an idempotent enqueue is remembered.
const LONGEST_GUARD: Duration = Duration::from_secs(366 * 86_400);

/// The longest key of one, in bytes.
const LONGEST_KEY: usize = 256;

/// The end of the year 9999, in seconds: later times have no form that readers agree on.
const LAST_SECOND: i64 = 253_402_300_799;

/// A hold on the place where jobs are kept. Cheap to clone; clones share connections.
///
/// # Examples
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// #[kiq::job]
/// async fn send_welcome(user_id: u64) { let _ = user_id; }
///
/// let client = kiq::Client::in_memory();
/// let receipt = SendWelcome::enqueue(7).on(&client).await?;
/// println!("{} waits in queue {}", receipt.jid, receipt.queue);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    broker: Arc<dyn Broker>,
    clock: Clock,
    payload_limit: usize,
    durability: Option<Replicas>,
    is_closed: Arc<AtomicBool>,
    around: EnqueueChain,
    #[cfg(feature = "spool")]
    spool: Option<Arc<SpoolWatch>>,
}

impl Client {
    /// A client of any broker, on the system's clock.
    pub fn new(broker: Arc<dyn Broker>) -> Self {
        Client {
            broker,
            clock: Clock::system(),
            payload_limit: DEFAULT_PAYLOAD_LIMIT,
            durability: None,
            is_closed: Arc::default(),
            around: EnqueueChain::default(),
            #[cfg(feature = "spool")]
            spool: None,
        }
    }

    /// A client of a new in-memory broker. Its jobs are gone when the process ends.
    pub fn in_memory() -> Self {
        Client::new(Arc::new(MemoryBroker::new(Clock::system())))
    }

    /// A client of the Redis at `url`: `redis://[user:password@]host[:port][/database]`, `rediss://…` for an encrypted
    /// connection (feature `tls`), or `unix:///path`. Connects when it is first used.
    ///
    /// Or of the primary that Redis Sentinels know under a name:
    /// `redis+sentinel://[user:password@]host[:26379][,host…]/name[/database]`. User and password are those of Redis; those of
    /// the Sentinels follow as `?sentinel_user=…&sentinel_password=…`. `rediss+sentinel://` encrypts both. The Sentinels are
    /// asked whenever a connection is made: after a failover all connections are at the new primary as soon as the old one
    /// is gone or says that it is none (a primary that is cut off from its Sentinels alone goes on taking jobs, which are
    /// lost when it comes back as a replica: set `min-replicas-to-write 1` there).
    ///
    /// # Examples
    /// ```
    /// let client = kiq::Client::connect("redis+sentinel://shop:secret@10.0.0.1,10.0.0.2,10.0.0.3/main/0")?;
    /// assert_eq!(
    ///     format!("{client:?}"),
    ///     "Client(redis+sentinel://10.0.0.1:26379,10.0.0.2:26379,10.0.0.3:26379/main/0)"
    /// );
    /// # Ok::<(), kiq::BrokerError>(())
    /// ```
    ///
    /// # Errors
    /// When `url` is not such an address.
    #[cfg(feature = "redis")]
    pub fn connect(url: &str) -> Result<Self, BrokerError> {
        let broker = crate::broker::RedisBroker::open(url, Clock::system())?;
        Ok(Client::new(Arc::new(broker)))
    }

    /// The same for a `rediss://` address, with certificates of one's own.
    ///
    /// # Errors
    /// When `url` is no such address, or a certificate or key cannot be read.
    #[cfg(feature = "tls")]
    pub fn connect_with_tls(url: &str, tls: crate::broker::redis::Tls) -> Result<Self, BrokerError> {
        let broker = crate::broker::RedisBroker::open_with_tls(url, tls, Clock::system())?;
        Ok(Client::new(Arc::new(broker)))
    }

    /// A client of the Redis that the environment names: `KIQ_REDIS_URL`; else the variable that `REDIS_PROVIDER` names, as
    /// for Sidekiq; else `REDIS_URL`; else `redis://127.0.0.1:6379/0`.
    ///
    /// # Errors
    /// When a variable is empty, or holds no address, or `REDIS_PROVIDER` holds an address instead of a name.
    #[cfg(feature = "redis")]
    pub fn from_env() -> Result<Self, EnvironmentError> {
        let (variable, url) = environment::redis_url(|name| std::env::var(name).ok())?;
        Client::connect(url.trim()).map_err(|source| EnvironmentError::BadUrl { variable, source })
    }

    /// The same client going by another clock: what is "now" for `created_at`, and for delays.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The same client with another limit for payloads, in bytes. Default: [`DEFAULT_PAYLOAD_LIMIT`].
    #[must_use]
    pub fn with_payload_limit(mut self, bytes: usize) -> Self {
        self.payload_limit = bytes;
        self
    }

    /// The same client whose enqueues are all [durable](Enqueue::durable), unless they say otherwise.
    ///
    /// # Examples
    /// ```no_run
    /// use kiq::{Client, Replicas};
    /// use std::time::Duration;
    ///
    /// let client = Client::connect("redis://127.0.0.1:6379/0")?
    ///     .with_durability(Replicas::new(1).within(Duration::from_millis(200)));
    /// # Ok::<(), kiq::BrokerError>(())
    /// ```
    #[must_use]
    pub fn with_durability(mut self, replicas: Replicas) -> Self {
        self.durability = Some(replicas);
        self
    }

    /// The same client with a place for its jobs while the store cannot be reached: see [`Spool`] for what it promises. A
    /// worker of this client fetches and reports as before.
    ///
    /// # Errors
    /// When the folder cannot be used.
    #[cfg(feature = "spool")]
    pub fn with_spool(mut self, spool: Spool) -> Result<Self, SpoolError> {
        let spooling = spool.open(Arc::clone(&self.broker), Clock::system().now())?;
        self.spool = Some(Arc::new(spooling.watch()));
        self.broker = Arc::new(spooling);
        Ok(self)
    }

    /// A look at its spool, if it has one.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn end(client: kiq::Client) {
    /// if let Some(mut spool) = client.spool() {
    ///     println!("{} jobs wait for Redis", spool.status().jobs);
    ///     spool.drained().await;
    /// }
    /// # }
    /// ```
    #[cfg(feature = "spool")]
    pub fn spool(&self) -> Option<SpoolWatch> {
        self.spool.as_deref().cloned()
    }

    /// Ends enqueueing through this client and its clones: from now on each answers [`EnqueueError::Closed`]. Those under way
    /// end as they would. A worker of this client goes on.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// The broker behind it.
    pub fn broker(&self) -> &Arc<dyn Broker> {
        &self.broker
    }

    /// The clock it goes by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Enqueues a payload as it is: for a job whose class this program does not know. Its `queue` must be set; `at` is the
    /// time to run it.
    ///
    /// # Errors
    /// As [`Enqueue`].
    pub async fn push(&self, payload: Payload, at: Option<Timestamp>) -> Result<Receipt, EnqueueError> {
        let replicas = self.replicas(None)?;
        self.push_through(payload, at, None, replicas).await
    }

    async fn push_one(
        &self,
        (job, receipt): (NewJob, Receipt),
        replicas: Option<Replicas>,
    ) -> Result<Receipt, EnqueueError> {
        let unanswered = EnqueueError::Unknown {
            jid: receipt.jid.clone(),
            is_guarded: job.guard.is_some(),
            source: self.no_answer(),
        };
        self.store(vec![job], vec![receipt], replicas).await.pop().unwrap_or(Err(unanswered))
    }

    async fn push_all(
        &self,
        jobs: Vec<(NewJob, Receipt)>,
        replicas: Option<Replicas>,
    ) -> Result<Vec<Receipt>, BulkError> {
        let mut bulk = BulkError::default();
        let mut jobs = jobs.into_iter().peekable();
        while jobs.peek().is_some() {
            let (mut chunk, mut receipts, mut bytes) = (Vec::new(), Vec::new(), 0);
            while let Some((job, receipt)) = jobs.next_if(|(job, _)| {
                chunk.is_empty() || (chunk.len() < CHUNK_JOBS && bytes + job.payload.len() <= CHUNK_BYTES)
            }) {
                bytes += job.payload.len();
                chunk.push(job);
                receipts.push(receipt);
            }
            if bulk.first().is_some() {
                // A store that failed one chunk is not sent the next.
                bulk.rejected.extend(receipts.into_iter().map(|receipt| receipt.jid));
                continue;
            }
            for outcome in self.store(chunk, receipts, replicas).await {
                bulk.note(None, outcome);
            }
        }
        if bulk.first().is_some() { Err(bulk) } else { Ok(bulk.stored) }
    }

    /// Hands jobs to the broker; exactly one answer each.
    async fn store(
        &self,
        jobs: Vec<NewJob>,
        receipts: Vec<Receipt>,
        replicas: Option<Replicas>,
    ) -> Vec<Result<Receipt, EnqueueError>> {
        if self.is_closed() {
            return receipts.into_iter().map(|receipt| Err(EnqueueError::Closed { jid: receipt.jid })).collect();
        }
        let mut answers = match replicas {
            None => self.broker.push(&jobs).await,
            Some(replicas) => self.broker.push_durably(&jobs, replicas).await,
        };
        // A broker that says nothing of a job has not said that it is stored.
        answers.resize_with(jobs.len(), || Err(PushError::Unknown(self.no_answer())));
        let outcomes = jobs.iter().zip(receipts).zip(answers);
        let outcome = |((job, mut receipt), answer): ((&NewJob, Receipt), Result<Pushed, PushError>)| match answer {
            Ok(Pushed::New) => Ok(receipt),
            Ok(Pushed::Already { jid }) => {
                receipt.jid = Jid::found(&jid);
                receipt.stored = Stored::Already;
                Ok(receipt)
            }
            Ok(Pushed::Spooled) => {
                receipt.stored = Stored::Spooled;
                Ok(receipt)
            }
            Err(error) => Err(EnqueueError::of_push(receipt.jid, job.guard.is_some(), error)),
        };
        outcomes.map(outcome).collect()
    }

    fn no_answer(&self) -> BrokerError {
        let source = "the broker gave no answer for this job".into();
        BrokerError::Unavailable { server: self.broker.place(), source }
    }

    /// How many replicas an enqueue waits for.
    fn replicas(&self, asked: Option<Option<Replicas>>) -> Result<Option<Replicas>, EnqueueError> {
        let replicas = asked.unwrap_or(self.durability);
        match replicas.and_then(Replicas::fault) {
            Some(fault) => Err(EnqueueError::InvalidReplicas { fault }),
            None => Ok(replicas),
        }
    }

    /// A payload as it is stored, checked against what every reader can read.
    fn prepare(
        &self,
        mut payload: Payload,
        at: Option<Timestamp>,
        once: Option<&Once>,
    ) -> Result<(NewJob, Receipt), EnqueueError> {
        let (queue, at) = self.complete(&mut payload, at)?;
        self.check(&payload, &queue, at, once)
    }

    /// Writes what is known only now: the time, and the values it carries. Answers where it goes, and when.
    fn complete(
        &self,
        payload: &mut Payload,
        at: Option<Timestamp>,
    ) -> Result<(String, Option<Timestamp>), EnqueueError> {
        let now = self.clock.now();
        let queue = payload.queue().unwrap_or_default();
        if let Some(fault) = queue_name_fault(&queue) {
            return Err(EnqueueError::InvalidQueue { queue, fault });
        }
        let at = match at {
            Some(at) if at.as_micros() / 1_000_000 > LAST_SECOND => return Err(EnqueueError::InvalidTime { at }),
            // What is due already runs now, as in Sidekiq.
            at => at.filter(|at| *at > now),
        };
        payload.remove("at");
        Context::here().write(payload)?;
        match at {
            Some(_) => payload.remove("enqueued_at"),
            None => payload.set_time("enqueued_at", now),
        }
        Ok((queue, at))
    }

    fn check(
        &self,
        payload: &Payload,
        queue: &str,
        at: Option<Timestamp>,
        once: Option<&Once>,
    ) -> Result<(NewJob, Receipt), EnqueueError> {
        let text = payload.to_text();
        self.check_size(payload.class(), &text)?;
        if let Err(source) = payload.check_written(&text) {
            return Err(EnqueueError::Unreadable { source });
        }
        let guard = once.map(|once| guard(once, payload.jid())).transpose()?;
        let receipt = Receipt { jid: payload.jid().clone(), queue: queue.to_owned(), at, stored: Stored::New };
        Ok((NewJob { payload: text, queue: queue.to_owned(), at, guard }, receipt))
    }

    fn check_size(&self, class: &str, text: &str) -> Result<(), EnqueueError> {
        match text.len() > self.payload_limit {
            true => {
                Err(EnqueueError::TooLarge { class: class.to_owned(), size: text.len(), limit: self.payload_limit })
            }
            false => Ok(()),
        }
    }

    fn payload<J: Job>(&self, job: &J, set: &Overrides) -> Result<Payload, EnqueueError> {
        let options = J::OPTIONS;
        let queue = set.queue.as_deref().unwrap_or(options.queue);
        let jid = set.jid.clone().unwrap_or_else(Jid::random);
        let mut payload = Payload::of(J::NAME, &args::write(job)?, queue, jid, self.clock.now());
        match set.retry.unwrap_or(options.retry) {
            // As a new payload has it.
            Retry::Default => {}
            Retry::Max(count) => payload.set("retry", &count),
            Retry::Never => payload.set("retry", &false),
            Retry::For(time) => payload.set("retry_for", &time.as_secs()),
        }
        if let Some(queue) = options.retry_queue {
            payload.set("retry_queue", queue);
        }
        if !options.dead {
            payload.set("dead", &false);
        }
        match &set.tags {
            Some(tags) => payload.set("tags", tags),
            None if !options.tags.is_empty() => payload.set("tags", options.tags),
            None => {}
        }
        Ok(payload)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.broker.place())
    }
}

/// What an idempotent enqueue goes by.
fn guard(once: &Once, jid: &Jid) -> Result<Guard, EnqueueError> {
    let fault = |fault| Err(EnqueueError::InvalidGuard { fault });
    if once.ttl < Duration::from_millis(1) || once.ttl > LONGEST_GUARD {
        return fault("it is remembered for a millisecond to a year");
    }
    let key = match &once.key {
        None => format!("jid:{jid}"),
        Some(key) if key.is_empty() => return fault("its key must not be empty"),
        Some(key) if key.len() > LONGEST_KEY => {
            return fault("its key may have 256 bytes; use a digest of what is longer");
        }
        Some(key) => format!("key:{key}"),
    };
    Ok(Guard { key, ttl: once.ttl, jid: jid.to_string() })
}
