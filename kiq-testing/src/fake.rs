//! A store of a test's own, with a worker that runs its jobs when the test says so.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use kiq_runtime::app::App;
use kiq_runtime::broker::{Browse as _, Entry, JobSet, MemoryBroker};
use kiq_runtime::client::Client;
use kiq_runtime::client::ambient::Ambient;
use kiq_runtime::inspect::Inspector;
use kiq_runtime::job::{Job, Payload};
use kiq_runtime::worker::{BuildError, ByHand, Worker, WorkerBuilder};
use kiq_runtime::{Clock, Timestamp};

use crate::broker::FakeBroker;
use crate::drain::{Drain, DrainError, Plan};
use crate::drained::{Drained, Run};
use crate::hand::Hand;
use crate::waiting::{Enqueued, Waiting};

/// The jobs of one test: kept in memory, looked at and run by the test. Cheap to clone; clones share the jobs.
///
/// [`fake`](crate::fake) and [`inline`](crate::inline) make it, and put it around the test.
#[derive(Clone)]
pub struct Fake {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: MemoryBroker,
    pub(crate) hand: Hand,
    clock: Clock,
    client: RwLock<Client>,
    machine: Mutex<Machine>,
    /// Held while jobs are played: two at once would take each other's.
    pub(crate) playing: tokio::sync::Mutex<()>,
}

/// The worker, from its settings to its first job.
enum Machine {
    Planned {
        builder: Box<WorkerBuilder>,
        /// Whether the test has added to it.
        has_more: bool,
    },
    Built(Arc<ByHand>),
    /// It could not be built, and the reason was told.
    Broken,
}

