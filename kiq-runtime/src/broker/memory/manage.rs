//! The operator's hand.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::browse::Place;
use crate::broker::logbook::Mark;
use crate::broker::manage::{Destination, MOST_MOVES, Manage, Move};
use crate::broker::metrics::{DEPLOYS_KEPT, Deploy, Step};
use crate::broker::presence::Signal;
use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::logbook::Kept;
use super::{MemoryBroker, Store};

/// A deploy that many processes tell of is noted once.
const SAME_DEPLOY: Duration = Duration::from_secs(60);

impl Store {
    /// Answers whether it was there, and not yet as it is wanted.
    fn relocate(&mut self, place: &Place, one: &Move, now: Timestamp, mark: Option<Mark<'_>>) -> bool {
        let Some((at, payload)) = self.take(place, one) else { return false };
        let job = Arc::clone(&payload);
        match (&one.to, place) {
            (Destination::Nothing, _) => {}
            (Destination::Queue { name, payload }, _) => self.enqueue(name, payload.as_bytes().into()),
            (Destination::Next { name, payload }, _) => self.enqueue_next(name, payload.as_bytes().into()),
            (Destination::Dead { at }, _) => {
                self.bury(*at, payload, now);
            }
            (Destination::Later { at }, Place::Set(set)) => self.set_mut(*set).add(*at, payload),
            (Destination::Later { .. }, Place::Queue(_)) => {}
        }
        if let Some(mark) = mark.filter(|mark| mark.keeps_undo)
            && !matches!(one.to, Destination::Next { .. })
        {
            let kept = Kept { job, at, went: one.to.clone() };
            self.logbook.keep(mark.operation, kept, now);
        }
        true
    }

    /// Takes a job out of its place.
    fn take(&mut self, place: &Place, one: &Move) -> Option<(Option<Timestamp>, Arc<[u8]>)> {
        match place {
            Place::Queue(_) if matches!(one.to, Destination::Later { .. }) => None,
            Place::Queue(name) => {
                let jobs = self.queues.get_mut(name)?;
                let at = jobs.iter().position(|job| *job.payload == *one.payload)?;
                jobs.remove(at).map(|job| (None, job.payload))
            }
            Place::Set(set) => {
                let entries = &mut self.set_mut(*set).entries;
                let (key, _) = entries.iter().find(|(_, payload)| ***payload == *one.payload)?;
                let key = *key;
                if matches!(one.to, Destination::Later { at } if at == key.0) {
                    return None;
                }
                entries.remove(&key).map(|payload| (Some(key.0), payload))
            }
        }
    }

    fn clear(&mut self, place: &Place) -> usize {
        match place {
            Place::Queue(name) => self.queues.remove(name).map_or(0, |jobs| jobs.len()),
            Place::Set(set) => std::mem::take(&mut self.set_mut(*set).entries).len(),
        }
    }
}

impl Manage for MemoryBroker {
    fn relocate<'a>(
        &'a self,
        place: &'a Place,
        moves: &'a [Move],
        mark: Option<Mark<'a>>,
    ) -> BoxFuture<'a, Result<Vec<bool>, BrokerError>> {
        let now = self.shared.clock.now();
        let mut store = self.shared.store();
        let done: Vec<bool> = moves.iter().take(MOST_MOVES).map(|one| store.relocate(place, one, now, mark)).collect();
        if let Some(mark) = mark {
            store.logbook.count(mark.operation, &done);
        }
        drop(store);
        self.shared.arrived.notify_waiters();
        Box::pin(ready(Ok(done)))
    }

    fn clear<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<usize, BrokerError>> {
        Box::pin(ready(Ok(self.shared.store().clear(place))))
    }

    fn set_paused<'a>(&'a self, queue: &'a str, paused: bool) -> BoxFuture<'a, Result<bool, BrokerError>> {
        let mut store = self.shared.store();
        let is_new = match paused {
            true => store.paused.insert(queue.to_owned()),
            false => store.paused.remove(queue),
        };
        Box::pin(ready(Ok(is_new)))
    }

    fn signal<'a>(&'a self, identity: &'a str, signal: Signal) -> BoxFuture<'a, Result<bool, BrokerError>> {
        let now = self.shared.clock.now();
        let mut store = self.shared.store();
        let owner = store.owners.iter_mut().find(|(name, owner)| name.as_str() == identity && owner.lives(now));
        let is_there = owner.is_some();
        if let Some((_, owner)) = owner {
            owner.signals.push_back(signal);
        }
        Box::pin(ready(Ok(is_there)))
    }

    fn mark_deploy<'a>(&'a self, label: &'a str, at: Timestamp) -> BoxFuture<'a, Result<bool, BrokerError>> {
        let deploy = Deploy { at: Step::Minute.floor(at), label: label.to_owned() };
        let mut store = self.shared.store();
        let noted = |known: &Deploy| known.at == deploy.at || known.label == label && at.since(known.at) < SAME_DEPLOY;
        let is_new = !store.deploys.iter().any(noted);
        if is_new {
            store.deploys.push(deploy);
            store.deploys.sort_by_key(|deploy| deploy.at);
            store.deploys.retain(|deploy| at.since(deploy.at) < DEPLOYS_KEPT);
        }
        Box::pin(ready(Ok(is_new)))
    }

    fn forget_everything(&self) -> BoxFuture<'_, Result<usize, BrokerError>> {
        let mut store = self.shared.store();
        let sets = [&store.scheduled, &store.retries, &store.dead];
        let jobs = store.queues.values().map(|jobs| jobs.len()).sum::<usize>()
            + sets.iter().map(|set| set.entries.len()).sum::<usize>()
            + store
                .owners
                .values()
                .flat_map(|owner| owner.batches.values())
                .map(|batch| batch.units.iter().flatten().count())
                .sum::<usize>();
        *store = Store {
            // Numbers that must not be given twice.
            arrivals: store.arrivals,
            batches: store.batches,
            dead_limits: store.dead_limits,
            ..Store::default()
        };
        Box::pin(ready(Ok(jobs)))
    }
}
