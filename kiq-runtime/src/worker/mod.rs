//! Takes jobs and performs them.
//!
//! [`Worker::run`] starts, in this order: a look at the store (waiting for it if need be), the first heartbeat, the
//! background duties on a thread of their own (heartbeat, reclaimer, poller), and one capsule after the other with its
//! fetcher and processors. It ends in the opposite order; `shutdown.rs` has the details.

pub mod by_hand;
pub mod config;

mod acks;
mod capsule;
mod desk;
mod endings;
mod exhausted;
mod fetcher;
mod fitness;
mod gauges;
pub mod health;
mod heartbeat;
mod knowledge;
mod order;
mod pauses;
mod perform;
mod poller;
mod prefetch;
mod processor;
mod reclaimer;
mod reporter;
mod reruns;
mod settle;
mod shutdown;
mod signals;
mod suspect;
mod tally;
mod ticker;
mod watchdog;
mod work;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;

use crate::broker::{Broker, CapsuleInfo, Consumer, Identity, ProcessInfo, Signal};
use crate::client::Client;
use crate::clock::{Clock, instant};
use crate::error::BrokerError;
use crate::events::{Event, EventStream, Events};
use crate::job::blocking::BlockingThreads;
use crate::job::{Registry, State};
use crate::meters::Meters;
use crate::middleware::RunChain;
use crate::reports::Handlers;

pub use by_hand::ByHand;
pub use config::{BuildError, Capsule, QueueSpec, WorkerBuilder};
pub use health::Health;
pub use reruns::Reruns;

use acks::Acks;
use config::Tuning;
use endings::Endings;
use health::Vitals;
use reporter::Reporter;
use reruns::Counts;
use tally::Tally;
use watchdog::Ticks;
use work::WorkTable;

/// The longest pause between two looks at a store that does not answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The part of a process that performs jobs.
///
/// # Examples
/// ```standalone_crate
/// use kiq::{Client, Event, Worker};
///
/// #[kiq::job]
/// async fn send_welcome(user_id: u64) { println!("welcome, user {user_id}"); }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::in_memory();
/// let _ = SendWelcome::enqueue(7).on(&client).await?;
///
/// let worker = Worker::builder().client(client).concurrency(20).build()?;
/// let mut events = worker.events();
/// let all_done = async move {
///     while let Some(event) = events.next().await {
///         if matches!(event, Event::Done { .. }) { break }
///     }
/// };
/// worker.run_until(all_done).await?;   // `run()` instead: until the process is told to stop
/// # Ok(())
/// # }
/// ```
#[must_use = "a worker does nothing until it is run"]
pub struct Worker {
    client: Client,
    clock: Clock,
    registry: Registry,
    state: State,
    capsules: Vec<CapsuleInfo>,
    tuning: Tuning,
    around: RunChain,
    handlers: Handlers,
    meters: Meters,
    events: Events,
    controls: Controls,
}

/// What all parts of a running worker share.
struct Shared {
    identity: Identity,
    broker: Arc<dyn Broker>,
    consumer: Arc<dyn Consumer>,
    clock: Clock,
    registry: Registry,
    state: State,
    tuning: Tuning,
    /// What is wrapped around runs.
    around: RunChain,
    reporter: Reporter,
    endings: Endings,
    meters: Meters,
    events: Events,
    controls: Controls,
    work: WorkTable,
    /// The watchdog's clock.
    ticks: Ticks,
    acks: Acks,
    tally: Tally,
    /// One suspect at a time: see `suspect.rs`.
    suspects: Arc<Semaphore>,
    info: Arc<ProcessInfo>,
    /// Counts the heartbeats that the store confirmed.
    beats: watch::Sender<u64>,
    /// The queues that operators paused, as the last heartbeat heard.
    paused: watch::Sender<Vec<String>>,
    /// Asks for a heartbeat before its time.
    beat_soon: Notify,
}

/// How far a worker is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Quiet,
    Stopping,
}

/// Tells a worker to be quiet or to stop, from anywhere. Cheap to clone.
#[derive(Clone)]
pub struct Controls {
    phase: Arc<watch::Sender<Phase>>,
    /// What the jobs see.
    stopping: Arc<watch::Sender<bool>>,
    dumps: Arc<tokio::sync::Notify>,
    reruns: Counts,
    vitals: Vitals,
}

impl Controls {
    pub(crate) fn new() -> Self {
        Controls {
            phase: Arc::new(watch::channel(Phase::Running).0),
            stopping: Arc::new(watch::channel(false).0),
            dumps: Arc::default(),
            reruns: Counts::default(),
            vitals: Vitals::new(),
        }
    }

