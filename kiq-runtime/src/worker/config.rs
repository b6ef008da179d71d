//! What a worker is made of: its queues, how much at once, how patient.

use std::fmt;
use std::time::Duration;

use crate::app::App;
use crate::broker::{CapsuleInfo, DeadLimits, OrderMode};
use crate::client::{Client, EnqueueError, default_client};
use crate::events::Events;
use crate::job::options::{DEFAULT_QUEUE, MAX_RETRIES, queue_name_fault};
use crate::job::{MissingState, Perform, Registry, RegistryError, State};
use crate::meters::Meters;
use crate::middleware::{Place, RunChain, RunMiddleware};
use crate::reports::Handlers;
use crate::retry::{Backoff, RetryPolicy};

use super::{ByHand, Worker};

/// Jobs at once in a capsule that does not say.
pub const DEFAULT_CONCURRENCY: usize = 10;

/// The most jobs at once a capsule may be asked for.
pub const MAX_CONCURRENCY: usize = 100_000;

/// The largest weight of a queue on a command line: each fetch shuffles so many tickets.
pub const MAX_WEIGHT: u32 = 1000;

/// How long a stopping worker waits for running jobs: Sidekiq's `timeout`.
pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(25);

/// How long the store takes a process for alive after its last sign of life.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(15);

/// Jobs that may be done without the store knowing yet: about half a millisecond's worth of the quickest jobs.
pub const DEFAULT_MAX_UNACKED: usize = 256;

/// How often the processes together look for due jobs: Sidekiq's `average_scheduled_poll_interval`.
pub const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(5);

/// How long a job may keep a thread of the runtime before it is told of.
pub const DEFAULT_BLOCKED_AFTER: Duration = Duration::from_millis(100);

/// The most threads for blocking jobs that a worker may be asked for.
pub const MAX_BLOCKING_THREADS: usize = 10_000;

/// The threads for blocking jobs of a worker that does not say, by its jobs at once: tokio has 512 unless told otherwise.
pub(crate) fn default_blocking_threads(all_at_once: usize) -> usize {
    all_at_once.clamp(1, 512)
}

/// A queue of a capsule, with its weight if it has one: from `"high"` or `("high", 3)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSpec {
    name: String,
    weight: Option<u32>,
}

impl QueueSpec {
    /// From `high` or `high,3`, as on a command line.
    ///
    /// # Errors
    /// Says what is wrong with the name or the weight.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, weight) = match text.split_once(',') {
            None => (text, None),
            Some((name, weight)) => {
                let number = weight.trim().parse::<u32>().ok().filter(|weight| (1..=MAX_WEIGHT).contains(weight));
                let rule = || {
                    format!("queue {text:?} has the weight {weight:?}; it must be from 1 to {MAX_WEIGHT}, as in high,3")
                };
                (name, Some(number.ok_or_else(rule)?))
            }
        };
        match queue_name_fault(name) {
            Some(fault) => Err(format!("{name:?} cannot be a queue: {fault}")),
            None => Ok(QueueSpec { name: name.to_owned(), weight }),
        }
    }
}

impl fmt::Display for QueueSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.weight {
            Some(weight) => write!(f, "{},{weight}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl From<String> for QueueSpec {
    fn from(name: String) -> Self {
        QueueSpec { name, weight: None }
    }
}

impl From<&str> for QueueSpec {
    fn from(name: &str) -> Self {
        name.to_owned().into()
    }
}

impl From<(String, u32)> for QueueSpec {
    fn from((name, weight): (String, u32)) -> Self {
        QueueSpec { name, weight: Some(weight) }
    }
}

impl From<(&str, u32)> for QueueSpec {
    fn from((name, weight): (&str, u32)) -> Self {
        (name.to_owned(), weight).into()
    }
}

/// A set of queues with processors of its own, so that slow jobs there cannot use up those of the other queues.
///
/// # Examples
/// ```
/// use kiq::Capsule;
///
/// let one_at_a_time = Capsule::new("exports").queues(["exports"]).concurrency(1);
/// # let _ = one_at_a_time;
/// ```
#[derive(Clone, Debug)]
pub struct Capsule {
    name: String,
    queues: Vec<QueueSpec>,
    concurrency: usize,
}

impl Capsule {
    /// A capsule of that name, for the queue `default`, with [`DEFAULT_CONCURRENCY`].
    pub fn new(name: impl Into<String>) -> Self {
        Capsule { name: name.into(), queues: vec![DEFAULT_QUEUE.into()], concurrency: DEFAULT_CONCURRENCY }
    }

