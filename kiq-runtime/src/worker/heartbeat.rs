//! Says that we live and what we do, hears quiet and stop; and the thread on which this and the other duties run.
//!
//! They have a thread and a runtime of their own, so that jobs which block the program's runtime cost neither the lease nor
//! the promotion of due jobs.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

use crate::broker::{Beat, Heard};

use super::{Phase, Shared, fitness, gauges, knowledge, poller, reclaimer, tally, ticker, watchdog};

/// The background duties at work.
#[derive(Debug)]
pub(super) struct Duties {
    stop: watch::Sender<bool>,
    ended: tokio::sync::oneshot::Receiver<()>,
    have_ended: bool,
}

impl Duties {
    /// Returns when their thread has ended without being told: without it the lease runs out, so the worker must stop.
    pub(super) async fn failed(&mut self) {
        // The other end is dropped with the thread, however it ends.
        let _ = (&mut self.ended).await;
        self.have_ended = true;
    }

    /// Tells them to stop, and waits for the step each has begun.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        if !self.have_ended {
            let _ = self.ended.await;
        }
    }
}

pub(super) fn start_duties(shared: &Arc<Shared>) -> std::io::Result<Duties> {
    let (stop, stopped) = watch::channel(false);
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let shared = Arc::clone(shared);
    thread::Builder::new().name("kiq-heartbeat".to_owned()).spawn(move || {
        runtime.block_on(async {
            let (mut was_well, mut known, mut told) = (true, None, watchdog::Told::default());
            tokio::join!(
                ticker::tick_or(stopped.clone(), &shared.beat_soon, async || beat(&shared, &mut was_well).await),
                ticker::tick(stopped.clone(), async || reclaimer::reclaim(&shared).await),
                ticker::tick(stopped.clone(), async || fitness::look(&shared, &mut known).await),
                ticker::tick(stopped.clone(), async || knowledge::tell(&shared).await),
                ticker::tick(stopped.clone(), async || gauges::look(&shared).await),
                ticker::tick(stopped.clone(), async || watchdog::look(&shared, &mut told)),
                poll_while_running(&shared, stopped.clone()),
                dump_when_asked(&shared, stopped.clone()),
            );
        });
        drop(end);
    })?;
    Ok(Duties { stop, ended, have_ended: false })
}

/// A quiet worker promotes nothing, as in Sidekiq: what it would move is for those that still run.
async fn poll_while_running(shared: &Shared, stopped: watch::Receiver<bool>) {
    tokio::select! {
        () = ticker::tick(stopped, async || poller::poll(shared).await) => {}
        () = shared.controls.reached(Phase::Quiet) => {}
    }
}

/// One heartbeat, and how long until the next.
async fn beat(shared: &Shared, was_well: &mut bool) -> Duration {
    let every = shared.tuning.lease / 3;
    let words = words(shared);
    gauges::tell_process(shared, words.work.len(), words.rss_kib);
    match shared.consumer.beat(&words).await {
        Ok(Heard { signal, paused }) => {
            // Before the beat is counted: who waits for the first one then knows what is paused.
            shared.paused.send_if_modified(|known| {
                let is_new = *known != paused;
                *known = paused;
                is_new
            });
            shared.beats.send_modify(|count| *count += 1);
            shared.controls.vitals.beat(shared.tuning.lease);
            *was_well = true;
            tally::tell(shared).await;
            if let Some(signal) = signal {
                tracing::info!(?signal, "told through the store");
                // A worker inside another program does not stop it (Sidekiq refuses for embedded processes, too).
                if !shared.info.embedded {
                    shared.controls.obey(signal);
                }
            }
            every
        }
        Err(error) => {
            if std::mem::replace(was_well, false) {
                tracing::error!(%error, "no heartbeat; unless it returns in time, other processes take over these jobs");
            }
            // There is still most of the lease left: use it.
            every / 4
        }
    }
}

/// What a heartbeat says now.
pub(super) fn words(shared: &Shared) -> Beat {
    Beat {
        info: Arc::clone(&shared.info),
        work: shared.work.list(),
        quiet: !shared.controls.is_running(),
        lease: shared.tuning.lease,
        rss_kib: resident_memory_kib(),
        at: shared.clock.now(),
    }
}

async fn dump_when_asked(shared: &Shared, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = shared.controls.dumps.notified() => dump(shared),
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}

fn dump(shared: &Shared) {
    let now = shared.clock.now();
    let work = shared.work.list();
    tracing::warn!(busy = work.len(), "what every processor is doing:");
    for run in work {
        let job = crate::job::Payload::parse(&run.payload);
        let (class, jid) = job.as_ref().map_or(("not a job", ""), |job| (job.class(), job.jid().as_str()));
        let since = now.since(run.run_at).as_secs_f64();
        tracing::warn!(processor = run.tid, class, jid, queue = &*run.queue, since);
    }
}

/// From Linux's `/proc`; 0 where there is none.
fn resident_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
