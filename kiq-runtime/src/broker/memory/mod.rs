//! All jobs in one process's memory: for a first try, for tests, for programs that can lose their jobs with themselves.

mod browse;
mod logbook;
mod manage;
mod metrics;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Clock, Timestamp};
use crate::error::BrokerError;
use crate::job::options::{DEFAULT_QUEUE, queue_name_fault};
use crate::job::recovered::as_suspect;
use crate::job::{BoxFuture, Payload};

use self::logbook::Book;
use self::metrics::Minutes;
use super::browse::JobSet;
use super::metrics::{ClassRuns, Deploy};
use super::presence::{Beat, Heard, Identity, Presence, Signal};
use super::{
    Arrival, Broker, Consumer, DeadLimits, Guard, NewJob, Promotion, PushError, Pushed, Reclaimed, Settled, Settlement,
    Slot, UnitOfWork, Waiter,
};

/// The embedded broker: the same promises as Redis, for as long as the process lives.
///
/// Clones share one store.
///
/// # Examples
/// ```
/// use kiq::{Client, Clock, MemoryBroker};
/// use std::sync::Arc;
///
/// let broker = MemoryBroker::new(Clock::system());
/// let client = Client::new(Arc::new(broker));
/// # let _ = client;
/// ```
#[derive(Clone)]
pub struct MemoryBroker {
    shared: Arc<Shared>,
}

struct Shared {
    store: Mutex<Store>,
    arrived: Notify,
    clock: Clock,
}

#[derive(Default)]
struct Store {
    /// The back runs next, as the tail of Sidekiq's lists.
    queues: BTreeMap<String, VecDeque<Queued>>,
    /// How often a job came into a queue.
    arrivals: u64,
    scheduled: TimedSet,
    retries: TimedSet,
    dead: TimedSet,
    dead_limits: DeadLimits,
    owners: HashMap<Identity, Owner>,
    /// Guards by their key: the id of the job they stand for, and until when.
    guards: HashMap<String, (String, Timestamp)>,
    /// So many guards there may be before the old ones are looked for.
    guards_to_sweep: usize,
    processed: u64,
    failed: u64,
    /// The same of each UTC day.
    days: BTreeMap<String, (u64, u64)>,
    batches: u64,
    /// Queues that workers leave alone.
    paused: BTreeSet<String>,
    minutes: Minutes,
    deploys: Vec<Deploy>,
    /// Classes that programs know, and when one last said so.
    known: BTreeMap<String, Timestamp>,
    logbook: Book,
}

/// A job in a queue, or taken from one.
#[derive(Clone)]
struct Queued {
    /// Which of all arrivals in all queues this was.
    arrival: u64,
    payload: Arc<[u8]>,
}

#[derive(Default)]
struct Owner {
    lease_until: Option<Timestamp>,
    /// Its last heartbeat.
    beat: Option<Beat>,
    signals: VecDeque<Signal>,
    batches: HashMap<Arc<str>, Batch>,
}

struct Batch {
    queue: Arc<str>,
    /// `None` is settled.
    units: Vec<Option<Queued>>,
}

/// Entries by time; those of one instant in the order they came.
#[derive(Default)]
struct TimedSet {
    entries: BTreeMap<(Timestamp, u64), Arc<[u8]>>,
    added: u64,
}

impl TimedSet {
    fn add(&mut self, at: Timestamp, payload: Arc<[u8]>) {
        self.added += 1;
        self.entries.insert((at, self.added), payload);
    }

    fn first_at(&self) -> Option<Timestamp> {
        self.entries.first_key_value().map(|((at, _), _)| *at)
    }

    fn pop_due(&mut self, now: Timestamp) -> Option<Arc<[u8]>> {
        match self.entries.first_entry() {
            Some(entry) if entry.key().0 <= now => Some(entry.remove()),
            _ => None,
        }
    }
}

impl MemoryBroker {
    /// An empty store that goes by `clock`.
    pub fn new(clock: Clock) -> Self {
        MemoryBroker { shared: Arc::new(Shared { store: Mutex::default(), arrived: Notify::new(), clock }) }
    }