    /// The queues. Names alone: strict order, a later queue is served when all before it are empty. With weights
    /// `("high", 3)`: each is served first as often as its weight says. All weights 1: in random order.
    #[must_use]
    pub fn queues<Q: Into<QueueSpec>>(mut self, queues: impl IntoIterator<Item = Q>) -> Self {
        self.queues = queues.into_iter().map(Into::into).collect();
        self
    }

    /// Jobs at once, 1 to 100,000.
    #[must_use]
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.concurrency = jobs;
        self
    }

    /// Jobs at once.
    #[cfg(feature = "cli")]
    pub(crate) fn jobs_at_once(&self) -> usize {
        self.concurrency
    }

    pub(crate) fn check(&self) -> Result<(), BuildError> {
        let capsule = || self.name.clone();
        if !(1..=MAX_CONCURRENCY).contains(&self.concurrency) {
            return Err(BuildError::Concurrency { capsule: capsule(), value: self.concurrency });
        }
        if self.queues.is_empty() {
            return Err(BuildError::NoQueues { capsule: capsule() });
        }
        for (at, queue) in self.queues.iter().enumerate() {
            if let Some(fault) = queue_name_fault(&queue.name) {
                return Err(BuildError::InvalidQueue { queue: queue.name.clone(), fault });
            }
            if queue.weight == Some(0) {
                return Err(BuildError::ZeroWeight { queue: queue.name.clone() });
            }
            if self.queues.iter().take(at).any(|earlier| earlier.name == queue.name) {
                return Err(BuildError::TwiceInCapsule { queue: queue.name.clone(), capsule: capsule() });
            }
        }
        Ok(())
    }

    /// As the worker and its process record know it. Modes as in Sidekiq: no weight at all is strict, only ones is random,
    /// and a queue without a weight among weighted ones counts once.
    fn info(self) -> CapsuleInfo {
        let mode = match self.queues.as_slice() {
            queues if queues.iter().all(|queue| queue.weight.is_none()) => OrderMode::Strict,
            queues if queues.iter().all(|queue| queue.weight == Some(1)) => OrderMode::Random,
            _ => OrderMode::Weighted,
        };
        let none = if mode == OrderMode::Strict { 0 } else { 1 };
        let queues = self.queues.into_iter().map(|queue| (queue.name, queue.weight.unwrap_or(none))).collect();
        CapsuleInfo { name: self.name, concurrency: self.concurrency, mode, queues }
    }
}

impl fmt::Display for Capsule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        self.queues.iter().try_for_each(|queue| write!(f, " {queue}"))?;
        write!(f, " ({} at once)", self.concurrency)
    }
}

/// Makes a [`Worker`].
///
/// Every setting has a default; what is wrong is said by [`build`](WorkerBuilder::build), before the first job is taken.
#[must_use = "a worker does nothing until it is built and run"]
pub struct WorkerBuilder {
    client: Option<Client>,
    main: Capsule,
    capsules: Vec<Capsule>,
    state: State,
    jobs: Jobs,
    tuning: Tuning,
    around: RunChain,
    handlers: Handlers,
    meters: Meters,
}

/// Which jobs to know.
#[derive(Default)]
struct Jobs {
    linked: bool,
    by_hand: Registry,
    fault: Option<RegistryError>,
}

