//! What all pages show, read once for everybody who looks.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use kiq_runtime::Timestamp;
use kiq_runtime::error::BrokerError;
use kiq_runtime::inspect::{
    ClassTotals, Deploy, Filter, Group, Inspector, JobSet, Place, ProcessState, Queue, Running, Stats, StoreInfo,
};
use tokio::time::Instant;

/// A sample is good for so long.
pub(crate) const FRESH: Duration = Duration::from_secs(2);

/// What costs more, or changes slowly, is good for so long.
const SLOW: Duration = Duration::from_secs(10);

/// A store that has not answered by then is away.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far apart the points of a trend are.
const TREND_STEP: Duration = Duration::from_secs(10);

/// The points of a trend: an hour.
const TREND_POINTS: usize = 360;

/// Trends go on for so long after the last look.
const TREND_AFTER: Duration = Duration::from_secs(3600);

/// Running jobs that are read.
const RUNNING: usize = 1000;

/// Retries that are read for what is alike among them.
const RETRIES: usize = 1000;

/// How far back the minutes go.
const MINUTES: Duration = Duration::from_secs(8 * 3600);

/// A process tells of a minute with its heartbeats, late when the store was away: the last of them are read again.
const MINUTES_AGAIN: Duration = Duration::from_secs(300);

/// The store at one instant, more or less.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Counts up: 1 is the first.
    pub(crate) number: u64,
    pub(crate) at: Timestamp,
    pub(crate) stats: Stats,
    /// By name.
    pub(crate) queues: Arc<Vec<Queue>>,
    /// By identity.
    pub(crate) processes: Arc<Vec<ProcessState>>,
    /// The longest first; 1,000 at most.
    pub(crate) running: Arc<Vec<Running>>,
    /// What is read every 10 seconds.
    pub(crate) slow: Arc<Slow>,
    /// The sizes of each queue during the last hour, the earliest first, 10 s apart.
    pub(crate) trends: Arc<HashMap<String, Vec<(Timestamp, usize)>>>,
    /// Since when sizes are noted.
    pub(crate) trends_since: Timestamp,
}

/// What is read every 10 seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slow {
    pub(crate) store: StoreInfo,
    /// What ran in each minute of the last 8 hours, the earliest first, without gaps.
    pub(crate) minutes: Vec<(Timestamp, Vec<ClassTotals>)>,
    /// The deploys of these hours.
    pub(crate) deploys: Vec<Deploy>,
    /// What is alike among the retries.
    pub(crate) errors: Vec<Group>,
    /// Whether these are all retries, or only the next of them.
    pub(crate) has_all_errors: bool,
}

impl Sample {
    /// Each class's sums over the last `span`.
    pub(crate) fn totals(&self, span: Duration) -> BTreeMap<&str, ClassTotals> {
        let from = self.at - span;
        let mut sums = BTreeMap::<&str, ClassTotals>::new();
        let minutes = self.slow.minutes.iter().filter(|(at, _)| *at >= from);
        for totals in minutes.flat_map(|(_, totals)| totals) {
            let sum = sums.entry(&totals.class).or_default();
            sum.runs += totals.runs;
            sum.failures += totals.failures;
            sum.millis += totals.millis;
        }
        sums
    }

    /// By how much a queue has grown in a minute, over the last five; `None` without so many points.
    pub(crate) fn growth(&self, queue: &str) -> Option<i64> {
        let points = self.trends.get(queue)?;
        let (last_at, last) = points.last()?;
        let (at, first) = points.iter().find(|(at, _)| last_at.since(*at) <= Duration::from_secs(300))?;
        let seconds = last_at.since(*at).as_secs_f64();
        if seconds < 20.0 {
            return None;
        }
        let difference = i64::try_from(*last).unwrap_or(i64::MAX) - i64::try_from(*first).unwrap_or(i64::MAX);
        Some((difference as f64 * 60.0 / seconds).round() as i64)
    }
}

/// Reads the store when somebody looks, and what it has is too old.
pub(crate) struct Sampler {
    inspector: Inspector,
    state: Mutex<State>,
    /// One reads, the others wait for what it has.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    latest: Option<(Instant, Arc<Sample>)>,
    failed: Option<(Instant, Arc<BrokerError>)>,
    slow: Option<(Instant, Arc<Slow>)>,
    trends: BTreeMap<String, VecDeque<(Timestamp, usize)>>,
    trends_since: Option<Timestamp>,
    trended: Option<Instant>,
    looked: Option<Instant>,
    has_keeper: bool,
}

impl Sampler {
    pub(crate) fn new(inspector: Inspector) -> Self {
        Sampler { inspector, state: Mutex::default(), turn: tokio::sync::Mutex::new(()) }
    }

    /// What was read last, however old it is.
    pub(crate) fn latest(&self) -> Option<Arc<Sample>> {
        self.state().latest.as_ref().map(|(_, sample)| Arc::clone(sample))
    }

    /// Has the next look read anew: something was changed.
    pub(crate) fn forget(&self) {
        let mut state = self.state();
        if let Some((at, _)) = &mut state.latest {
            *at = at.checked_sub(FRESH).unwrap_or(*at);
        }
    }

    /// A sample of the last 2 seconds. A store that did not answer a moment ago is not asked again at once.
    pub(crate) async fn fresh(&self) -> Result<Arc<Sample>, Arc<BrokerError>> {
        self.state().looked = Some(now());
        self.not_older_than(FRESH).await
    }

