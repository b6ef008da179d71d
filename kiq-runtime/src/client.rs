//! Putting jobs in: now, in a while, at a time, many at once.

use std::fmt;
use std::future::IntoFuture;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::broker::{Broker, MemoryBroker, NewJob, PushError};
use crate::clock::{Clock, Timestamp};
use crate::error::BrokerError;
use crate::job::options::queue_name_fault;
use crate::job::{ArgsError, BoxFuture, Jid, Job, Payload, PayloadError, Retry};

/// The largest payload an enqueue accepts by default: 1 MiB.
pub const DEFAULT_PAYLOAD_LIMIT: usize = 1 << 20;

/// Jobs in one chunk of a bulk enqueue: as Sidekiq's `perform_bulk`.
const CHUNK_JOBS: usize = 1000;

/// Bytes in one chunk of a bulk enqueue: the store reads a chunk in one go, and others wait meanwhile.
const CHUNK_BYTES: usize = 1 << 20;

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
}

impl Client {
    /// A client of any broker, on the system's clock.
    pub fn new(broker: Arc<dyn Broker>) -> Self {
        Client { broker, clock: Clock::system(), payload_limit: DEFAULT_PAYLOAD_LIMIT }
    }

    /// A client of a new in-memory broker. Its jobs are gone when the process ends.
    pub fn in_memory() -> Self {
        Client::new(Arc::new(MemoryBroker::new(Clock::system())))
    }

    /// A client of the Redis at `url`: `redis://[user:password@]host[:port][/database]`, `rediss://…` for an encrypted
    /// connection (feature `tls`), or `unix:///path`. Connects when it is first used.
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
        let (variable, url) = redis_url(|name| std::env::var(name).ok())?;
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
        let (job, receipt) = self.prepare(payload, at)?;
        match self.store(&[job]).await.pop() {
            None | Some(Ok(())) => Ok(receipt),
            Some(Err(error)) => Err(EnqueueError::of_push(receipt.jid, error)),
        }
    }

    /// Hands jobs to the broker; exactly one answer each.
    async fn store(&self, jobs: &[NewJob]) -> Vec<Result<(), PushError>> {
        let mut answers = self.broker.push(jobs).await;
        answers.resize_with(jobs.len(), || {
            // A broker that says nothing of a job has not said that it is stored.
            let source = "the broker gave no answer for this job".into();
            Err(PushError::Unknown(BrokerError::Unavailable { server: self.broker.place(), source }))
        });
        answers
    }

    /// Settles queue and time, and checks what is about to be stored against what every reader can read.
    fn prepare(&self, mut payload: Payload, at: Option<Timestamp>) -> Result<(NewJob, Receipt), EnqueueError> {
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
        match at {
            Some(_) => payload.remove("enqueued_at"),
            None => payload.set_time("enqueued_at", now),
        }
        let text = payload.to_text();
        if text.len() > self.payload_limit {
            return Err(EnqueueError::TooLarge {
                class: payload.class().to_owned(),
                size: text.len(),
                limit: self.payload_limit,
            });
        }
        if let Err(source) = payload.check_written(&text) {
            return Err(EnqueueError::Unreadable { source });
        }
        let receipt = Receipt { jid: payload.jid().clone(), queue: queue.clone(), at };
        Ok((NewJob { payload: text, queue, at }, receipt))
    }

    fn payload<J: Job>(&self, job: &J, set: &Overrides) -> Result<Payload, EnqueueError> {
        let options = J::OPTIONS;
        let queue = set.queue.as_deref().unwrap_or(options.queue);
        let jid = set.jid.clone().unwrap_or_else(Jid::random);
        let mut payload = Payload::new(J::NAME, &job.to_args()?, queue, jid, self.clock.now());
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

/// The variable that names the Redis, and what it says.
#[cfg(feature = "redis")]
fn redis_url(read: impl Fn(&str) -> Option<String>) -> Result<(String, String), EnvironmentError> {
    let full = |variable: &str| match read(variable) {
        Some(value) if value.trim().is_empty() => Err(EnvironmentError::Empty { variable: variable.to_owned() }),
        value => Ok(value),
    };
    if let Some(url) = full("KIQ_REDIS_URL")? {
        return Ok(("KIQ_REDIS_URL".to_owned(), url));
    }
    if let Some(name) = full("REDIS_PROVIDER")? {
        let name = name.trim().to_owned();
        if name.contains(':') {
            return Err(EnvironmentError::ProviderHoldsUrl);
        }
        return match full(&name)? {
            Some(url) => Ok((name, url)),
            None => Err(EnvironmentError::ProviderUnset { variable: name }),
        };
    }
    match full("REDIS_URL")? {
        Some(url) => Ok(("REDIS_URL".to_owned(), url)),
        None => Ok(("the default".to_owned(), "redis://127.0.0.1:6379/0".to_owned())),
    }
}

/// The environment does not name a Redis that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// A variable is set to nothing.
    #[error("{variable} is set but empty; unset it or give it an address like redis://127.0.0.1:6379/0")]
    Empty {
        /// The variable.
        variable: String,
    },
    /// `REDIS_PROVIDER` holds an address.
    #[error("REDIS_PROVIDER must hold the name of a variable, not an address; put the address into REDIS_URL")]
    ProviderHoldsUrl,
    /// `REDIS_PROVIDER` names a variable that is not there.
    #[error("REDIS_PROVIDER names {variable}, and that variable is not set")]
    ProviderUnset {
        /// The variable.
        variable: String,
    },
    /// A variable holds no address.
    #[error("{variable}: {source}")]
    BadUrl {
        /// The variable.
        variable: String,
        /// What is wrong with it.
        source: BrokerError,
    },
}

