//! The reading side.

use std::collections::VecDeque;
use std::future::ready;
use std::ops::Bound;
use std::time::Duration;

use crate::broker::browse::{
    Browse, Day, Entry, JobSet, Place, ProcessState, QueueState, Running, ScanFrom, Scanned, Span, Stats, StoreInfo,
};
use crate::broker::metrics::{Deploy, Durations, Step, StepRuns};
use crate::broker::presence::{Beat, Identity};
use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::{MemoryBroker, TimedSet};

/// What is known is known at once.
fn answer<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, BrokerError>> {
    Box::pin(ready(Ok(value)))
}

impl Browse for MemoryBroker {
    fn stats(&self) -> BoxFuture<'_, Result<Stats, BrokerError>> {
        let store = self.shared.store();
        let now = self.shared.clock.now();
        let batches = store.owners.values().flat_map(|owner| owner.batches.values());
        answer(Stats {
            processed: store.processed,
            failed: store.failed,
            enqueued: store.queues.values().map(VecDeque::len).sum(),
            in_flight: batches.map(|batch| batch.units.iter().flatten().count()).sum(),
            scheduled: store.scheduled.entries.len(),
            retries: store.retries.entries.len(),
            dead: store.dead.entries.len(),
            processes: store.owners.values().filter(|owner| owner.lives(now)).count(),
        })
    }

    fn history(&self, days: usize) -> BoxFuture<'_, Result<Vec<Day>, BrokerError>> {
        let store = self.shared.store();
        let mut at = self.shared.clock.now();
        let mut history = Vec::new();
        for _ in 0..days {
            let date = at.utc_date();
            let (processed, failed) = store.days.get(&date).copied().unwrap_or_default();
            history.push(Day { date, processed, failed });
            at = at - Duration::from_secs(86_400);
        }
        answer(history)
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueState>, BrokerError>> {
        let store = self.shared.store();
        let states = store.queues.iter().map(|(name, jobs)| QueueState {
            name: name.clone(),
            size: jobs.len(),
            is_paused: store.paused.contains(name),
            next: jobs.back().map(|job| job.payload.to_vec()),
        });
        answer(states.collect())
    }

    fn queue_page<'a>(
        &'a self,
        queue: &'a str,
        skip: usize,
        take: usize,
    ) -> BoxFuture<'a, Result<Vec<Vec<u8>>, BrokerError>> {
        let store = self.shared.store();
        let jobs = store.queues.get(queue).into_iter().flat_map(|jobs| jobs.iter().rev());
        answer(jobs.skip(skip).take(take).map(|job| job.payload.to_vec()).collect())
    }

    fn set_page(&self, set: JobSet, skip: usize, take: usize) -> BoxFuture<'_, Result<Vec<Entry>, BrokerError>> {
        let span = Span { from: None, to: None, newest_first: false, skip, take };
        answer(self.shared.store().set_mut(set).span(span))
    }

    fn set_span(&self, set: JobSet, span: Span) -> BoxFuture<'_, Result<Vec<Entry>, BrokerError>> {
        answer(self.shared.store().set_mut(set).span(span))
    }

    /// All at once, as Redis does with a small set: what is in memory costs no round trip.
    fn scan<'a>(
        &'a self,
        place: &'a Place,
        _from: ScanFrom,
        _containing: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Scanned, BrokerError>> {
        let mut store = self.shared.store();
        let entries: Vec<_> = match place {
            Place::Queue(name) => {
                store.queues.get(name).into_iter().flatten().map(|job| (None, job.payload.to_vec())).collect()
            }
            Place::Set(set) => {
                store.set_mut(*set).entries.iter().map(|((at, _), payload)| (Some(*at), payload.to_vec())).collect()
            }
        };
        answer(Scanned { read: entries.len(), entries, next: None })
    }

    fn processes(&self) -> BoxFuture<'_, Result<Vec<ProcessState>, BrokerError>> {
        let store = self.shared.store();
        let now = self.shared.clock.now();
        let living = store.owners.iter().filter(|(_, owner)| owner.lives(now));
        let mut states: Vec<_> =
            living.filter_map(|(identity, owner)| Some(describe(identity, owner.beat.as_ref()?))).collect();
        states.sort_by(|a, b| a.identity.cmp(&b.identity));
        answer(states)
    }

    fn running(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Running>, BrokerError>> {
        let store = self.shared.store();
        let now = self.shared.clock.now();
        let living = store.owners.iter().filter(|(_, owner)| owner.lives(now));
        let runs = living.flat_map(|(identity, owner)| {
            owner.beat.iter().flat_map(|beat| &beat.work).map(|work| Running {
                process: identity.to_string(),
                tid: work.tid.clone(),
                queue: work.queue.to_string(),
                run_at: work.run_at,
                payload: work.payload.to_vec(),
            })
        });
        answer(runs.take(limit).collect())
    }

    fn runs(&self, from: Timestamp, to: Timestamp, step: Step) -> BoxFuture<'_, Result<Vec<StepRuns>, BrokerError>> {
        answer(self.shared.store().minutes.runs(from, to, step))
    }

    fn durations<'a>(
        &'a self,
        minutes: &'a [(&'a str, Timestamp)],
    ) -> BoxFuture<'a, Result<Vec<Durations>, BrokerError>> {
        let store = self.shared.store();
        answer(minutes.iter().map(|(class, at)| store.minutes.durations(class, *at)).collect())
    }

    fn deploys(&self, from: Timestamp, to: Timestamp) -> BoxFuture<'_, Result<Vec<Deploy>, BrokerError>> {
        let store = self.shared.store();
        answer(store.deploys.iter().filter(|deploy| (from..=to).contains(&deploy.at)).cloned().collect())
    }

    fn known_jobs(&self) -> BoxFuture<'_, Result<Vec<(String, Timestamp)>, BrokerError>> {
        let known = &self.shared.store().known;
        answer(known.iter().map(|(class, at)| (class.clone(), *at)).collect())
    }

    fn store_info(&self) -> BoxFuture<'_, Result<StoreInfo, BrokerError>> {
        answer(StoreInfo::default())
    }
}

