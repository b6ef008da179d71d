//! The operator's hand.

use std::future::ready;
use std::time::Duration;

use crate::broker::browse::Place;
use crate::broker::manage::{Destination, MOST_MOVES, Manage, Move};
use crate::broker::metrics::{DEPLOYS_KEPT, Deploy, Step};
use crate::broker::presence::Signal;
use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::{MemoryBroker, Store};

/// A deploy that many processes tell of is noted once.
const SAME_DEPLOY: Duration = Duration::from_secs(60);

impl Store {
    fn relocate(&mut self, place: &Place, one: &Move, now: Timestamp) -> bool {
        let found = match place {
            Place::Queue(name) => {
                if matches!(one.to, Destination::Later { .. }) {
                    return false;
                }
                self.queues.get_mut(name).and_then(|jobs| {
                    let at = jobs.iter().position(|job| *job.payload == *one.payload)?;
                    jobs.remove(at).map(|job| job.payload)
                })
            }
            Place::Set(set) => {
                let entries = &mut self.set_mut(*set).entries;
                let key = entries.iter().find(|(_, payload)| ***payload == *one.payload).map(|(key, _)| *key);
                key.and_then(|key| entries.remove(&key))
            }
        };
        let Some(payload) = found else { return false };
        match (&one.to, place) {
            (Destination::Nothing, _) => {}
            (Destination::Queue { name, payload }, _) => self.enqueue(name, payload.as_bytes().into()),
            (Destination::Dead { at }, _) => {
                self.bury(*at, payload, now);
            }
            (Destination::Later { at }, Place::Set(set)) => self.set_mut(*set).add(*at, payload),
            (Destination::Later { .. }, Place::Queue(_)) => {}
        }
        true
    }

    fn clear(&mut self, place: &Place) -> usize {
        match place {
            Place::Queue(name) => self.queues.remove(name).map_or(0, |jobs| jobs.len()),
            Place::Set(set) => std::mem::take(&mut self.set_mut(*set).entries).len(),
        }
    }
}

impl Manage for MemoryBroker {
    fn relocate<'a>(&'a self, place: &'a Place, moves: &'a [Move]) -> BoxFuture<'a, Result<Vec<bool>, BrokerError>> {
        let now = self.shared.clock.now();
        let mut store = self.shared.store();
        let done = moves.iter().take(MOST_MOVES).map(|one| store.relocate(place, one, now)).collect();
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