impl Fake {
    /// Jobs of no particular test: for a suite whose tests share a tokio runtime. [`scope`](Fake::scope) puts it around a future.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// #[kiq::job]
    /// async fn send_welcome(user_id: u64) { let _ = user_id; }
    ///
    /// let kiq = kiq_testing::Fake::detached();
    /// kiq.scope(async { SendWelcome::enqueue(7).await }).await?;
    /// assert_eq!(kiq.jobs::<SendWelcome>().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn detached() -> Self {
        Fake::with(|_| None)
    }

    pub(crate) fn inline() -> Self {
        Fake::with(|inner| Some(inner.clone()))
    }

    /// `runs`: whose worker runs jobs at their enqueue.
    fn with(runs: impl Fn(&Weak<Inner>) -> Option<Weak<Inner>>) -> Self {
        let hand = Hand::at_the_present();
        let clock = hand.clock();
        let store = MemoryBroker::new(clock.clone());
        let inner = Arc::new_cyclic(|inner| Inner {
            client: RwLock::new(
                Client::new(Arc::new(FakeBroker::new(runs(inner), store.clone()))).with_clock(clock.clone()),
            ),
            machine: Mutex::new(Machine::Planned { builder: Box::new(Worker::builder()), has_more: false }),
            playing: tokio::sync::Mutex::default(),
            store,
            hand,
            clock,
        });
        Fake { inner }
    }

    /// Runs `future` with its enqueues going here. Tasks it spawns are not covered: they get an error, as long as no mode holds
    /// for their runtime.
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        self.ambient().around(future).await
    }

    pub(crate) fn ambient(&self) -> Ambient {
        Ambient { client: self.client(), tool: Arc::new(self.clone()) }
    }

    /// The client that the test's enqueues use, for code that the mode cannot see: `.on(&kiq.client())`.
    pub fn client(&self) -> Client {
        self.inner.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds what an application adds, to the client and to the worker.
    pub(crate) fn adopt(&self, app: &App) {
        self.plan(|worker| worker.app(app));
        let client = self.client().with_app(app);
        *self.inner.client.write().unwrap_or_else(PoisonError::into_inner) = client;
    }

    /// Where the jobs are kept.
    pub fn store(&self) -> &MemoryBroker {
        &self.inner.store
    }

    /// The clock that everything here goes by.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The time on that clock.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Looks at queues, sets and totals, as an operator does.
    pub fn inspector(&self) -> Inspector {
        Inspector::new(&self.client())
    }

    /// The jobs of one kind that wait in queues, in the order they came, and then those that wait for their time, the earliest
    /// first. Their arguments have made the trip through JSON.
    ///
    /// # Panics
    /// When arguments do not fit `J`.
    #[expect(clippy::panic, reason = "a test that finds no job where there is one has failed")]
    pub fn jobs<J: Job>(&self) -> Vec<Enqueued<J>> {
        let typed = |waiting: Waiting| match waiting.typed::<J>() {
            Ok(job) => job,
            Err(error) => panic!("a job that is enqueued could not be run: {error}"),
        };
        self.waiting().into_iter().filter(|waiting| waiting.payload.class() == J::NAME).map(typed).collect()
    }

    /// All jobs that wait in queues, in the order they came, and then those that wait for their time. Retries and the dead are
    /// found with the [`inspector`](Fake::inspector).
    pub fn waiting(&self) -> Vec<Waiting> {
        let queued = self.inner.store.queued().into_iter().map(|(_, bytes)| (None, bytes));
        let later =
            self.set(JobSet::Scheduled, usize::MAX).into_iter().map(|Entry { at, payload }| (Some(at), payload));
        // What is no job was not enqueued by a client.
        queued
            .chain(later)
            .filter_map(|(at, bytes)| Some(Waiting { at, payload: Payload::parse(&bytes).ok()? }))
            .collect()
    }

    /// The jobs in one queue, in the order they run.
    pub fn queue(&self, name: &str) -> Vec<Waiting> {
        let in_it = |waiting: &Waiting| waiting.at.is_none() && waiting.queue() == name;
        self.waiting().into_iter().filter(in_it).collect()
    }

    /// Whether no job waits, in a queue or for its time.
    pub fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }

    /// Forgets all jobs: queued, scheduled, to be retried and dead. A test starts with none; this is for its middle.
    pub fn clear_all(&self) {
        self.inner.store.remove_all(|_| true);
    }

    /// Forgets the jobs of one kind.
    pub fn clear<J: Job>(&self) {
        self.inner.store.remove_all(|bytes| is_of(bytes, Some(J::NAME)));
    }

    /// Runs the jobs of one kind, and those of that kind that they enqueue, until none is left. As [`drain_all`](Fake::drain_all)
    /// otherwise.
    pub fn drain<J: Job>(&self) -> Drain<'_> {
        Drain::new(self, Plan { class: Some(J::NAME), ..Plan::default() })
    }

    /// Runs all jobs, and those that they enqueue, in the order they were enqueued, until none is left: first those in queues,
    /// then those that wait for their time, to which the clock is moved. Stops at the first failure and answers it.
    ///
    /// The job that failed is then where a worker would have put it: among the retries, say.
    ///
    /// # Examples
    /// ```standalone_crate
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// #[kiq::job]
    /// async fn grow(step: u32) -> Result<(), kiq::EnqueueError> {
    ///     if step < 3 {
    ///         Grow::enqueue(step + 1).await?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let kiq = kiq_testing::fake();
    /// Grow::enqueue(1).await?;
    ///
    /// let drained = kiq.drain_all().await?;
    ///
    /// assert_eq!(drained.count::<Grow>(), 3);
    /// assert!(kiq.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn drain_all(&self) -> Drain<'_> {
        Drain::new(self, Plan::default())
    }

    /// Runs the job of that kind that has waited longest, and nothing it enqueues.
    ///
    /// # Errors
    /// [`DrainError::Empty`] when no such job is in a queue; [`DrainError::Failed`] when it fails.
    pub async fn perform_one<J: Job>(&self) -> Result<Run, DrainError> {
        crate::drain::perform_one(self, J::NAME).await
    }

    /// Moves the clock on, and runs on the way what would have run, each at its time: queued jobs, scheduled ones, retries, and
    /// what a [process that died](kiq_runtime::worker::ByHand) held, when its lease is out. Failures are not answered as errors: they are retried, as their jobs say, and stand in the answer.
    ///
    /// # Errors
    /// [`DrainError::Endless`] and what else keeps jobs from being run.
    ///
    /// # Examples
    /// ```standalone_crate
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// #[kiq::job]
    /// async fn remind(user_id: u64) { let _ = user_id; }
    ///
    /// const DAY: Duration = Duration::from_secs(86_400);
    /// let kiq = kiq_testing::fake();
    /// Remind::enqueue(7).delay(3 * DAY).await?;
    ///
    /// assert_eq!(kiq.advance(2 * DAY).await?.runs().len(), 0);
    /// assert_eq!(kiq.advance(2 * DAY).await?.count::<Remind>(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn advance(&self, by: Duration) -> Result<Drained, DrainError> {
        let until = Some(self.now() + by);
        Drain::new(self, Plan { until, retries: true, failures: true, ..Plan::default() }).await
    }

    /// Moves the clock on and runs nothing: for a test with a worker that runs by itself.
    pub async fn move_clock(&self, by: Duration) {
        self.inner.hand.move_to(self.now() + by).await;
    }

    /// The first entries of a set.
    pub(crate) fn set(&self, set: JobSet, take: usize) -> Vec<Entry> {
        crate::at_once(self.inner.store.set_page(set, 0, take)).and_then(Result::ok).unwrap_or_default()
    }

    /// Adds to the worker's settings.
    #[track_caller]
    pub(crate) fn plan(&self, change: impl FnOnce(WorkerBuilder) -> WorkerBuilder) {
        self.replan(|builder, _| Machine::Planned { builder: Box::new(change(builder)), has_more: true });
    }

    /// Takes another worker, before anything was added to the one that was there.
    #[track_caller]
    #[expect(clippy::panic, reason = "a test that is set up in the wrong order has failed")]
    pub(crate) fn plan_with(&self, worker: WorkerBuilder) {
        self.replan(|_, has_more| match has_more {
            false => Machine::Planned { builder: Box::new(worker), has_more },
            true => panic!("`.worker(…)` would throw away what `.app(…)` and `.data(…)` have set; give it before them"),
        });
    }

    #[track_caller]
    #[expect(clippy::panic, reason = "a test that is set up too late has failed")]
    fn replan(&self, change: impl FnOnce(WorkerBuilder, bool) -> Machine) {
        let mut machine = self.inner.machine.lock().unwrap_or_else(PoisonError::into_inner);
        *machine = match std::mem::replace(&mut *machine, Machine::Broken) {
            Machine::Planned { builder, has_more } => change(*builder, has_more),
            _ => panic!("the worker of this test has run jobs already; set it up before the first"),
        };
    }
}

impl Inner {
    /// The worker, built when it is first needed.
    pub(crate) fn worker(&self) -> Result<Arc<ByHand>, DrainError> {
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        let built: Result<Arc<ByHand>, BuildError> = match std::mem::replace(&mut *machine, Machine::Broken) {
            Machine::Planned { builder, .. } => {
                let client = self.client.read().unwrap_or_else(PoisonError::into_inner).clone();
                builder.client(client).by_hand().map(Arc::new)
            }
            Machine::Built(worker) => Ok(worker),
            Machine::Broken => return Err(DrainError::Broken),
        };
        let worker = built?;
        *machine = Machine::Built(Arc::clone(&worker));
        Ok(worker)
    }
}

/// Whether bytes are a job of that class; with no class, whether they are anything at all.
pub(crate) fn is_of(bytes: &[u8], class: Option<&str>) -> bool {
    class.is_none_or(|class| Payload::parse(bytes).is_ok_and(|payload| payload.class() == class))
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fake({} jobs, {})", self.waiting().len(), self.now())
    }
}
