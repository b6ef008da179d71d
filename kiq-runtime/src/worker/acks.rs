//! Tells the store of jobs that succeeded, many at a time: what ends while one telling is under way goes into the next.
//!
//! A group commit, as databases have it. Its price is counted: a process that dies may have performed jobs that the store
//! does not know of, and those run again. Their number is bounded by `max_unacked` (and the jobs that were running): a
//! processor that would go beyond it waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::broker::{Settled, UnitOfWork};
use crate::clock::instant;
use crate::events::Event;
use crate::job::JobContext;
use crate::meters::{End, Run};

use super::Shared;
use super::pauses::Pauses;
use super::suspect::Alone;

/// Jobs in one telling: the script's arguments are bounded by it.
const MOST: usize = 1000;

/// How long a few jobs wait for company, when nobody waits for them and others were told so shortly before. (tokio's timer goes by
/// the millisecond.)
const LINGER: Duration = Duration::from_millis(1);

/// The most jobs that a processor runs without letting others have their turn.
const LONGEST_TURN: usize = 64;

/// A job that succeeded.
#[derive(Debug)]
pub(super) struct Success {
    pub(super) unit: UnitOfWork,
    pub(super) job: JobContext,
    pub(super) elapsed: Duration,
    /// What keeps other suspects waiting, until the store knows of this one's end.
    pub(super) alone: Option<Alone>,
}

/// Jobs that succeeded and that the store does not know of yet.
#[derive(Debug)]
pub(super) struct Acks {
    /// How many there may be before a processor waits.
    max_unacked: u64,
    inside: Mutex<Inside>,
    added: Notify,
    /// There is enough for a telling of its own.
    many: Notify,
    /// How many were told, of all ever added.
    told: watch::Sender<u64>,
    told_so_far: AtomicU64,
}

#[derive(Debug, Default)]
struct Inside {
    waiting: Vec<Success>,
    added: u64,
    is_closed: bool,
}

impl Acks {
    pub(super) fn new(max_unacked: usize) -> Self {
        Acks {
            max_unacked: max_unacked as u64,
            inside: Mutex::default(),
            added: Notify::new(),
            many: Notify::new(),
            told: watch::channel(0).0,
            told_so_far: AtomicU64::new(0),
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job, and answers its number.
    pub(super) fn add(&self, success: Success) -> u64 {
        let (number, waiting) = {
            let mut inside = self.inside();
            inside.waiting.push(success);
            inside.added += 1;
            (inside.added, inside.waiting.len())
        };
        if waiting == 1 {
            self.added.notify_one();
        }
        if waiting >= self.enough() {
            self.many.notify_one();
        }
        number
    }

    /// So many are told without waiting for more.
    fn enough(&self) -> usize {
        usize::try_from(self.max_unacked / 2).unwrap_or(MOST).clamp(1, MOST / 2)
    }

    /// How many quick jobs in a row one of so many processors may run: so few that all of them together fill half a telling
    /// before each has had its turn, and a telling is under way while the next fills.
    pub(super) fn turn(&self, processors: usize) -> usize {
        (self.enough() / 2 / processors.max(1)).clamp(1, LONGEST_TURN)
    }

    /// Returns when no more than `max_unacked` jobs up to that number are untold: at once, as a rule.
    pub(super) async fn room_after(&self, number: u64) {
        let enough = number.saturating_sub(self.max_unacked);
        if self.told_so_far.load(Ordering::Acquire) >= enough {
            return;
        }
        // The sender lives as long as `self`, so this cannot fail.
        let _ = self.told.subscribe().wait_for(|told| *told >= enough).await;
    }

    /// How many are untold.
    pub(super) fn untold(&self) -> u64 {
        self.inside().added.saturating_sub(self.told_so_far.load(Ordering::Acquire))
    }

    /// Nothing will be added any more: [`run`](Acks::run) ends when all is told.
    pub(super) fn close(&self) {
        self.inside().is_closed = true;
        self.added.notify_one();
        self.many.notify_one();
    }

    /// Tells until it is closed and all is told.
    pub(super) async fn run(&self, shared: &Shared) {
        let mut last = None;
        loop {
            let Some(waiting) = self.some(last).await else { return };
            self.tell(shared, waiting).await;
            last = Some(instant());
        }
    }

    /// Tells of all that wait, at once: for a worker without this duty.
    pub(super) async fn flush(&self, shared: &Shared) {
        let waiting = std::mem::take(&mut self.inside().waiting);
        if !waiting.is_empty() {
            self.tell(shared, waiting).await;
        }
    }

    async fn tell(&self, shared: &Shared, waiting: Vec<Success>) {
        let count = waiting.len();
        let (units, rest): (Vec<UnitOfWork>, Vec<_>) =
            waiting.into_iter().map(|success| (success.unit, (success.job, success.elapsed, success.alone))).unzip();
        let settled = ack_for_sure(shared, &units).await;
        shared.tally.succeeded(rest.iter().map(|(job, elapsed, _)| (job.class(), *elapsed)));
        self.told_so_far.fetch_add(count as u64, Ordering::Release);
        self.told.send_modify(|told| *told += count as u64);
        for ((job, elapsed, _alone), settled) in rest.into_iter().zip(settled) {
            let end = if settled == Settled::Stale { End::Stale } else { End::Done };
            shared.meters.each(|meter| meter.run(&Run::new(job.class(), job.queue(), end, elapsed)));
            if settled == Settled::Stale {
                tracing::warn!(
                    class = job.class(),
                    jid = %job.jid(),
                    "done, but this process's lease had run out: the job may run again elsewhere"
                );
                shared.controls.reruns.lease_lost();
                shared.events.tell(|| Event::Stale { job, elapsed });
            } else {
                shared.events.tell(|| Event::Done { job, elapsed });
            }
        }
    }

    /// The next jobs to tell, when the `last` were told at that time; `None` when there will be none.
    async fn some(&self, last: Option<Instant>) -> Option<Vec<Success>> {
        loop {
            let (waiting, is_closed) = {
                let inside = self.inside();
                (inside.waiting.len(), inside.is_closed)
            };
            if waiting == 0 {
                if is_closed {
                    return None;
                }
                self.added.notified().await;
                continue;
            }
            // One that comes alone has no company to wait for, and the next job is not to meet its telling.
            let is_alone = last.is_none_or(|last| last.elapsed() > LINGER);
            if waiting < self.enough() && !is_closed && !is_alone {
                // Running out of time is as good as company.
                let _ = tokio::time::timeout(LINGER, self.many.notified()).await;
            }
            let mut inside = self.inside();
            let count = inside.waiting.len().min(MOST);
            let rest = inside.waiting.split_off(count);
            return Some(std::mem::replace(&mut inside.waiting, rest));
        }
    }
}

/// Repeats the step until the store has answered.
async fn ack_for_sure(shared: &Shared, units: &[UnitOfWork]) -> Vec<Settled> {
    let mut pauses = Pauses::new();
    let mut is_repeated = false;
    loop {
        match shared.consumer.ack(units).await {
            Ok(settled) => return settled,
            Err(error) if !is_repeated => {
                let jobs = units.len();
                tracing::error!(%error, jobs, "the end of jobs cannot be recorded; trying again until it works");
            }
            Err(_) => {}
        }
        is_repeated = true;
        pauses.wait().await;
    }
}
