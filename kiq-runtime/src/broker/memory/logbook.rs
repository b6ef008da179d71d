//! The log of operations.

use std::collections::{BTreeMap, VecDeque};
use std::future::ready;
use std::sync::Arc;

use crate::broker::browse::Place;
use crate::broker::logbook::{Logbook, Logged, OPERATIONS_AGE, OPERATIONS_KEPT, Restore, Restored, UNDO_AGE};
use crate::broker::manage::{Destination, MOST_MOVES};
use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::{MemoryBroker, Store};

/// What operators did.
#[derive(Default)]
pub(super) struct Book {
    pages: BTreeMap<String, Page>,
}

struct Page {
    began_at: Timestamp,
    logged: Logged,
    kept: VecDeque<Kept>,
    kept_until: Timestamp,
}

/// A job as it was, and where it went.
pub(super) struct Kept {
    pub(super) job: Arc<[u8]>,
    pub(super) at: Option<Timestamp>,
    pub(super) went: Destination,
}

impl Book {
    /// Whether that is a new one.
    fn begin(&mut self, id: &str, at: Timestamp, record: &str) -> bool {
        self.pages.retain(|_, page| at.since(page.began_at) < OPERATIONS_AGE);
        if self.pages.contains_key(id) {
            return false;
        }
        let logged = Logged { id: id.to_owned(), record: record.to_owned(), ..Logged::default() };
        self.pages.insert(id.to_owned(), Page { began_at: at, logged, kept: VecDeque::new(), kept_until: at });
        if self.pages.len() > OPERATIONS_KEPT {
            let oldest = self.pages.values().min_by_key(|page| (page.began_at, page.logged.id.clone()));
            if let Some(oldest) = oldest.map(|page| page.logged.id.clone()) {
                self.pages.remove(&oldest);
            }
        }
        true
    }

    pub(super) fn keep(&mut self, id: &str, kept: Kept, now: Timestamp) {
        if let Some(page) = self.pages.get_mut(id) {
            page.kept.push_back(kept);
            page.kept_until = now + UNDO_AGE;
        }
    }

    pub(super) fn count(&mut self, id: &str, done: &[bool]) {
        if let Some(page) = self.pages.get_mut(id) {
            let done_to = done.iter().filter(|done| **done).count();
            page.logged.done += done_to;
            page.logged.gone += done.len() - done_to;
        }
    }

    fn page(&mut self, id: &str, now: Timestamp) -> Option<&mut Page> {
        let page = self.pages.get_mut(id)?;
        if page.kept_until <= now {
            page.kept.clear();
        }
        Some(page)
    }
}

impl Page {
    fn as_logged(&self) -> Logged {
        Logged { kept: self.kept.len(), ..self.logged.clone() }
    }
}

impl Store {
    fn restore(&mut self, restore: Restore<'_>) -> Restored {
        let mut outcome = Restored::default();
        for _ in 0..restore.limit.min(MOST_MOVES) {
            let Some(page) = self.logbook.page(restore.operation, restore.at) else { break };
            let Some(kept) = page.kept.pop_front() else { break };
            let is_back = self.take_back(&kept, restore.place);
            if is_back {
                match (restore.place, kept.at) {
                    (Place::Queue(name), _) => self.enqueue_next(name, kept.job),
                    (Place::Set(set), Some(at)) => self.set_mut(*set).add(at, kept.job),
                    (Place::Set(_), None) => {}
                }
            }
            match is_back {
                true => outcome.restored += 1,
                false => outcome.missed += 1,
            }
        }
        if let Some(page) = self.logbook.page(restore.operation, restore.at) {
            outcome.left = page.kept.len();
            if outcome.restored + outcome.missed > 0 {
                page.logged.restored += outcome.restored;
                page.logged.missed += outcome.missed;
                page.logged.undone_by.get_or_insert_with(|| restore.by.to_owned());
                page.logged.undone_at.get_or_insert(restore.at);
            }
        }
        outcome
    }

    /// Takes a job away from where it went, if it is there.
    fn take_back(&mut self, kept: &Kept, place: &Place) -> bool {
        let in_set = |store: &mut Store, set, is_it: &dyn Fn(Timestamp, &[u8]) -> bool| {
            let entries = &mut store.set_mut(set).entries;
            let key = entries.iter().find(|((at, _), bytes)| is_it(*at, bytes)).map(|(key, _)| *key);
            key.is_some_and(|key| entries.remove(&key).is_some())
        };
        match &kept.went {
            Destination::Nothing => true,
            // It stays where it is.
            Destination::Next { .. } => false,
            Destination::Queue { name, payload } => {
                let Some(jobs) = self.queues.get_mut(name) else { return false };
                let at = jobs.iter().position(|job| *job.payload == *payload.as_bytes());
                at.is_some_and(|at| jobs.remove(at).is_some())
            }
            Destination::Dead { .. } => in_set(self, crate::broker::JobSet::Dead, &|_, bytes| *bytes == *kept.job),
            Destination::Later { at: later } => match place {
                Place::Set(set) => in_set(self, *set, &|at, bytes| at == *later && *bytes == *kept.job),
                Place::Queue(_) => false,
            },
        }
    }
}

impl Logbook for MemoryBroker {
    fn begin_operation<'a>(
        &'a self,
        id: &'a str,
        at: Timestamp,
        record: &'a str,
    ) -> BoxFuture<'a, Result<bool, BrokerError>> {
        Box::pin(ready(Ok(self.shared.store().logbook.begin(id, at, record))))
    }

    fn update_operation<'a>(&'a self, id: &'a str, record: &'a str) -> BoxFuture<'a, Result<bool, BrokerError>> {
        let now = self.shared.clock.now();
        let mut store = self.shared.store();
        let goes_on = store.logbook.page(id, now).is_none_or(|page| {
            record.clone_into(&mut page.logged.record);
            !page.logged.is_told_to_stop
        });
        Box::pin(ready(Ok(goes_on)))
    }

    fn stop_operation<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, BrokerError>> {
        let now = self.shared.clock.now();
        let mut store = self.shared.store();
        let page = store.logbook.page(id, now);
        let is_there = page.is_some();
        if let Some(page) = page {
            page.logged.is_told_to_stop = true;
        }
        Box::pin(ready(Ok(is_there)))
    }

    fn operation<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Logged>, BrokerError>> {
        let now = self.shared.clock.now();
        let logged = self.shared.store().logbook.page(id, now).map(|page| page.as_logged());
        Box::pin(ready(Ok(logged)))
    }

    fn operations(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Logged>, BrokerError>> {
        let now = self.shared.clock.now();
        let mut store = self.shared.store();
        let mut ids: Vec<_> =
            store.logbook.pages.values().map(|page| (page.began_at, page.logged.id.clone())).collect();
        ids.sort_unstable_by(|one, other| other.cmp(one));
        ids.truncate(limit);
        let pages = ids.iter().filter_map(|(_, id)| store.logbook.page(id, now).map(|page| page.as_logged()));
        let pages = pages.collect();
        Box::pin(ready(Ok(pages)))
    }

    fn restore<'a>(&'a self, restore: Restore<'a>) -> BoxFuture<'a, Result<Restored, BrokerError>> {
        let outcome = self.shared.store().restore(restore);
        self.shared.arrived.notify_waiters();
        Box::pin(ready(Ok(outcome)))
    }

    fn forget_undo<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), BrokerError>> {
        let now = self.shared.clock.now();
        if let Some(page) = self.shared.store().logbook.page(id, now) {
            page.kept.clear();
        }
        Box::pin(ready(Ok(())))
    }
}
