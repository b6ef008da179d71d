//! Where a worker's numbers go beside the store: to Prometheus, StatsD, OpenTelemetry, or a meter of your own.
//!
//! A worker has no meter unless it is given one ([`App::meter`](crate::app::App::meter)), and then nothing of this runs.
//!
//! Measured: the same worker program with and without Prometheus' recorder, 10,000 jobs that do nothing, six rounds each, side by
//! side: 1.03 times the CPU time and 1.02 times the wall time (medians; a debug build on a busy machine, so take it as "a few
//! percent of an empty job", and no better).

#[cfg(feature = "metrics")]
mod facade;
#[cfg(feature = "opentelemetry")]
mod otel;
#[cfg(any(feature = "metrics", feature = "opentelemetry"))]
mod series;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "metrics")]
pub use facade::Metrics;
#[cfg(feature = "opentelemetry")]
pub use otel::OpenTelemetry;

/// Upper ends of the counters of run times, in seconds: those of Sidekiq's histograms, and some below, as a job in Rust is often
/// done within a millisecond.
pub const RUN_TIME_BOUNDS: [f64; 30] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.045, 0.065, 0.1, 0.15, 0.225, 0.335, 0.5, 0.75, 1.1, 1.7, 2.5,
    3.8, 5.75, 8.5, 13.0, 20.0, 30.0, 45.0, 65.0, 100.0, 150.0, 225.0, 335.0,
];

/// Is told a worker's numbers. Called from the worker's own tasks: it must be quick, and must not wait.
///
/// # Examples
/// ```
/// use kiq::meters::{Meter, Process, Run, Store};
/// use kiq::App;
///
/// #[derive(Debug)]
/// struct Print;
///
/// impl Meter for Print {
///     fn run(&self, run: &Run<'_>) {
///         println!("{} of {}: {} after {:?}", run.class, run.queue, run.end.as_str(), run.elapsed);
///     }
///     fn process(&self, process: &Process) {
///         println!("{} of {} processors are busy", process.busy, process.slots);
///     }
///     fn store(&self, store: &Store) {
///         println!("{} dead jobs", store.dead);
///     }
/// }
///
/// let app = App::new().meter(Print);
/// # let _ = app;
/// ```
pub trait Meter: fmt::Debug + Send + Sync + 'static {
    /// A run ended, and what becomes of its job is settled.
    fn run(&self, run: &Run<'_>);

    /// How the process stands: told with each heartbeat, every 5 s as a rule.
    fn process(&self, process: &Process);

    /// How the store stands: told every 15 s, by every process alike.
    fn store(&self, store: &Store);
}

/// A run that ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Run<'a> {
    /// The job's class; [`UNKNOWN`] for one that this program does not know, as a queue may hold anything.
    pub class: &'a str,
    /// The queue it was taken from.
    pub queue: &'a str,
    /// How it ended.
    pub end: End,
    /// How long it took.
    pub elapsed: Duration,
}

/// Stands for the classes that a program does not know.
pub const UNKNOWN: &str = "(unknown)";

impl<'a> Run<'a> {
    pub(crate) fn new(class: &'a str, queue: &'a str, end: End, elapsed: Duration) -> Self {
        Run { class, queue, end, elapsed }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum End {
    /// It succeeded.
    Done,
    /// It failed, and is tried again.
    Retry,
    /// It was told to come later.
    Later,
    /// It failed for good, and is kept.
    Dead,
    /// It failed for good, and is gone.
    Discarded,
    /// It ended after the process's lease had run out: the job was another's.
    Stale,
}

impl End {
    /// All of them.
    pub const ALL: [End; 6] = [End::Done, End::Retry, End::Later, End::Dead, End::Discarded, End::Stale];

    /// As a label: `done`, `retry`, `later`, `dead`, `discarded`, `stale`.
    pub fn as_str(self) -> &'static str {
        match self {
            End::Done => "done",
            End::Retry => "retry",
            End::Later => "later",
            End::Dead => "dead",
            End::Discarded => "discarded",
            End::Stale => "stale",
        }
    }
}

/// How a process stands.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Process {
    /// Jobs that run.
    pub busy: usize,
    /// Jobs that may run at once.
    pub slots: usize,
    /// Whether it was told to take no more jobs.
    pub is_quiet: bool,
    /// Resident memory in bytes; 0 where the system does not say.
    pub memory: u64,
    /// Jobs that run again, by cause, since the process began: `reclaimed`, `lease_lost`, `cut_off`, `unheard`.
    pub reruns: [(&'static str, u64); 4],
    /// Stretches in which a job kept a thread of the runtime, since the process began.
    pub blocked: u64,
}

/// How the store stands.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Store {
    /// The queues.
    pub queues: Vec<Queue>,
    /// Jobs that wait for their time.
    pub scheduled: usize,
    /// Jobs that wait for their next try.
    pub retries: usize,
    /// Jobs that failed for good and are kept.
    pub dead: usize,
    /// Jobs in processes' hands.
    pub in_flight: usize,
    /// Worker processes that live.
    pub processes: usize,
    /// Memory in use, in bytes, if the store says.
    pub used_memory: Option<u64>,
    /// The most it may use, in bytes; `None` where there is no limit.
    pub max_memory: Option<u64>,
}

/// A queue of [`Store`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Jobs in it.
    pub size: usize,
    /// For how long the job that runs next has waited.
    pub latency: Duration,
}

impl Queue {
    pub(crate) fn new(name: String, size: usize, latency: Duration) -> Self {
        Queue { name, size, latency }
    }
}

/// All meters of an application. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meters(Arc<Vec<Arc<dyn Meter>>>);

impl Meters {
    pub(crate) fn add(&mut self, meter: impl Meter) {
        Arc::make_mut(&mut self.0).push(Arc::new(meter));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn each(&self, tell: impl Fn(&dyn Meter)) {
        self.0.iter().for_each(|meter| tell(&**meter));
    }
}
