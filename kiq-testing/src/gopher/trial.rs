//! One run of a job and all it leads to, disturbed in one way.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use kiq_runtime::app::App;
use kiq_runtime::awaits::{Stop, Watch};
use kiq_runtime::broker::UnitOfWork;
use kiq_runtime::client::enqueue;
use kiq_runtime::events::{Event, Next};
use kiq_runtime::job::{Jid, Perform};
use kiq_runtime::worker::{ByHand, WorkerBuilder};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::fake::Fake;
use crate::mode::Mode;

use super::difference::Disturbance;

/// Jobs that the job leads to, before the gopher takes them for endless.
const MOST_JOBS: usize = 1_000;

pub(super) struct Trial<'a, J> {
    args: &'a RawValue,
    how: Disturbance,
    own_only: bool,
    limit: Duration,
    job: PhantomData<fn(J)>,
}

/// How it went.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) stop: Option<Stop>,
    pub(super) places: usize,
    pub(super) has_blocked: bool,
    /// It is not run again, as its own rules say.
    pub(super) has_ended_early: bool,
}

/// It came to no good end.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) stop: Option<Stop>,
    pub(super) why: Why,
}

#[derive(Debug)]
pub(super) enum Why {
    /// A job failed for good, or could not be run.
    Fails(String),
    /// It still waited when its time was up.
    Hangs,
}

impl<'a, J: Perform> Trial<'a, J> {
    pub(super) fn new(args: &'a RawValue, how: Disturbance, own_only: bool, limit: Duration) -> Self {
        Trial { args, how, own_only, limit, job: PhantomData }
    }

    pub(super) async fn run(&self, app: &App, worker: &impl Fn() -> WorkerBuilder) -> Result<Gone, Failed> {
        let watch = match self.how {
            Disturbance::Crash(number) | Disturbance::Cancel(number) => Watch::stopping_at(number, self.own_only),
            Disturbance::None | Disturbance::Twice => Watch::counting(self.own_only),
        };
        let kiq = crate::fake().worker(worker()).app(app);
        let all = async {
            let has_ended_early = !self.disturb(&kiq, &|| worker().app(app), &watch).await?;
            let rest = kiq.drain_all().with_retries().limit(MOST_JOBS).await;
            rest.map(|_| has_ended_early).map_err(|error| error.to_string())
        };
        let ended = tokio::select! {
            biased;
            ended = all => ended.map_err(Why::Fails),
            () = real_time(self.limit) => Err(Why::Hangs),
        };
        let stop = watch.stopped();
        let has_ended_early = ended.map_err(|why| Failed { stop, why })?;
        Ok(Gone { stop, places: watch.passed().0, has_blocked: watch.has_blocked(), has_ended_early })
    }

    /// Runs the job itself. Answers whether it is done, or going to be.
    async fn disturb(&self, kiq: &Mode, worker: &impl Fn() -> WorkerBuilder, watch: &Watch) -> Result<bool, String> {
        let jid = Jid::random();
        let enqueue_it = async || {
            let job = J::from_args(self.args).map_err(|error| error.to_string())?;
            enqueue(job).jid(jid.clone()).await.map(drop).map_err(|error| error.to_string())
        };
        enqueue_it().await?;
        let process = worker().client(kiq.client()).by_hand().map_err(|error| error.to_string())?;
        let unit = take(kiq, &process).await?;
        let event = watched(&process, unit.clone(), watch).await;
        match (self.how, watch.stopped()) {
            (Disturbance::Crash(_), Some(_)) => {
                // Its process is gone, and its lease runs out.
                let lease = process.lease() + Duration::from_secs(1);
                drop(process);
                kiq.move_clock(lease).await;
                let finder = kiq.inner.worker().map_err(|error| error.to_string())?;
                finder.beat().await.and(finder.reclaim().await).map_err(|error| error.to_string())?;
                Ok(true)
            }
            (Disturbance::Cancel(_), Some(_)) => match process.time_out(unit).await {
                Some(Event::Failed { next: Next::Retry { .. }, .. }) => Ok(true),
                _ => Ok(false),
            },
            (how, _) => match event {
                Some(Event::Done { .. }) => {
                    if how == Disturbance::Twice {
                        enqueue_it().await?;
                    }
                    Ok(true)
                }
                Some(Event::Failed { next: Next::Retry { .. }, .. }) => Ok(true),
                Some(Event::Failed { error, .. }) => Err(format!("{}: {}", error.class, error.message)),
                other => Err(format!("it did not run: {other:?}")),
            },
        }
    }
}

async fn take(kiq: &Fake, process: &ByHand) -> Result<UnitOfWork, String> {
    process.beat().await.map_err(|error| error.to_string())?;
    let unit = kiq.store().take_first(process.identity(), |_, _| true).map_err(|error| error.to_string())?;
    unit.ok_or_else(|| "it was not enqueued".to_owned())
}

/// Ends when so much time has really passed. Tokio's own may be paused, and then jumps as soon as all wait.
async fn real_time(limit: Duration) {
    let (still_wanted, wanted) = mpsc::channel::<()>();
    let (tell, told) = oneshot::channel();
    // Ends, too, when this future is dropped, and with it `still_wanted`.
    thread::spawn(move || {
        if wanted.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            let _ = tell.send(());
        }
    });
    if told.await.is_err() {
        std::future::pending::<()>().await;
    }
    drop(still_wanted);
}

/// Runs it until it ends or is stopped; then its future is dropped here.
async fn watched(process: &ByHand, unit: UnitOfWork, watch: &Watch) -> Option<Event> {
    let mut run = pin!(process.perform(unit));
    let watched = poll_fn(|cx| match watch.poll(run.as_mut(), cx) {
        Poll::Ready(event) => Poll::Ready(event),
        Poll::Pending if watch.stopped().is_some() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    watched.await
}