/// The patience and habits of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Tuning {
    pub(crate) shutdown_timeout: Duration,
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) lease: Duration,
    pub(crate) poll_interval: Duration,
    pub(crate) retry: RetryPolicy,
    /// `None` leaves the store as it is.
    pub(crate) dead: Option<DeadLimits>,
    pub(crate) tag: String,
    pub(crate) max_unacked: usize,
    /// `None`: as many as there are jobs at once.
    pub(crate) blocking_threads: Option<usize>,
    /// Zero: nothing is watched.
    pub(crate) blocked_after: Duration,
}

impl Tuning {
    pub(crate) fn blocking_threads(&self, capsules: &[CapsuleInfo]) -> usize {
        let all_at_once = || capsules.iter().map(|capsule| capsule.concurrency).fold(0, usize::saturating_add);
        self.blocking_threads.unwrap_or_else(|| default_blocking_threads(all_at_once()))
    }
}

impl WorkerBuilder {
    pub(crate) fn new() -> Self {
        WorkerBuilder {
            client: None,
            main: Capsule::new("default"),
            capsules: Vec::new(),
            state: State::new(),
            jobs: Jobs { linked: true, ..Jobs::default() },
            tuning: Tuning {
                shutdown_timeout: DEFAULT_SHUTDOWN_TIMEOUT,
                start_timeout: None,
                lease: DEFAULT_LEASE,
                poll_interval: DEFAULT_POLL_INTERVAL,
                retry: RetryPolicy::default(),
                dead: None,
                tag: String::new(),
                max_unacked: DEFAULT_MAX_UNACKED,
                blocking_threads: None,
                blocked_after: DEFAULT_BLOCKED_AFTER,
            },
            around: RunChain::default(),
            handlers: Handlers::default(),
            meters: Meters::default(),
        }
    }

    /// Where the jobs are. Default: the client given to [`init`](crate::client::init).
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// The queues of the main capsule, as [`Capsule::queues`]. Default: `default`.
    pub fn queues<Q: Into<QueueSpec>>(mut self, queues: impl IntoIterator<Item = Q>) -> Self {
        self.main = self.main.queues(queues);
        self
    }