    async fn not_older_than(&self, age: Duration) -> Result<Arc<Sample>, Arc<BrokerError>> {
        if let Some(known) = self.known(age) {
            return known;
        }
        let _turn = self.turn.lock().await;
        // Somebody may have read while this one waited.
        if let Some(known) = self.known(age) {
            return known;
        }
        let read = match tokio::time::timeout(PATIENCE, self.read()).await {
            Ok(read) => read,
            Err(_) => Err(BrokerError::Unavailable {
                server: self.inspector.store(),
                source: "no answer within 2 seconds".into(),
            }),
        };
        let mut state = self.state();
        match read {
            Ok(sample) => {
                let sample = Arc::new(sample);
                state.latest = Some((now(), Arc::clone(&sample)));
                state.failed = None;
                Ok(sample)
            }
            Err(error) => {
                tracing::warn!(%error, "the dashboard cannot read the store");
                let error = Arc::new(error);
                state.failed = Some((now(), Arc::clone(&error)));
                Err(error)
            }
        }
    }

    fn known(&self, age: Duration) -> Option<Result<Arc<Sample>, Arc<BrokerError>>> {
        let state = self.state();
        if let Some((at, error)) = &state.failed
            && at.elapsed() < FRESH / 2
        {
            return Some(Err(Arc::clone(error)));
        }
        let (at, sample) = state.latest.as_ref()?;
        (at.elapsed() < age && state.failed.is_none()).then(|| Ok(Arc::clone(sample)))
    }

    async fn read(&self) -> Result<Sample, BrokerError> {
        let inspector = &self.inspector;
        let (stats, queues, processes, running, slow) = tokio::try_join!(
            inspector.stats(),
            inspector.queues(),
            inspector.processes(),
            inspector.running(RUNNING),
            self.slow(),
        )?;
        let at = inspector.now();
        let mut state = self.state();
        let state = &mut *state;
        if state.trended.is_none_or(|trended| trended.elapsed() >= TREND_STEP) {
            state.trended = Some(now());
            note(&mut state.trends, &queues, at);
        }
        let trends = state.trends.iter().map(|(name, points)| (name.clone(), points.iter().copied().collect()));
        Ok(Sample {
            number: state.latest.as_ref().map_or(0, |(_, sample)| sample.number) + 1,
            at,
            stats,
            queues: Arc::new(queues),
            processes: Arc::new(processes),
            running: Arc::new(running),
            slow,
            trends: Arc::new(trends.collect()),
            trends_since: *state.trends_since.get_or_insert(at),
        })
    }

    async fn slow(&self) -> Result<Arc<Slow>, BrokerError> {
        let before = self.state().slow.clone();
        if let Some((at, slow)) = &before
            && at.elapsed() < SLOW
        {
            return Ok(Arc::clone(slow));
        }
        let mut minutes = before.map_or_else(Vec::new, |(_, slow)| slow.minutes.clone());
        let now_at = self.inspector.now();
        let span = minutes.last().map_or(MINUTES, |(last, _)| (now_at.since(*last) + MINUTES_AGAIN).min(MINUTES));
        let (retries, all) = (Place::Set(JobSet::Retry), Filter::default());
        let (store, runs, deploys, errors) = tokio::try_join!(
            self.inspector.store_info(),
            self.inspector.runs(span),
            self.inspector.deploys(MINUTES),
            self.inspector.groups(&retries, &all, RETRIES),
        )?;
        if let Some((first, _)) = runs.steps.first() {
            minutes.retain(|(at, _)| at < first && now_at.since(*at) <= MINUTES);
        }
        minutes.extend(runs.steps);
        let (has_all_errors, errors) = (errors.is_complete, errors.groups);
        let slow = Arc::new(Slow { store, minutes, deploys, errors, has_all_errors });
        self.state().slow = Some((now(), Arc::clone(&slow)));
        Ok(slow)
    }

    /// Goes on noting the sizes of queues for an hour after the last look, so that whoever comes back sees how they went.
    pub(crate) fn keep_trends(app: &Arc<crate::app::App>) {
        let mut state = app.sampler.state();
        if state.has_keeper {
            return;
        }
        state.has_keeper = true;
        let app = Arc::downgrade(app);
        tokio::spawn(keep_trends(app));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is in it is whole at every moment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn keep_trends(app: Weak<crate::app::App>) {
    loop {
        tokio::time::sleep(TREND_STEP).await;
        let Some(app) = app.upgrade() else { return };
        let looked = app.sampler.state().looked;
        if looked.is_some_and(|looked| looked.elapsed() < TREND_AFTER) {
            // What fails is logged, and noted for the next look.
            let _ = app.sampler.not_older_than(TREND_STEP).await;
        } else {
            let mut state = app.sampler.state();
            state.trends.clear();
            state.trends_since = None;
            state.has_keeper = false;
            return;
        }
    }
}

fn note(trends: &mut BTreeMap<String, VecDeque<(Timestamp, usize)>>, queues: &[Queue], at: Timestamp) {
    trends.retain(|name, _| queues.iter().any(|queue| queue.name == *name));
    for queue in queues {
        let points = trends.entry(queue.name.clone()).or_default();
        points.push_back((at, queue.size));
        if points.len() > TREND_POINTS {
            points.pop_front();
        }
    }
}

fn now() -> Instant {
    Instant::now()
}