    /// Takes the job that has waited longest, in whatever queue, of those that `wanted` (queue, bytes) answers true for: a
    /// fetch as a test makes it. `owner` is the process that owns it from now on.
    ///
    /// # Errors
    /// [`BrokerError::LeaseLost`] when `owner` is not alive by the clock.
    pub fn take_first(
        &self,
        owner: &Identity,
        wanted: impl Fn(&str, &[u8]) -> bool,
    ) -> Result<Option<UnitOfWork>, BrokerError> {
        let now = self.shared.clock.now();
        let store = &mut *self.shared.store();
        let owner = store.owners.get_mut(owner).filter(|owner| owner.lives(now)).ok_or(BrokerError::LeaseLost)?;
        let oldest_of = |(queue, jobs): (&String, &VecDeque<Queued>)| {
            let at = jobs.iter().rposition(|job| wanted(queue, &job.payload))?;
            Some((jobs.get(at)?.arrival, queue.clone(), at))
        };
        let Some((_, queue, at)) = store.queues.iter().filter_map(oldest_of).min() else { return Ok(None) };
        let job = store.queues.get_mut(&queue).and_then(|jobs| jobs.remove(at));
        store.batches += 1;
        Ok(owner.hand_out(store.batches, &queue, job.into_iter()).pop())
    }

    /// All jobs in queues, with their queue, in the order they came.
    pub fn queued(&self) -> Vec<(String, Vec<u8>)> {
        let store = self.shared.store();
        let each = store.queues.iter().flat_map(|(queue, jobs)| jobs.iter().map(move |job| (job.arrival, queue, job)));
        let mut all: Vec<_> = each.collect();
        all.sort_by_key(|(arrival, ..)| *arrival);
        all.into_iter().map(|(_, queue, job)| (queue.clone(), job.payload.to_vec())).collect()
    }

    /// When the first process that holds jobs is gone by the clock, unless it renews its lease before.
    pub fn next_lapse(&self) -> Option<Timestamp> {
        let store = self.shared.store();
        store.owners.values().filter(|owner| !owner.batches.is_empty()).filter_map(|owner| owner.lease_until).min()
    }

    /// Removes all jobs whose bytes `unwanted` answers true for, from queues, schedule, retries and the dead; not what
    /// processes hold. They may then be enqueued again, whatever guards they had. Answers how many.
    pub fn remove_all(&self, unwanted: impl Fn(&[u8]) -> bool) -> usize {
        let store = &mut *self.shared.store();
        let mut removed = Vec::new();
        let mut stays = |payload: &Arc<[u8]>| {
            let stays = !unwanted(payload);
            if !stays {
                removed.push(Arc::clone(payload));
            }
            stays
        };
        store.queues.values_mut().for_each(|jobs| jobs.retain(|job| stays(&job.payload)));
        for set in [JobSet::Scheduled, JobSet::Retry, JobSet::Dead] {
            store.set_mut(set).entries.retain(|_, payload| stays(payload));
        }
        let jids: HashSet<String> =
            removed.iter().filter_map(|bytes| Some(Payload::parse(bytes).ok()?.jid().to_string())).collect();
        store.guards.retain(|_, (jid, _)| !jids.contains(jid));
        removed.len()
    }
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        // No code panics while it holds the lock, so a poisoned store is still whole.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, jobs: &[NewJob]) -> Vec<Pushed> {
        let now = self.clock.now();
        let mut store = self.store();
        let mut outcomes = Vec::with_capacity(jobs.len());
        for job in jobs {
            if let Some(jid) = job.guard.as_ref().and_then(|guard| store.guarded(guard, now)) {
                outcomes.push(Pushed::Already { jid });
                continue;
            }
            let payload: Arc<[u8]> = job.payload.as_bytes().into();
            match job.at {
                Some(at) => store.scheduled.add(at, payload),
                None => store.enqueue(&job.queue, payload),
            }
            outcomes.push(Pushed::New);
        }
        drop(store);
        self.arrived.notify_waiters();
        outcomes
    }

    fn promote(&self, limit: usize) -> Promotion {
        let now = self.clock.now();
        let mut store = self.store();
        let mut promotion = Promotion::default();
        for set in [JobSet::Retry, JobSet::Scheduled] {
            for _ in 0..limit {
                let Some(bytes) = store.set_mut(set).pop_due(now) else { break };
                match Payload::parse(&bytes) {
                    Ok(mut job) => {
                        job.remove("at");
                        job.set_time("enqueued_at", now);
                        let queue = job.queue().filter(|queue| queue_name_fault(queue).is_none());
                        let queue = queue.unwrap_or_else(|| DEFAULT_QUEUE.to_owned());
                        store.enqueue(&queue, job.to_string().into_bytes().into());
                        promotion.moved += 1;
                    }
                    Err(_) => {
                        store.bury(now, bytes, now);
                        promotion.buried += 1;
                    }
                }
            }
        }
        let next = [store.retries.first_at(), store.scheduled.first_at()].into_iter().flatten().min();
        promotion.next_in = next.map(|at| at.since(now));
        drop(store);
        self.arrived.notify_waiters();
        promotion
    }
}