    /// Takes no more jobs; the running ones end in their own time. As TSTP; cannot be undone.
    pub fn quiet(&self) {
        if self.advance_to(Phase::Quiet) {
            tracing::info!("quiet: taking no more jobs");
        }
    }

    /// Stops: quiet, then waits for running jobs until the shutdown timeout, then gives the rest back. As TERM.
    pub fn stop(&self) {
        if self.advance_to(Phase::Stopping) {
            self.stopping.send_replace(true);
            tracing::info!("stopping");
        }
    }

    /// Logs what every processor is doing. As TTIN.
    pub fn dump(&self) {
        self.dumps.notify_one();
    }

    /// The jobs that run again by what this worker saw, by cause. Still answers when it has stopped.
    pub fn reruns(&self) -> Reruns {
        self.reruns.so_far()
    }

    /// Whether this worker is ready for jobs, and if not, why: it has not started yet, is quiet, its heartbeats are not
    /// confirmed, or a capsule has ended. Asks nobody, so it answers at once.
    pub fn health(&self) -> Health {
        let mut unready = self.vitals.faults(self.is_running());
        if unready.is_empty() && !self.is_running() {
            unready.push("the worker was told to take no more jobs".to_owned());
        }
        Health { unready }
    }

    fn obey(&self, signal: Signal) {
        match signal {
            Signal::Quiet => self.quiet(),
            Signal::Stop => self.stop(),
            Signal::Dump => self.dump(),
        }
    }

    fn advance_to(&self, phase: Phase) -> bool {
        self.phase.send_if_modified(|now| {
            let further = *now < phase;
            *now = (*now).max(phase);
            further
        })
    }

    fn is_running(&self) -> bool {
        *self.phase.borrow() == Phase::Running
    }

    /// Returns once the worker is at least that far.
    async fn reached(&self, phase: Phase) {
        let mut phases = self.phase.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        let _ = phases.wait_for(|now| *now >= phase).await;
    }
}

impl fmt::Debug for Controls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Controls({:?})", *self.phase.borrow())
    }
}

impl Worker {
    /// Starts with the defaults: the queue `default`, 10 jobs at once, all jobs linked into this program.
    pub fn builder() -> WorkerBuilder {
        WorkerBuilder::new()
    }

    /// Everything that happens from now on. Ask before [`run`](Worker::run).
    pub fn events(&self) -> EventStream {
        self.events.listen()
    }

    /// A hold on the worker for other parts of the program.
    pub fn controls(&self) -> Controls {
        self.controls.clone()
    }

    /// The jobs it can perform.
    pub fn jobs(&self) -> &Registry {
        &self.registry
    }

    /// Runs until the process is told to stop: TERM and INT stop, TSTP quiets, TTIN logs what is being done.
    ///
    /// A blocking function (`fn` and not `async fn`) cannot be stopped. At the deadline its job is given back, but tokio waits
    /// for its thread when the runtime is dropped, so a program with long ones ends with `std::process::exit` after this, or
    /// with `Runtime::shutdown_background`.
    ///
    /// # Errors
    /// When the store cannot be used, or was not there within the [start timeout](WorkerBuilder::start_timeout). Once the
    /// worker is running it waits out every outage of the store.
    pub async fn run(self) -> Result<(), WorkerError> {
        let signals = signals::obey(self.controls());
        let unheard = async move {
            if let Err(error) = signals.await {
                tracing::error!(%error, "signals of the system cannot be heard; stop this worker by other means");
            }
            std::future::pending().await
        };
        self.run_inside(unheard, false).await
    }