impl TimedSet {
    fn span(&self, span: Span) -> Vec<Entry> {
        let from = span.from.map_or(Bound::Unbounded, |at| Bound::Included((at, 0)));
        let to = span.to.map_or(Bound::Unbounded, |at| Bound::Included((at, u64::MAX)));
        if matches!((span.from, span.to), (Some(from), Some(to)) if from > to) {
            return Vec::new();
        }
        let entry = |((at, _), payload): (&(Timestamp, u64), &std::sync::Arc<[u8]>)| Entry {
            at: *at,
            payload: payload.to_vec(),
        };
        let range = self.entries.range((from, to));
        match span.newest_first {
            true => range.rev().skip(span.skip).take(span.take).map(entry).collect(),
            false => range.skip(span.skip).take(span.take).map(entry).collect(),
        }
    }
}

fn describe(identity: &Identity, beat: &Beat) -> ProcessState {
    ProcessState {
        identity: identity.to_string(),
        hostname: identity.hostname().to_owned(),
        pid: std::process::id(),
        tag: beat.info.tag.clone(),
        version: concat!("kiq ", env!("CARGO_PKG_VERSION")).to_owned(),
        started_at: beat.info.started_at,
        concurrency: beat.info.capsules.iter().map(|capsule| capsule.concurrency).sum(),
        capsules: beat.info.capsules.clone(),
        busy: beat.work.len(),
        beat_at: beat.at,
        is_quiet: beat.quiet,
        is_embedded: beat.info.embedded,
        rss_kib: beat.rss_kib,
        round_trip: Duration::ZERO,
    }
}
