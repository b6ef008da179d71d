//! A folder for jobs while the store cannot be reached. Kept on disk, sent when the store is back.

mod file;
mod keeper;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::front::Front;
use super::{Broker, Consumer, DeadLimits, Identity, NewJob, Promotion, PushError, Pushed, Replicas};

use keeper::{Keeper, Request};

/// The most jobs a spool holds by default.
pub const DEFAULT_SPOOL_JOBS: usize = 10_000;

/// The most bytes the file of a spool has by default: 64 MiB.
pub const DEFAULT_SPOOL_BYTES: u64 = 64 << 20;

/// A folder for jobs while Redis cannot be reached, for [`Client::with_spool`](crate::client::Client::with_spool).
///
/// An enqueue that is [rejected](crate::client::EnqueueError::Rejected) because the server does not answer, or is still
/// loading, is written to a file in this folder instead, and is `Ok` with a receipt that says [`Stored::Spooled`
/// ](crate::client::Stored::Spooled). One whose answer was lost goes there only if it is
/// [idempotent](crate::client::Enqueue::idempotent). While jobs wait in the spool, all others join them, so that their order
/// is kept; they are sent, in order, within seconds of the server's return. Then enqueues go to the server again. The
/// beginning and the end are logged at WARN and INFO. A [durable](crate::client::Enqueue::durable) enqueue is never spooled.
///
/// # What is safe
/// - Each job is synced to the disk (`fdatasync`, one for all that come at the same time) before its enqueue is `Ok`: it
///   survives this process and the machine's power, as far as the disk tells the truth. Nothing that was `Ok` is in
///   memory alone. [`without_sync`](Spool::without_sync) leaves out the sync: then it survives the process, and a crash of
///   the machine loses what the system had not yet written, some 30 seconds on Linux.
/// - What a process leaves behind, the next one that uses the folder sends (at its start, and then once a minute): keep the
///   folder on a disk that outlives the process. Files are locked, so any number of processes may use one folder; it must be
///   on a file system with locks (not every network one has them).
/// - A job may be sent twice, for the answer may be lost, and it is stored once: it carries a mark as an idempotent enqueue
///   does, for 7 days (or its own time). Only if a process dies between sending a job and noting it, and its file is found later
///   than that, is the job stored again.
/// - A job that the store will never take (its queue's key is not a list) is set aside in a file, with an error in the log, as are
///   bytes that are no record.
/// - A spool that is full rejects, with the reason. A disk that hangs holds the enqueues that wait for it.
///
/// # Examples
/// ```no_run
/// use kiq::{Client, Spool};
///
/// let spool = Spool::in_folder("/var/lib/shop/kiq").max_jobs(50_000);
/// let client = Client::connect("redis://127.0.0.1:6379/0")?.with_spool(spool)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Spool {
    folder: PathBuf,
    max_jobs: usize,
    max_bytes: u64,
    syncs: bool,
}

impl Spool {
    /// A spool in this folder, which is made if it is not there.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        let (max_jobs, max_bytes) = (DEFAULT_SPOOL_JOBS, DEFAULT_SPOOL_BYTES);
        Spool { folder: folder.into(), max_jobs, max_bytes, syncs: true }
    }

    /// Holds at most so many jobs of this process. Default: [`DEFAULT_SPOOL_JOBS`].
    #[must_use]
    pub fn max_jobs(mut self, count: usize) -> Self {
        self.max_jobs = count;
        self
    }

    /// Lets its file grow to at most so many bytes, those of jobs that were sent since it was last empty included; as many are
    /// held in memory. Default: [`DEFAULT_SPOOL_BYTES`].
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Does not wait for the disk: faster, and what it costs is said [above](Spool#what-is-safe).
    #[must_use]
    pub fn without_sync(mut self) -> Self {
        self.syncs = false;
        self
    }

    /// Opens it in front of a store.
    pub(crate) fn open(self, store: Arc<dyn Broker>, now: Timestamp) -> Result<Spooling, SpoolError> {
        let error = |source| SpoolError { folder: self.folder.clone(), source };
        let (status, watch) = watch::channel(SpoolStatus::default());
        let (requests, asked) = mpsc::unbounded_channel();
        let keeper = Keeper::open(&self, Arc::clone(&store), status, now).map_err(error)?;
        keeper.start(asked).map_err(error)?;
        let (watch, max_bytes) = (SpoolWatch { status: watch }, self.max_bytes);
        Ok(Spooling { store, requests, on_the_way: AtomicU64::new(0), max_bytes, watch })
    }
}

/// The folder of a spool cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot hold a spool: {source}; it must be a folder that this program may write to", folder.display())]
pub struct SpoolError {
    /// The folder.
    pub folder: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// What waits in a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpoolStatus {
    /// Jobs that wait to be sent. While there are any, enqueues go to the spool.
    pub jobs: usize,
    /// Bytes of the file.
    pub bytes: u64,
}

/// A look at the spool of a client: [`Client::spool`](crate::client::Client::spool).
#[derive(Clone, Debug)]
pub struct SpoolWatch {
    status: watch::Receiver<SpoolStatus>,
}

impl SpoolWatch {
    /// What waits now.
    pub fn status(&self) -> SpoolStatus {
        *self.status.borrow()
    }