impl Store {
    /// The id of the job that a guard stands for, if it is there; it is set if not.
    fn guarded(&mut self, guard: &Guard, now: Timestamp) -> Option<String> {
        if let Some((jid, until)) = self.guards.get(&guard.key)
            && *until > now
        {
            return Some(jid.clone());
        }
        if self.guards.len() >= self.guards_to_sweep {
            self.guards.retain(|_, (_, until)| *until > now);
            self.guards_to_sweep = self.guards.len() * 2 + 64;
        }
        self.guards.insert(guard.key.clone(), (guard.jid.clone(), now + guard.ttl));
        None
    }

    fn enqueue(&mut self, queue: &str, payload: Arc<[u8]>) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        self.queue_mut(queue).push_front(Queued { arrival, payload });
    }

    /// Where it is taken next.
    fn enqueue_next(&mut self, queue: &str, payload: Arc<[u8]>) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        self.queue_mut(queue).push_back(Queued { arrival, payload });
    }

    fn queue_mut(&mut self, queue: &str) -> &mut VecDeque<Queued> {
        // Not `entry`: that would copy the name each time.
        if !self.queues.contains_key(queue) {
            self.queues.insert(queue.to_owned(), VecDeque::new());
        }
        self.queues.entry(queue.to_owned()).or_default()
    }

    fn set_mut(&mut self, set: JobSet) -> &mut TimedSet {
        match set {
            JobSet::Scheduled => &mut self.scheduled,
            JobSet::Retry => &mut self.retries,
            JobSet::Dead => &mut self.dead,
        }
    }

    /// Adds to the dead, and trims them by age and number.
    fn bury(&mut self, at: Timestamp, payload: Arc<[u8]>, now: Timestamp) -> usize {
        self.dead.add(at, payload);
        let before = self.dead.entries.len();
        self.dead.entries.retain(|(at, _), _| *at > now - self.dead_limits.max_age());
        while self.dead.entries.len() > self.dead_limits.max_jobs() {
            self.dead.entries.pop_first();
        }
        before - self.dead.entries.len()
    }

    /// Puts unsettled jobs of a batch back, the oldest to run first. Answers how many.
    fn put_back(&mut self, batch: Batch) -> usize {
        let queue = self.queue_mut(&batch.queue);
        let before = queue.len();
        queue.extend(batch.units.into_iter().rev().flatten());
        queue.len() - before
    }
}

impl fmt::Debug for MemoryBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryBroker")
    }
}

impl Broker for MemoryBroker {
    fn push<'a>(&'a self, jobs: &'a [NewJob]) -> BoxFuture<'a, Vec<Result<Pushed, PushError>>> {
        Box::pin(async move { self.shared.push(jobs).into_iter().map(Ok).collect() })
    }

    fn promote(&self, limit: usize) -> BoxFuture<'_, Result<Promotion, BrokerError>> {
        Box::pin(async move { Ok(self.shared.promote(limit)) })
    }

    fn attach(&self, identity: Identity) -> Arc<dyn Consumer> {
        Arc::new(MemoryConsumer { identity, shared: Arc::clone(&self.shared) })
    }

    fn limit_dead(&self, limits: DeadLimits) {
        self.shared.store().dead_limits = limits;
    }

    fn check(&self) -> BoxFuture<'_, Result<Vec<String>, BrokerError>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}

impl Owner {
    /// Makes a batch of jobs that left their queue.
    fn hand_out(&mut self, number: u64, queue: &str, jobs: impl Iterator<Item = Queued>) -> Vec<UnitOfWork> {
        let (batch, queue): (Arc<str>, Arc<str>) = (number.to_string().into(), queue.into());
        let units: Vec<Option<Queued>> = jobs.map(Some).collect();
        let handed = units.iter().flatten().enumerate().map(|(index, job)| UnitOfWork {
            queue: Arc::clone(&queue),
            payload: job.payload.to_vec().into(),
            slot: Slot { batch: Arc::clone(&batch), index },
        });
        let handed = handed.collect();
        self.batches.insert(batch, Batch { queue, units });
        handed
    }

    /// What it held, the youngest first: the oldest is to run next, so it is put back last.
    fn into_batches(self) -> Vec<Batch> {
        let mut batches: Vec<Batch> = self.batches.into_values().collect();
        batches.sort_by_key(|batch| Reverse(batch.units.iter().flatten().map(|job| job.arrival).min()));
        batches
    }