    /// Jobs at once in the main capsule. Default: 10.
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.main = self.main.concurrency(jobs);
        self
    }

    /// Adds a capsule beside the main one.
    pub fn capsule(mut self, capsule: Capsule) -> Self {
        self.capsules.push(capsule);
        self
    }

    /// Shared state for parameters `Data<T>`; one value per type.
    pub fn data<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.state.insert(value);
        self
    }

    /// Takes over what an application adds: its state, its rules, its handlers, and the middleware around runs,
    /// inside of any this builder has already.
    pub fn app(mut self, app: &App) -> Self {
        self.state.extend(&app.state());
        self.around.extend(&app.around_runs);
        self.handlers = app.handlers.clone();
        self.meters = app.meters.clone();
        if let Some(backoff) = &app.backoff {
            self.tuning.retry.backoff = backoff.clone();
        }
        if let Some(retries) = app.max_retries {
            self.tuning.retry.max_retries = retries;
        }
        self.tuning.dead = app.dead_limits.or(self.tuning.dead);
        self
    }

    /// Wraps every run of this worker; the first added is the outermost. An [`App`] is the place for what tests shall have, too.
    pub fn middleware<M: RunMiddleware>(mut self, middleware: M) -> Self {
        self.around.wrap(middleware, Place::Innermost);
        self
    }

    /// Adds a job by hand: needed without the feature `inventory`, or after [`only_registered`](Self::only_registered).
    pub fn register<J: Perform>(mut self) -> Self {
        if let Err(fault) = self.jobs.by_hand.register::<J>() {
            self.jobs.fault.get_or_insert(fault);
        }
        self
    }

    /// Leaves out the jobs that `#[job]` registered, so that only those of [`register`](Self::register) are known.
    pub fn only_registered(mut self) -> Self {
        self.jobs.linked = false;
        self
    }

    /// How long a stopping worker waits for running jobs before it gives them back. Default: 25 s.
    ///
    /// Keep it a few seconds below what the platform allows between TERM and KILL, which is often 30 s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.tuning.shutdown_timeout = timeout;
        self
    }

    /// How long to keep trying when the store is not there at the start. Default: for ever, with a warning at each try;
    /// zero fails at once.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.tuning.start_timeout = Some(timeout);
        self
    }

    /// How long the store takes this process for alive after its last sign of life; they come three times as often.
    /// Default: 15 s. After it, others run the jobs this process holds.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.tuning.lease = lease;
        self
    }

    /// How often all processes together look for due retries and scheduled jobs, at least. Default: 5 s. A due job that the
    /// process has already seen is moved on time.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.tuning.poll_interval = interval;
        self
    }

    /// The wait before a retry. Default: Sidekiq's formula.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.tuning.retry.backoff = backoff;
        self
    }

    /// The retries of a job that says `retry = true` or nothing. Default: 25. Sidekiq's `max_retries`; at most 1,000, and more
    /// is taken for that.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.tuning.retry.max_retries = retries.min(MAX_RETRIES);
        self
    }

    /// How much the dead set keeps, as [`App::dead_limits`].
    pub fn dead_limits(mut self, limits: DeadLimits) -> Self {
        self.tuning.dead = Some(limits);
        self
    }

    /// How many jobs may be done without the store knowing yet. Default: 256; they are told within a millisecond or two.
    ///
    /// The ends of jobs are told to the store many at a time, which costs it less than one by one. If the process dies in between, these jobs run again: at most this many, and those that were running. With 0 a processor waits until
    /// the store knows before it takes the next job.
    pub fn max_unacked(mut self, jobs: usize) -> Self {
        self.tuning.max_unacked = jobs;
        self
    }

    /// How many blocking jobs (`fn` and not `async fn`) have a thread at the same time, 1 to 10,000. Default: one for each job at
    /// once, 512 at most. Those beyond wait, and their run time counts from when they were taken.
    ///
    /// The threads are tokio's, which has 512 for all blocking code of a program unless its builder says otherwise
    /// (`max_blocking_threads`; a `Program` does).
    pub fn blocking_threads(mut self, threads: usize) -> Self {
        self.tuning.blocking_threads = Some(threads);
        self
    }

    /// How long a job may keep a thread of the runtime, without an await, before a warning names it and
    /// [`Event::Blocked`](crate::events::Event::Blocked) is told. Default: 100 ms; zero: never.
    pub fn blocked_after(mut self, time: Duration) -> Self {
        self.tuning.blocked_after = time;
        self
    }

    /// A label for people on the pages that list processes: the application's name, say.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tuning.tag = tag.into();
        self
    }

    /// Checks everything that can be checked before the first job.
    ///
    /// # Errors
    /// [`BuildError`] names the value, the rule and the remedy.
    pub fn build(self) -> Result<Worker, BuildError> {
        let worker = self.assemble()?;
        for job in worker.registry.iter() {
            (job.check)(&worker.state).map_err(|missing| BuildError::MissingState { job: job.name, missing })?;
        }
        Ok(worker)
    }

    /// A worker that a test drives, see [`ByHand`]. It may lack state that no job asks for that is run with it.
    ///
    /// # Errors
    /// As [`build`](WorkerBuilder::build).
    pub fn by_hand(self) -> Result<ByHand, BuildError> {
        self.assemble().map(ByHand::of)
    }

    fn assemble(self) -> Result<Worker, BuildError> {
        let client = match self.client {
            Some(client) => client,
            None => default_client().map_err(|error| match error {
                EnqueueError::NoTestMode => BuildError::NoTestMode,
                _ => BuildError::NoClient,
            })?,
        };
        if let Some(fault) = self.jobs.fault {
            return Err(fault.into());
        }
        let mut registry = if self.jobs.linked { Registry::linked()? } else { Registry::new() };
        registry.add_all(&self.jobs.by_hand)?;
        if registry.is_empty() {
            return Err(BuildError::NoJobs);
        }
        if let Some(threads) = self.tuning.blocking_threads
            && !(1..=MAX_BLOCKING_THREADS).contains(&threads)
        {
            return Err(BuildError::BlockingThreads { value: threads });
        }
        let minimum = Duration::from_millis(30);
        if self.tuning.lease < minimum {
            return Err(BuildError::ShortLease { lease: self.tuning.lease, minimum });
        }
        let mut capsules = vec![self.main];
        capsules.extend(self.capsules);
        for (at, capsule) in capsules.iter().enumerate() {
            capsule.check()?;
            if capsules.iter().take(at).any(|earlier| earlier.name == capsule.name) {
                return Err(BuildError::TwoCapsules { name: capsule.name.clone() });
            }
        }
        Ok(Worker {
            clock: client.clock().clone(),
            client,
            registry,
            state: self.state,
            capsules: capsules.into_iter().map(Capsule::info).collect(),
            tuning: self.tuning,
            around: self.around,
            handlers: self.handlers,
            meters: self.meters,
            events: Events::default(),
            controls: super::Controls::new(),
        })
    }
}