    /// Runs inside a program that handles its own signals, until `stop` is ready or [`Controls::stop`] is called.
    ///
    /// # Errors
    /// As [`run`](Worker::run).
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), WorkerError> {
        self.run_inside(stop, true).await
    }

    async fn run_inside(self, stop: impl Future<Output = ()>, embedded: bool) -> Result<(), WorkerError> {
        let controls = self.controls();
        let mut running = std::pin::pin!(self.start_and_finish(embedded));
        tokio::select! {
            ended = &mut running => return ended,
            () = stop => controls.stop(),
        }
        running.await
    }

    async fn start_and_finish(self, embedded: bool) -> Result<(), WorkerError> {
        let broker = Arc::clone(self.client.broker());
        let Some(advice) = self.reach(&*broker).await? else {
            return Ok(());
        };
        for sentence in advice {
            tracing::warn!("{sentence}");
        }
        let identity = Identity::of_this_process();
        self.announce(&identity, &broker.place());
        let capsules = self.capsules.clone();
        let shared = self.share(identity, embedded);
        let duties = heartbeat::start_duties(&shared).map_err(WorkerError::Thread)?;
        let mut acks = JoinSet::new();
        acks.spawn({
            let shared = Arc::clone(&shared);
            async move { shared.acks.run(&shared).await }
        });
        let tails = shutdown::Tails { acks, endings: shared.endings.start(), reports: shared.reporter.start() };
        let capsules: Vec<_> = capsules.iter().map(|capsule| capsule::Running::start(&shared, capsule)).collect();
        shared.controls.vitals.started(capsules.len());
        shared.events.tell(|| Event::Ready);
        shutdown::when_told(&shared, capsules, tails, duties).await;
        shared.controls.vitals.stopped();
        Ok(())
    }

    /// Everything the parts of a running worker share.
    fn share(self, identity: Identity, embedded: bool) -> Arc<Shared> {
        let broker = Arc::clone(self.client.broker());
        if let Some(limits) = self.tuning.dead {
            broker.limit_dead(limits);
        }
        let info = ProcessInfo {
            started_at: self.clock.now(),
            tag: self.tuning.tag.clone(),
            capsules: self.capsules.clone(),
            embedded,
        };
        let max_unacked = self.tuning.max_unacked;
        let mut state = self.state;
        state.insert(BlockingThreads::new(self.tuning.blocking_threads(&self.capsules)));
        Arc::new(Shared {
            consumer: broker.attach(identity.clone()),
            identity,
            broker,
            clock: self.clock,
            registry: self.registry,
            state,
            tuning: self.tuning,
            around: self.around,
            reporter: Reporter::new(self.handlers),
            endings: Endings::default(),
            meters: self.meters,
            events: self.events,
            controls: self.controls,
            work: WorkTable::default(),
            ticks: Ticks::default(),
            acks: Acks::new(max_unacked),
            tally: Tally::default(),
            suspects: Arc::new(Semaphore::new(1)),
            info: Arc::new(info),
            beats: watch::channel(0).0,
            paused: watch::channel(Vec::new()).0,
            beat_soon: Notify::new(),
        })
    }

    /// Waits until the store is there. `None`: told to stop before it was.
    async fn reach(&self, broker: &dyn Broker) -> Result<Option<Vec<String>>, WorkerError> {
        let mut pause = Duration::from_millis(250);
        let started = instant();
        loop {
            let error = match broker.check().await {
                Ok(advice) => return Ok(Some(advice)),
                Err(error) => error,
            };
            let left = self.tuning.start_timeout.map(|patience| patience.saturating_sub(started.elapsed()));
            let out_of_patience = left.is_some_and(|left| left.is_zero());
            pause = left.map_or(pause, |left| pause.min(left));
            if out_of_patience || !error.is_temporary() {
                return Err(WorkerError::Start(error));
            }
            tracing::warn!(%error, "the store is not there yet; trying again in {pause:?}");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.controls.reached(Phase::Stopping) => return Ok(None),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Says at the start what this worker is: the first thing to look for when a job does not run.
    fn announce(&self, identity: &Identity, place: &str) {
        let jobs: Vec<&str> = self.registry.iter().map(|job| job.name).collect();
        tracing::info!(%identity, store = place, jobs = jobs.join(" "), "kiq {} starts", env!("CARGO_PKG_VERSION"));
        for capsule in &self.capsules {
            let queues: Vec<String> = capsule
                .queues
                .iter()
                .map(|(name, weight)| if *weight > 0 { format!("{name},{weight}") } else { name.clone() })
                .collect();
            let mode = capsule.mode.as_str();
            tracing::info!(capsule = capsule.name, concurrency = capsule.concurrency, mode, queues = queues.join(" "));
        }
        let running: usize = self.capsules.iter().map(|capsule| capsule.concurrency).sum();
        let blocking_threads = self.tuning.blocking_threads(&self.capsules);
        tracing::info!(blocking_threads, "blocking jobs run on threads of their own, so many at a time");
        let max_unacked = self.tuning.max_unacked;
        tracing::info!(max_unacked, "if this process dies, at most {} jobs run again", running + max_unacked);
        let served = |queue: &str| self.capsules.iter().any(|c| c.queues.iter().any(|(name, _)| name == queue));
        for job in self.registry.iter() {
            for queue in [Some(job.options.queue), job.options.retry_queue].into_iter().flatten() {
                if !served(queue) {
                    tracing::warn!(
                        job = job.name,
                        queue,
                        "this worker does not serve the queue of this job; another must, or add it with `.queues(…)`"
                    );
                }
            }
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("client", &self.client).field("capsules", &self.capsules).finish_non_exhaustive()
    }
}

/// A worker could not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The store is not there or cannot be used.
    #[error("the worker cannot start: {0}")]
    Start(#[source] BrokerError),
    /// The system gave no thread for the heartbeat.
    #[error("the worker cannot start its heartbeat thread: {0}")]
    Thread(#[source] std::io::Error),
}
