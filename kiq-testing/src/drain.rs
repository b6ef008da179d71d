//! Plays jobs through: takes them in order, runs each with the worker's own steps, moves the clock when none is left for now.

use std::fmt;
use std::future::IntoFuture;

use kiq_runtime::Timestamp;
use kiq_runtime::broker::{Entry, JobSet, UnitOfWork};
use kiq_runtime::error::BrokerError;
use kiq_runtime::job::BoxFuture;
use kiq_runtime::worker::{BuildError, ByHand};

use crate::drained::{Drained, Outcome, Run};
use crate::fake::{Fake, is_of};

/// Runs in one drain before it is taken for endless.
pub const DEFAULT_LIMIT: usize = 10_000;

/// Jobs about to be run. Awaiting it runs them, and answers what ran.
///
/// # Cancel safety
/// Dropped in the middle of a job, which stops there, it puts that one back into its queue.
///
/// # Errors
/// [`DrainError`]; its [`drained`](DrainError::drained) has what ran before.
#[must_use = "no job runs until this is awaited"]
pub struct Drain<'a> {
    fake: &'a Fake,
    plan: Plan,
}

/// What to run, and when to stop.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) class: Option<&'static str>,
    pub(crate) retries: bool,
    /// Whether failures are no errors.
    pub(crate) failures: bool,
    pub(crate) until: Option<Timestamp>,
    pub(crate) limit: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Plan { class: None, retries: false, failures: false, until: None, limit: DEFAULT_LIMIT }
    }
}

impl<'a> Drain<'a> {
    pub(crate) fn new(fake: &'a Fake, plan: Plan) -> Self {
        Drain { fake, plan }
    }

    /// Plays retries through too, moving the clock to each. A failure is then an error only when it is a job's last.
    pub fn with_retries(mut self) -> Self {
        self.plan.retries = true;
        self
    }

    /// Answers what failed among the runs, and not as an error.
    pub fn allow_failures(mut self) -> Self {
        self.plan.failures = true;
        self
    }

    /// After so many runs there is an end. Default: [`DEFAULT_LIMIT`].
    pub fn limit(mut self, runs: usize) -> Self {
        self.plan.limit = runs;
        self
    }
}

impl<'a> IntoFuture for Drain<'a> {
    type Output = Result<Drained, DrainError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let _turn = self.fake.inner.playing.try_lock().map_err(|_| DrainError::Busy)?;
            play(self.fake, &self.plan).await
        })
    }
}

impl fmt::Debug for Drain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").field("plan", &self.plan).finish_non_exhaustive()
    }
}

async fn play(fake: &Fake, plan: &Plan) -> Result<Drained, DrainError> {
    let worker = fake.inner.worker()?;
    let mut drained = Drained::default();
    loop {
        worker.beat().await?;
        worker.promote().await;
        if plan.until.is_some() {
            worker.reclaim().await?;
        }
        if drained.runs().len() >= plan.limit && is_queued(fake, plan.class) {
            return Err(DrainError::Endless { limit: plan.limit, drained: Box::new(drained) });
        }
        if let Some(run) = run_first(fake, |bytes| is_of(bytes, plan.class)).await? {
            let fails = match &run.outcome {
                Outcome::Done | Outcome::TakenOver => false,
                Outcome::Retry { .. } => !plan.retries,
                _ => true,
            };
            drained.add(run);
            if fails && !plan.failures {
                return Err(DrainError::Failed { drained: Box::new(drained) });
            }
            continue;
        }
        match next_due(fake, plan).filter(|next| plan.until.is_none_or(|until| *next <= until)) {
            Some(next) => fake.inner.hand.move_to(next).await,
            None => break,
        }
    }
    if let Some(until) = plan.until {
        fake.inner.hand.move_to(until).await;
    }
    Ok(drained)
}

/// Runs the first job in a queue that `wanted` answers true for.
pub(crate) async fn run_first(fake: &Fake, wanted: impl Fn(&[u8]) -> bool) -> Result<Option<Run>, DrainError> {
    let worker = fake.inner.worker()?;
    worker.beat().await?;
    let Some(unit) = fake.inner.store.take_first(worker.identity(), |_, bytes| wanted(bytes))? else { return Ok(None) };
    let at = fake.now();
    let held = Held { worker: &worker, unit };
    let event = worker.perform(held.unit.clone()).await;
    Ok(Some(Run::new(at, &held.unit.queue, &held.unit.payload, event)))
}

/// A job that runs. Whoever drops a drain in the middle of it (by `tokio::time::timeout`, say) finds it in its queue again.
struct Held<'a> {
    worker: &'a ByHand,
    unit: UnitOfWork,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // A store in memory answers at once; what was settled is passed over.
        let _ = crate::at_once(self.worker.give_back(&self.unit));
    }
}

pub(crate) async fn perform_one(fake: &Fake, class: &'static str) -> Result<Run, DrainError> {
    let _turn = fake.inner.playing.try_lock().map_err(|_| DrainError::Busy)?;
    let worker = fake.inner.worker()?;
    worker.beat().await?;
    worker.promote().await;
    let run = run_first(fake, |bytes| is_of(bytes, Some(class))).await?.ok_or(DrainError::Empty { class })?;
    match run.outcome {
        Outcome::Done => Ok(run),
        _ => Err(DrainError::Failed { drained: Box::new(Drained::of(run)) }),
    }
}

fn is_queued(fake: &Fake, class: Option<&str>) -> bool {
    fake.inner.store.queued().iter().any(|(_, bytes)| is_of(bytes, class))
}

fn next_due(fake: &Fake, plan: &Plan) -> Option<Timestamp> {
    // Of one kind the first may stand anywhere.
    let take = if plan.class.is_some() { usize::MAX } else { 1 };
    let first = |set| {
        let entry = fake.set(set, take).into_iter().find(|entry: &Entry| is_of(&entry.payload, plan.class))?;
        Some(entry.at)
    };
    let retries = plan.retries.then(|| first(JobSet::Retry)).flatten();
    // A drain does not wait for processes to be given up; time that passes does.
    let lapse = plan.until.and_then(|_| fake.store().next_lapse());
    [retries, first(JobSet::Scheduled), lapse].into_iter().flatten().min()
}

/// Jobs were not all run, or not all well.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum DrainError {
    /// A job failed: the last of what ran.
    #[error("{}", drained.told_as_failure())]
    Failed {
        /// What ran, to the failure.
        drained: Box<Drained>,
    },
    /// Jobs go on enqueueing jobs.
    #[error("{}", drained.told_as_endless(*limit))]
    Endless {
        /// How many ran.
        limit: usize,
        /// What ran.
        drained: Box<Drained>,
    },
    /// There is no such job in a queue.
    #[error(
        "no {class} is in a queue, so none can be performed (one that waits for its time is run by `advance` or `drain`)"
    )]
    Empty {
        /// The class.
        class: &'static str,
    },
    /// Jobs are being run here already.
    #[error("jobs of this test are being run already; a job cannot drain, nor can two tasks at once")]
    Busy,
    /// The worker could not be made.
    #[error(transparent)]
    Worker(#[from] BuildError),
    /// The worker could not be made, as was said before.
    #[error("the worker of this test could not be built, as its first use said")]
    Broken,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] BrokerError),
}

impl DrainError {
    /// What ran before; nothing, when it could not begin.
    pub fn drained(&self) -> Option<&Drained> {
        match self {
            DrainError::Failed { drained } | DrainError::Endless { drained, .. } => Some(drained),
            _ => None,
        }
    }
}

/// As text: it is what a failing test prints.
impl fmt::Debug for DrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