    fn lives(&self, now: Timestamp) -> bool {
        self.lease_until.is_some_and(|until| until > now)
    }
}

struct MemoryConsumer {
    identity: Identity,
    shared: Arc<Shared>,
}

impl MemoryConsumer {
    fn take(&self, queues: &[String], want: usize) -> Result<Vec<UnitOfWork>, BrokerError> {
        let now = self.shared.clock.now();
        let store = &mut *self.shared.store();
        let owner = store.owners.get_mut(&self.identity).filter(|owner| owner.lives(now));
        let owner = owner.ok_or(BrokerError::LeaseLost)?;
        let mut taken = Vec::new();
        for name in queues {
            let want = want - taken.len();
            let Some(jobs) = store.queues.get_mut(name).filter(|jobs| want > 0 && !jobs.is_empty()) else { continue };
            // The oldest are at the back.
            let oldest = jobs.split_off(jobs.len().saturating_sub(want));
            store.batches += 1;
            taken.extend(owner.hand_out(store.batches, name, oldest.into_iter().rev()));
        }
        Ok(taken)
    }

    /// Takes a job out of this process's hands, if it still is in them.
    fn release(&self, store: &mut Store, slot: &Slot) -> Option<(Arc<str>, Queued)> {
        let batches = &mut store.owners.get_mut(&self.identity)?.batches;
        let batch = batches.get_mut(&slot.batch)?;
        let queue = Arc::clone(&batch.queue);
        let job = batch.units.get_mut(slot.index)?.take()?;
        if batch.units.iter().all(Option::is_none) {
            batches.remove(&slot.batch);
        }
        Some((queue, job))
    }

    fn settle_now(&self, unit: &UnitOfWork, end: &Settlement) -> Settled {
        let now = self.shared.clock.now();
        let mut store = self.shared.store();
        let Some((_, Queued { payload: bytes, .. })) = self.release(&mut store, &unit.slot) else {
            return Settled::Stale;
        };
        let (processed, failed) = match end {
            Settlement::Done | Settlement::Later { .. } => (1, 0),
            Settlement::NotAJob { .. } => (0, 0),
            Settlement::Retry { .. } | Settlement::Dead { .. } | Settlement::Discarded => (1, 1),
        };
        store.processed += processed;
        store.failed += failed;
        let day = store.days.entry(now.utc_date()).or_default();
        *day = (day.0 + processed, day.1 + failed);
        let trimmed = match end {
            Settlement::Done | Settlement::Discarded => 0,
            Settlement::Retry { payload, at } => {
                store.retries.add(*at, payload.as_bytes().into());
                0
            }
            Settlement::Later { payload, at } => {
                store.scheduled.add(*at, payload.as_bytes().into());
                0
            }
            Settlement::Dead { payload, at } => store.bury(*at, payload.as_bytes().into(), now),
            Settlement::NotAJob { at } => store.bury(*at, bytes, now),
        };
        Settled::Applied { trimmed }
    }

    fn rewrite(&self, slot: &Slot, payload: &str) -> Settled {
        let mut store = self.shared.store();
        let batches = store.owners.get_mut(&self.identity).map(|owner| &mut owner.batches);
        let units = batches.and_then(|batches| batches.get_mut(&slot.batch)).map(|batch| &mut batch.units);
        match units.and_then(|units| units.get_mut(slot.index)) {
            Some(Some(job)) => {
                job.payload = payload.as_bytes().into();
                Settled::Applied { trimmed: 0 }
            }
            _ => Settled::Stale,
        }
    }

    fn put_back_units(&self, units: &[UnitOfWork]) -> usize {
        let mut store = self.shared.store();
        let mut back = 0;
        // The newest first, so that the oldest ends where the next job is taken.
        for unit in units.iter().rev() {
            if let Some((queue, job)) = self.release(&mut store, &unit.slot) {
                store.queue_mut(&queue).push_back(job);
                back += 1;
            }
        }
        drop(store);
        self.shared.arrived.notify_waiters();
        back
    }

    fn reclaim_now(&self) -> Vec<Reclaimed> {
        let now = self.shared.clock.now();
        let mut store = self.shared.store();
        let gone: Vec<Identity> =
            store.owners.iter().filter(|(_, owner)| !owner.lives(now)).map(|(identity, _)| identity.clone()).collect();
        let mut reclaimed = Vec::new();
        for identity in gone {
            let owner = store.owners.remove(&identity).unwrap_or_default();
            for mut batch in owner.into_batches() {
                for job in batch.units.iter_mut().flatten() {
                    if let Some(suspect) = as_suspect(&job.payload, now) {
                        job.payload = suspect.into_bytes().into();
                    }
                }
                let queue = batch.queue.to_string();
                let jobs = store.put_back(batch);
                reclaimed.push(Reclaimed { owner: identity.to_string(), queue, jobs });
            }
        }
        drop(store);
        self.shared.arrived.notify_waiters();
        reclaimed
    }
}