impl fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("main", &self.main)
            .field("capsules", &self.capsules)
            .field("tuning", &self.tuning)
            .finish_non_exhaustive()
    }
}

/// A worker cannot be made as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is nowhere to take jobs from.
    #[error("this worker has no client; give it one with `.client(client)`, or call `kiq::init(client)` first")]
    NoClient,
    /// A test builds a worker and has not said where its jobs are.
    #[error(
        "this is a test, and it has not said where its jobs are; give the worker a client with `.client(client)`, or begin the \
         test with `let kiq = kiq_testing::fake();`"
    )]
    NoTestMode,
    /// There are no jobs to perform.
    #[error(
        "no job is linked into this program, so the worker could do nothing; if your jobs are in another crate, name it in \
         this one (`use my_jobs as _;`), or add them with `.register::<MyJob>()`"
    )]
    NoJobs,
    /// Two jobs have one name.
    #[error(transparent)]
    TwoJobs(#[from] RegistryError),
    /// A job asks for state the worker was not given.
    #[error("{job} cannot run: {missing}")]
    MissingState {
        /// The job.
        job: &'static str,
        /// What is missing.
        missing: MissingState,
    },
    /// A capsule would run no job, or too many.
    #[error("capsule {capsule} was given concurrency {value}; it must be from 1 to 100000")]
    Concurrency {
        /// The capsule.
        capsule: String,
        /// The number.
        value: usize,
    },
    /// Blocking jobs would never run, or on too many threads.
    #[error("{value} threads for blocking jobs were asked for; it must be from 1 to 10000")]
    BlockingThreads {
        /// The number.
        value: usize,
    },
    /// A capsule has no queue.
    #[error("capsule {capsule} has no queue; give it one with `.queues([\"default\"])`")]
    NoQueues {
        /// The capsule.
        capsule: String,
    },
    /// A queue's name cannot be used.
    #[error("{queue:?} cannot be a queue: {fault}")]
    InvalidQueue {
        /// The name.
        queue: String,
        /// The rule it breaks.
        fault: &'static str,
    },
    /// A queue would never be served.
    #[error("queue {queue} has weight 0 and would never be served; leave it out, or give it a weight of 1 or more")]
    ZeroWeight {
        /// The queue.
        queue: String,
    },
    /// A queue is listed twice.
    #[error(
        "queue {queue} is listed twice in capsule {capsule}; for a larger share give it a weight: (\"{queue}\", 2)"
    )]
    TwiceInCapsule {
        /// The queue.
        queue: String,
        /// The capsule.
        capsule: String,
    },
    /// Two capsules have one name.
    #[error("two capsules are named {name}; rename one (the main one is named default)")]
    TwoCapsules {
        /// The name.
        name: String,
    },
    /// The lease is too short to be renewed in time.
    #[error(
        "a lease of {lease:?} cannot be renewed in time; give it at least {minimum:?}, in production several seconds"
    )]
    ShortLease {
        /// The lease.
        lease: Duration,
        /// The shortest one.
        minimum: Duration,
    },
}