static DEFAULT_CLIENT: RwLock<Option<Client>> = RwLock::new(None);

/// Makes `client` the one that enqueues of this process use when they name none. Calling it again replaces it.
pub fn init(client: Client) {
    *DEFAULT_CLIENT.write().unwrap_or_else(PoisonError::into_inner) = Some(client);
}

/// The client given to [`init`].
///
/// # Errors
/// [`EnqueueError::NoClient`] before that.
pub fn default_client() -> Result<Client, EnqueueError> {
    DEFAULT_CLIENT.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(EnqueueError::NoClient)
}

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
    EnqueueAll { jobs: jobs.into_iter().collect(), set: Overrides::default() }
}

/// What an enqueue says beyond the job itself.
#[derive(Default)]
struct Overrides {
    queue: Option<String>,
    retry: Option<Retry>,
    tags: Option<Vec<String>>,
    jid: Option<Jid>,
    when: When,
    client: Option<Client>,
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
/// [`EnqueueError`]. `Rejected` and everything before it: certainly not stored. `Unknown`: the answer was lost, so it may
/// be stored; enqueue it again with the same [`jid`](Enqueue::jid) if running twice is better than not at all.
///
/// # Cancel safety
/// Dropping the future once it was polled leaves it open whether the job is stored.
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

    /// Under an id of your own, for an enqueue that may be repeated. kiq does not look for another job of that id.
    pub fn jid(mut self, jid: Jid) -> Self {
        self.set.jid = Some(jid);
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
            let at = self.set.at(client.clock.now());
            client.push(payload, at).await
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
    set: Overrides,
}

impl<J: Job> EnqueueAll<J> {
    overrides!();
}

impl<J: Job> IntoFuture for EnqueueAll<J> {
    type Output = Result<Vec<Receipt>, BulkError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let client = self.set.client().map_err(BulkError::before_any)?;
            let at = self.set.at(client.clock.now());
            let mut jobs = Vec::with_capacity(self.jobs.len());
            for job in &self.jobs {
                // All are checked before the first is sent: a job that cannot be stored costs no half-done bulk.
                let prepared = client.payload(job, &self.set).and_then(|payload| client.prepare(payload, at));
                jobs.push(prepared.map_err(BulkError::before_any)?);
            }
            client.push_all(jobs).await
        })
    }
}

impl<J: Job> fmt::Debug for EnqueueAll<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnqueueAll").field("job", &J::NAME).field("count", &self.jobs.len()).finish_non_exhaustive()
    }
}

impl Client {
    async fn push_all(&self, jobs: Vec<(NewJob, Receipt)>) -> Result<Vec<Receipt>, BulkError> {
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
            if bulk.source.is_some() {
                // A store that failed one chunk is not sent the next.
                bulk.rejected.extend(receipts.into_iter().map(|receipt| receipt.jid));
                continue;
            }
            for (receipt, answer) in receipts.into_iter().zip(self.store(&chunk).await) {
                bulk.note(receipt, answer);
            }
        }
        match bulk.source {
            None => Ok(bulk.stored),
            Some(_) => Err(bulk),
        }
    }
}

/// A job is stored: its id, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The job's id.
    pub jid: Jid,
    /// The queue it is in, or will be.
    pub queue: String,
    /// When it will be there; `None` is now.
    pub at: Option<Timestamp>,
}