    /// Returns when nothing waits: at once if nothing does. For the end of a program that would rather wait than leave jobs to
    /// its next start.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn drained(&mut self) {
        // An error is the end of the client; nobody sends any more.
        let _ = self.status.wait_for(|status| status.jobs == 0).await;
    }
}

/// A store with a spool in front.
pub(crate) struct Spooling {
    store: Arc<dyn Broker>,
    requests: mpsc::UnboundedSender<Request>,
    /// Bytes of payloads that are on their way to the keeper, so that a disk that hangs does not fill the memory.
    on_the_way: AtomicU64,
    max_bytes: u64,
    watch: SpoolWatch,
}

impl Spooling {
    pub(crate) fn watch(&self) -> SpoolWatch {
        self.watch.clone()
    }

    /// Hands jobs to the keeper. Answers for each of them, the reason if it is not kept.
    async fn keep(&self, jobs: Vec<NewJob>) -> Vec<Result<(), String>> {
        let count = jobs.len();
        let none = |reason: &str| vec![Err(reason.to_owned()); count];
        let size = jobs.iter().map(|job| job.payload.len() as u64).sum();
        let on_the_way = OnTheWay { size, of: &self.on_the_way };
        let before = on_the_way.of.fetch_add(size, Ordering::Relaxed);
        if before + size > self.max_bytes {
            return none("it is full, with what waits to be written");
        }
        let (done, kept) = oneshot::channel();
        if self.requests.send(Request { jobs, done }).is_err() {
            return none("its thread has ended");
        }
        kept.await.unwrap_or_else(|_| none("its thread has ended"))
    }

    async fn push_or_spool(&self, jobs: &[NewJob]) -> Vec<Result<Pushed, PushError>> {
        let mut outcomes: Vec<Result<Pushed, PushError>> = if self.watch.status().jobs > 0 {
            // Behind those that wait. Whether the store is back is found out by who sends them.
            let waits = || "jobs wait in the spool".into();
            let error = || BrokerError::Unavailable { server: self.store.place(), source: waits() };
            jobs.iter().map(|_| Err(PushError::Rejected(error()))).collect()
        } else {
            self.store.push(jobs).await
        };
        let (places, spooled): (Vec<usize>, Vec<NewJob>) = outcomes
            .iter()
            .zip(jobs)
            .enumerate()
            .filter(|(_, (outcome, job))| is_for_the_spool(outcome, job))
            .map(|(at, (_, job))| (at, job.clone()))
            .unzip();
        if spooled.is_empty() {
            return outcomes;
        }
        let kept = self.keep(spooled).await;
        for (place, kept) in places.into_iter().zip(kept) {
            let Some(outcome) = outcomes.get_mut(place) else { continue };
            match kept {
                Ok(()) => *outcome = Ok(Pushed::Spooled),
                Err(reason) => {
                    if let Err(PushError::Rejected(BrokerError::Unavailable { source, .. })) = outcome {
                        *source = format!("{source}; and the spool did not take it: {reason}").into();
                    }
                }
            }
        }
        outcomes
    }
}

/// What an enqueue has on its way to the keeper, until it is answered or dropped.
struct OnTheWay<'a> {
    size: u64,
    of: &'a AtomicU64,
}

impl Drop for OnTheWay<'_> {
    fn drop(&mut self) {
        self.of.fetch_sub(self.size, Ordering::Relaxed);
    }
}

/// Whether the store did not get the job, or may get it twice.
fn is_for_the_spool(outcome: &Result<Pushed, PushError>, job: &NewJob) -> bool {
    match outcome {
        Err(PushError::Rejected(error)) => is_out_of_reach(error),
        Err(PushError::Unknown(error)) => job.guard.is_some() && is_out_of_reach(error),
        Ok(_) | Err(PushError::FailedInline(_)) => false,
    }
}

/// A store that is full, read-only or forbids it is there, and its answer is for the caller.
fn is_out_of_reach(error: &BrokerError) -> bool {
    match error {
        BrokerError::Unavailable { .. } => true,
        BrokerError::Refused { code, .. } => matches!(code.as_str(), "LOADING" | "MASTERDOWN"),
        _ => false,
    }
}

impl fmt::Debug for Spooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spooling({})", self.store.place())
    }
}

impl Broker for Spooling {
    fn push<'a>(&'a self, jobs: &'a [NewJob]) -> BoxFuture<'a, Vec<Result<Pushed, PushError>>> {
        Box::pin(self.push_or_spool(jobs))
    }

    fn push_durably<'a>(
        &'a self,
        jobs: &'a [NewJob],
        replicas: Replicas,
    ) -> BoxFuture<'a, Vec<Result<Pushed, PushError>>> {
        // A file here is no replica there.
        self.store.push_durably(jobs, replicas)
    }

    fn promote(&self, limit: usize) -> BoxFuture<'_, Result<Promotion, BrokerError>> {
        self.store.promote(limit)
    }

    fn attach(&self, identity: Identity) -> Arc<dyn Consumer> {
        self.store.attach(identity)
    }

    fn limit_dead(&self, limits: DeadLimits) {
        self.store.limit_dead(limits);
    }

    fn check(&self) -> BoxFuture<'_, Result<Vec<String>, BrokerError>> {
        self.store.check()
    }

    fn place(&self) -> String {
        self.store.place()
    }
}

impl Front for Spooling {
    fn behind(&self) -> &dyn Broker {
        &*self.store
    }
}