impl fmt::Debug for MemoryConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryConsumer({})", self.identity)
    }
}

impl Consumer for MemoryConsumer {
    fn fetch<'a>(&'a self, queues: &'a [String], want: usize) -> BoxFuture<'a, Result<Vec<UnitOfWork>, BrokerError>> {
        Box::pin(async move { self.take(queues, want) })
    }

    fn waiter(&self) -> Box<dyn Waiter> {
        Box::new(MemoryWaiter { shared: Arc::clone(&self.shared) })
    }

    fn settle<'a>(&'a self, unit: &'a UnitOfWork, end: &'a Settlement) -> BoxFuture<'a, Result<Settled, BrokerError>> {
        Box::pin(async move { Ok(self.settle_now(unit, end)) })
    }

    fn ack<'a>(&'a self, units: &'a [UnitOfWork]) -> BoxFuture<'a, Result<Vec<Settled>, BrokerError>> {
        Box::pin(async move { Ok(units.iter().map(|unit| self.settle_now(unit, &Settlement::Done)).collect()) })
    }

    fn mark<'a>(&'a self, unit: &'a UnitOfWork, payload: &'a str) -> BoxFuture<'a, Result<Settled, BrokerError>> {
        Box::pin(async move { Ok(self.rewrite(&unit.slot, payload)) })
    }

    fn give_back<'a>(&'a self, units: &'a [UnitOfWork]) -> BoxFuture<'a, Result<usize, BrokerError>> {
        Box::pin(async move { Ok(self.put_back_units(units)) })
    }

    fn reclaim(&self) -> BoxFuture<'_, Result<Vec<Reclaimed>, BrokerError>> {
        Box::pin(async move { Ok(self.reclaim_now()) })
    }
}

/// Says that there may be a job; hands none over.
struct MemoryWaiter {
    shared: Arc<Shared>,
}

impl fmt::Debug for MemoryWaiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryWaiter")
    }
}

impl Waiter for MemoryWaiter {
    fn wait<'a>(&'a mut self, queues: &'a [String], patience: Duration) -> BoxFuture<'a, Arrival> {
        Box::pin(async move {
            // Listening starts before looking, so that a job that arrives in between is heard.
            let arrived = self.shared.arrived.notified();
            let any = {
                let store = self.shared.store();
                queues.iter().any(|name| store.queues.get(name).is_some_and(|jobs| !jobs.is_empty()))
            };
            if !any {
                // Running out of patience is an answer too.
                let _ = tokio::time::timeout(patience, arrived).await;
            }
            Arrival { units: Vec::new(), look: true }
        })
    }

    fn rest(&mut self) -> BoxFuture<'_, Vec<UnitOfWork>> {
        Box::pin(ready(Vec::new()))
    }

    fn is_armed(&self) -> bool {
        false
    }
}

impl Presence for MemoryConsumer {
    fn beat<'a>(&'a self, beat: &'a Beat) -> BoxFuture<'a, Result<Heard, BrokerError>> {
        Box::pin(async move {
            let until = self.shared.clock.now() + beat.lease;
            let mut store = self.shared.store();
            let paused = store.paused.iter().cloned().collect();
            let owner = store.owners.entry(self.identity.clone()).or_default();
            owner.lease_until = Some(until);
            owner.beat = Some(beat.clone());
            Ok(Heard { signal: owner.signals.pop_front(), paused })
        })
    }

    fn record<'a>(&'a self, runs: &'a [ClassRuns], at: Timestamp) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            self.shared.store().minutes.add(runs, at);
            Ok(())
        })
    }

    fn knows<'a>(&'a self, jobs: &'a [&'a str], at: Timestamp) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            self.shared.store().known.extend(jobs.iter().map(|job| ((*job).to_owned(), at)));
            Ok(())
        })
    }

    fn leave(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            let mut store = self.shared.store();
            let owner = store.owners.remove(&self.identity).unwrap_or_default();
            for batch in owner.into_batches() {
                store.put_back(batch);
            }
            drop(store);
            self.shared.arrived.notify_waiters();
            Ok(())
        })
    }
}