/// A job was not enqueued, or nobody knows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// No client to enqueue with. Nothing is stored.
    #[error("no client to enqueue with; call `kiq::init(client)` at start, or name one with `.on(&client)`")]
    NoClient,
    /// An argument cannot be written as JSON. Nothing is stored.
    #[error(transparent)]
    Args(#[from] ArgsError),
    /// The queue's name cannot be used. Nothing is stored.
    #[error("{queue:?} cannot be a queue: {fault}")]
    InvalidQueue {
        /// The name.
        queue: String,
        /// The rule it breaks.
        fault: &'static str,
    },
    /// The time is after the year 9999. Nothing is stored.
    #[error("a job cannot wait until {at}; the year 9999 is the last")]
    InvalidTime {
        /// The time.
        at: Timestamp,
    },
    /// The payload is larger than the client allows. Nothing is stored.
    #[error(
        "the payload of this {class} job is {size} bytes long and the limit is {limit}; pass a reference to the data, or raise it with `Client::with_payload_limit`"
    )]
    TooLarge {
        /// The job's class.
        class: String,
        /// The payload's length in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The payload is JSON that another reader could not read (nested deeper than 100 levels, say). Nothing is stored.
    #[error("a worker could not read this job: {source}")]
    Unreadable {
        /// What is wrong with it.
        source: PayloadError,
    },
    /// The store could not be reached or said no. Certainly not stored.
    #[error("job {jid} was not stored: {source}")]
    Rejected {
        /// The id it would have had.
        jid: Jid,
        /// The reason.
        source: BrokerError,
    },
    /// The request went out and the answer was lost: stored, or not.
    #[error(
        "job {jid} may or may not be stored: {source}; enqueue it again under the same id if twice is better than never"
    )]
    Unknown {
        /// Its id.
        jid: Jid,
        /// What happened to the answer.
        source: BrokerError,
    },
}

impl EnqueueError {
    fn of_push(jid: Jid, error: PushError) -> Self {
        match error {
            PushError::Rejected(source) => EnqueueError::Rejected { jid, source },
            PushError::Unknown(source) => EnqueueError::Unknown { jid, source },
        }
    }

    /// Whether the job may be stored all the same.
    pub fn is_unknown(&self) -> bool {
        matches!(self, EnqueueError::Unknown { .. })
    }
}

/// A bulk enqueue went wrong somewhere: what became of each job.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct BulkError {
    /// These are stored.
    pub stored: Vec<Receipt>,
    /// These may be stored: the answer was lost.
    pub unknown: Vec<Jid>,
    /// These are certainly not stored.
    pub rejected: Vec<Jid>,
    /// The first thing that went wrong.
    source: Option<EnqueueError>,
}

impl BulkError {
    /// Nothing was sent.
    fn before_any(error: EnqueueError) -> Self {
        BulkError { source: Some(error), ..BulkError::default() }
    }

    fn note(&mut self, receipt: Receipt, answer: Result<(), PushError>) {
        match answer {
            Ok(()) => self.stored.push(receipt),
            Err(error) => {
                let list = match &error {
                    PushError::Rejected(_) => &mut self.rejected,
                    PushError::Unknown(_) => &mut self.unknown,
                };
                list.push(receipt.jid.clone());
                self.source.get_or_insert(EnqueueError::of_push(receipt.jid, error));
            }
        }
    }

    /// The first thing that went wrong.
    pub fn first(&self) -> Option<&EnqueueError> {
        self.source.as_ref()
    }
}

impl fmt::Display for BulkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stored, unknown, rejected) = (self.stored.len(), self.unknown.len(), self.rejected.len());
        write!(f, "{stored} jobs stored, {unknown} perhaps, {rejected} not")?;
        match &self.source {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for BulkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

#[cfg(all(test, feature = "redis"))]
mod tests {
    use super::*;

    fn url(variables: &[(&str, &str)]) -> Result<(String, String), EnvironmentError> {
        redis_url(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_environment_names_a_redis_in_four_ways() {
        let found = |variables: &[(&str, &str)]| url(variables).unwrap().1;
        assert_eq!(found(&[("KIQ_REDIS_URL", "a"), ("REDIS_PROVIDER", "X"), ("REDIS_URL", "c")]), "a");
        assert_eq!(found(&[("REDIS_PROVIDER", "X"), ("X", "b"), ("REDIS_URL", "c")]), "b");
        assert_eq!(found(&[("REDIS_URL", "c")]), "c");
        assert_eq!(found(&[]), "redis://127.0.0.1:6379/0");
    }

    #[test]
    fn an_environment_that_names_none_says_what_is_wrong() {
        let says = |variables: &[(&str, &str)]| url(variables).unwrap_err().to_string();
        assert!(says(&[("REDIS_URL", " \n")]).starts_with("REDIS_URL is set but empty"));
        assert!(says(&[("REDIS_PROVIDER", "redis://h")]).contains("name of a variable, not an address"));
        assert_eq!(says(&[("REDIS_PROVIDER", "X")]), "REDIS_PROVIDER names X, and that variable is not set");
    }
}
