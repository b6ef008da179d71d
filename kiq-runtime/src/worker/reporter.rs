//! Tells the application's handlers of failures, beside the jobs: each handler at its own pace, within its time limit.
//!
//! Each has a lane of its own, so that one that fails, panics or is slow holds up neither the others nor the jobs. A lane has
//! room for [`ROOM`] reports. Beyond that an error that is not told is counted and logged; a death waits for room, since it is
//! always told: a processor then waits with it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinSet;

use crate::job::current;
use crate::reports::{Handler, Handlers, Report};

use super::perform::{guarded, within};

/// Reports that may wait for one handler.
const ROOM: usize = 1000;

/// Reports that one handler is told of at the same time.
const AT_ONCE: usize = 16;

/// How much longer than a handler's time limit a stopping worker waits for the last reports.
const LAST_REPORTS: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Reporter {
    handlers: Handlers,
    /// `None` while no lane runs: before the start, and in a worker driven by hand, where handlers are told in place.
    lanes: Mutex<Option<Lanes>>,
    untold: AtomicU64,
}

#[derive(Clone, Debug)]
struct Lanes {
    on_error: Vec<mpsc::Sender<Report>>,
    on_death: Vec<mpsc::Sender<Report>>,
}

impl Reporter {
    pub(super) fn new(handlers: Handlers) -> Self {
        Reporter { handlers, lanes: Mutex::new(None), untold: AtomicU64::new(0) }
    }

    fn lanes(&self) -> MutexGuard<'_, Option<Lanes>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody is told of anything.
    pub(super) fn is_idle(&self) -> bool {
        self.handlers.on_error.is_empty() && self.handlers.on_death.is_empty()
    }

    /// Starts the lanes.
    pub(super) fn start(&self) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let mut lane = |handler: &Handler| {
            let (sender, receiver) = mpsc::channel(ROOM);
            tasks.spawn(run(handler.clone(), receiver, self.handlers.timeout));
            sender
        };
        let on_error = self.handlers.on_error.iter().map(&mut lane).collect();
        let on_death = self.handlers.on_death.iter().map(&mut lane).collect();
        *self.lanes() = Some(Lanes { on_error, on_death });
        tasks
    }

    /// Tells of a failure. Returns at once, unless the lane of a death is full.
    pub(super) async fn tell(&self, report: Report) {
        let is_news = report.is_news(self.handlers.with_transient);
        let is_death = report.death().is_some();
        if self.is_idle() || !(is_news || is_death) {
            return;
        }
        let Some(lanes) = self.lanes().clone() else { return self.tell_here(report, is_news, is_death).await };
        if is_news {
            for lane in &lanes.on_error {
                if let Err(TrySendError::Full(_)) = lane.try_send(report.clone()) {
                    // Powers of two: a line at the first, and few more however many there are.
                    let untold = self.untold.fetch_add(1, Ordering::Relaxed) + 1;
                    if untold.is_power_of_two() {
                        tracing::error!(untold, "`on_error` does not keep up; that many errors were not told to it");
                    }
                }
            }
        }
        if is_death {
            // Those with room first: one that does not keep up holds up no other.
            let is_full =
                |lane: &&mpsc::Sender<Report>| matches!(lane.try_send(report.clone()), Err(TrySendError::Full(_)));
            let full: Vec<_> = lanes.on_death.iter().filter(is_full).collect();
            for lane in full {
                // Fails when the lane is gone: the worker is, too.
                let _ = lane.send(report.clone()).await;
            }
        }
    }

    /// Tells one handler after the other.
    async fn tell_here(&self, report: Report, is_news: bool, is_death: bool) {
        let of_errors = self.handlers.on_error.iter().filter(|_| is_news);
        let of_deaths = self.handlers.on_death.iter().filter(|_| is_death);
        for handler in of_errors.chain(of_deaths) {
            tell(handler, report.clone(), self.handlers.timeout).await;
        }
    }

    /// Waits until all is told, as long as a handler may take.
    pub(super) async fn finish(&self, mut tasks: JoinSet<()>) {
        // Dropping the senders ends the lanes.
        *self.lanes() = None;
        let told = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.handlers.timeout + LAST_REPORTS, told).await.is_err() {
            tracing::error!("handlers have not taken all reports in time; those left are only in the log");
        }
    }
}

/// One lane, until its senders are gone and all is told.
async fn run(handler: Handler, mut reports: mpsc::Receiver<Report>, timeout: Duration) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut told = JoinSet::new();
    while let Some(report) = reports.recv().await {
        // Never closed, so this cannot fail.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let handler = handler.clone();
        told.spawn(async move {
            tell(&handler, report, timeout).await;
            drop(permit);
        });
        while told.try_join_next().is_some() {}
    }
    while told.join_next().await.is_some() {}
}

/// Tells one handler, whatever it does.
async fn tell(handler: &Handler, report: Report, timeout: Duration) {
    let job = report.job().clone();
    let run = within(Some(timeout), guarded(|| handler.tell(report)));
    if let Err(failure) = current::with_carried(job.payload(), run).await {
        let (error, name) = (failure.message(), handler.name);
        tracing::error!(handler = name, class = job.class(), jid = %job.jid(), error, "a handler was told of a failure and failed itself");
    }
}
