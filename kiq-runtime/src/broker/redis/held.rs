//! What this process holds: its batches, and which of their jobs it has not settled yet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::broker::{Slot, UnitOfWork};
use crate::clock::instant;

/// The batches this process knows of, and until when they are its own.
///
/// A batch that the index of this process lists and that is not here was handed out and its answer lost: it goes back to
/// its queue. That is what makes a fetch safe to drop. Positions and no count, because a settlement may be repeated, and a
/// batch that is forgotten too early would run again.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// `None` while the answer of the fetch is under way.
    batches: Mutex<HashMap<Arc<str>, Option<Batch>>>,
    /// Ids in the index of which the server has said that nothing was moved into their batches.
    spent: Mutex<Vec<Arc<str>>>,
    /// Ids in the index that nothing is moved into yet.
    reserved: Mutex<Vec<Arc<str>>>,
    /// Numbers of batches, each used once.
    next: AtomicU64,
    /// By this process's own clock, which goes on while it is stopped.
    lease_until: Mutex<Option<Instant>>,
    /// How often the lease had run out: others may have removed from the index what was empty.
    lapses: AtomicU64,
}

/// More entries than a list can have.
const MOST: usize = u32::MAX as usize;

/// Which positions of a batch are still to be settled. Positions count from the end, 1 is the last: they stay the same while
/// acknowledged jobs are trimmed off the head.
#[derive(Debug)]
struct Batch {
    /// By position from the end, less one.
    is_open: Vec<bool>,
    open: usize,
    /// How many entries the batch still has in Redis.
    kept: usize,
}

/// The jobs of one batch that are to be acknowledged together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) batch: Arc<str>,
    /// Their positions, the largest first.
    pub(super) positions: Vec<usize>,
    /// How many entries the batch keeps: all before them are settled with this.
    pub(super) keep: usize,
    /// Which of those kept are settled, counted from the end.
    pub(super) among_kept: Vec<usize>,
}

impl Batch {
    /// Of `len` jobs, all to be settled.
    fn new(len: usize) -> Self {
        Batch { is_open: vec![true; len], open: len, kept: len }
    }

    fn close(&mut self, position: usize) {
        if let Some(is_open @ true) = self.is_open.get_mut(position.wrapping_sub(1)) {
            *is_open = false;
            self.open -= 1;
        }
    }

    fn is_open(&self, position: usize) -> bool {
        self.is_open.get(position.wrapping_sub(1)).copied().unwrap_or(false)
    }
}

/// Whether two names are one. As a rule they are the same text in memory.
fn is_same(one: &Arc<str>, other: &Arc<str>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Held {
    fn batches(&self) -> MutexGuard<'_, HashMap<Arc<str>, Option<Batch>>> {
        lock(&self.batches)
    }

    /// The number of a new batch.
    pub(super) fn next_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The store knows this process's batches for its own until then; `None`: not any more.
    pub(super) fn set_lease(&self, until: Option<Instant>) {
        let before = std::mem::replace(&mut *lock(&self.lease_until), until);
        if before.is_none_or(|before| before <= instant()) {
            self.lapses.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether they are, as far as this process knows.
    pub(super) fn has_lease(&self) -> bool {
        lock(&self.lease_until).is_some_and(|until| instant() < until)
    }

    /// Nothing will ever be in the batch of this id.
    pub(super) fn spend(&self, id: Arc<str>) {
        lock(&self.spent).push(id);
    }

    /// The end: what is reserved is not used any more, and only to be removed.
    pub(super) fn spend_reserved(&self) {
        let mut reserved = lock(&self.reserved);
        lock(&self.spent).append(&mut reserved);
    }

    /// What is to be removed from the index.
    pub(super) fn spent(&self) -> Vec<Arc<str>> {
        lock(&self.spent).clone()
    }

    /// These have been.
    pub(super) fn forget_spent(&self, ids: &[Arc<str>]) {
        lock(&self.spent).retain(|id| !ids.contains(id));
    }

    /// Knows of batches that a fetch is about to ask for; forgets them when the answer is dropped.
    pub(super) fn expect<const N: usize>(&self, ids: [Arc<str>; N]) -> Expected<'_, N> {
        self.batches().extend(ids.iter().cloned().map(|id| (id, None)));
        Expected { held: self, ids, is_kept: false }
    }

    /// Whether that id of the index is accounted for.
    pub(super) fn contains(&self, id: &str) -> bool {
        // In this order: an id is expected before it ceases to be reserved, and spent before it ceases to be either.
        let is_among = |ids: &Mutex<Vec<Arc<str>>>| lock(ids).iter().any(|known| **known == *id);
        is_among(&self.reserved) || self.batches().contains_key(id) || is_among(&self.spent)
    }

    /// So many jobs are in each of these batches, all to be settled.
    pub(super) fn arrived(&self, batches: impl IntoIterator<Item = (Arc<str>, usize)>) {
        let arrived = batches.into_iter().filter(|(_, len)| *len > 0).map(|(id, len)| (id, Some(Batch::new(len))));
        self.batches().extend(arrived);
    }

    /// Gives up batches whose answer did not come, so that they count as lost.
    pub(super) fn give_up(&self, ids: &[Arc<str>]) {
        self.batches().retain(|id, batch| batch.is_some() || !ids.contains(id));
    }

    /// A job is no longer this process's affair.
    pub(super) fn let_go(&self, slot: &Slot) {
        let mut batches = self.batches();
        if let Some(Some(batch)) = batches.get_mut(&slot.batch) {
            batch.close(slot.index);
            if batch.open == 0 {
                batches.remove(&slot.batch);
            }
        }
    }

    /// How to acknowledge these jobs: batch by batch, by trimming the head as far as all of it is settled, and one by one
    /// beyond that. Changes nothing yet; [`acknowledged`](Held::acknowledged) does when it is done.
    pub(super) fn shares(&self, units: &[UnitOfWork]) -> Vec<Share> {
        let mut positions: Vec<(Arc<str>, Vec<usize>)> = Vec::new();
        for unit in units {
            match positions.iter_mut().rev().find(|(batch, _)| is_same(batch, &unit.slot.batch)) {
                Some((_, positions)) => positions.push(unit.slot.index),
                None => positions.push((Arc::clone(&unit.slot.batch), vec![unit.slot.index])),
            }
        }
        let batches = self.batches();
        let shares = positions.into_iter().map(|(id, positions)| {
            let batch = batches.get(&id).and_then(Option::as_ref);
            share(id, batch, positions)
        });
        shares.collect()
    }

    /// The store has carried these out.
    pub(super) fn acknowledged(&self, shares: &[Share]) {
        let mut batches = self.batches();
        for share in shares {
            if let Some(Some(batch)) = batches.get_mut(&share.batch) {
                share.positions.iter().for_each(|position| batch.close(*position));
                batch.kept = share.keep;
                if batch.open == 0 {
                    batches.remove(&share.batch);
                }
            }
        }
    }
}

fn share(id: Arc<str>, batch: Option<&Batch>, mut positions: Vec<usize>) -> Share {
    let Some(batch) = batch else {
        // Not known here: taken over by others, as a rule. Trims nothing, whatever is there.
        return Share { batch: id, keep: MOST, among_kept: positions.clone(), positions };
    };
    // From the head, which is the largest position, down.
    positions.sort_unstable_by(|a, b| b.cmp(a));
    let mut settled = positions.iter().copied().peekable();
    let mut keep = batch.kept;
    while keep > 0 {
        if settled.peek() == Some(&keep) {
            settled.next();
        } else if batch.is_open(keep) {
            break;
        }
        keep -= 1;
    }
    let among_kept = settled.filter(|position| *position <= keep).collect();
    Share { batch: id, keep, among_kept, positions }
}

/// Batches that were asked for.
pub(super) struct Expected<'a, const N: usize> {
    held: &'a Held,
    ids: [Arc<str>; N],
    is_kept: bool,
}

impl<const N: usize> Expected<'_, N> {
    /// The answer did not come, and somebody will look for it: until then the batches stay known.
    pub(super) fn unanswered(mut self) -> [Arc<str>; N] {
        self.is_kept = true;
        self.ids.clone()
    }

    /// The answer came: so many jobs in each of these batches.
    pub(super) fn arrived(self, batches: impl IntoIterator<Item = (Arc<str>, usize)>) {
        self.held.arrived(batches);
    }
}

impl<const N: usize> Drop for Expected<'_, N> {
    fn drop(&mut self) {
        // Those that arrived have positions by now.
        if !self.is_kept {
            self.held.give_up(&self.ids);
        }
    }
}

/// An id that a later request may be told to move a job into. It is known here from before it is in the index until it is
/// expected, spent or given up.
#[derive(Debug)]
pub(super) struct Reserved {
    held: Arc<Held>,
    id: Arc<str>,
    lapses: u64,
    /// The server has answered: if it is in the index, it can be removed from it.
    is_answered: bool,
}

impl Reserved {
    /// A fresh one.
    pub(super) fn new(held: &Arc<Held>) -> Self {
        let id: Arc<str> = super::keys::handed_over(held.next_number()).into();
        lock(&held.reserved).push(Arc::clone(&id));
        let lapses = held.lapses.load(Ordering::Relaxed);
        Reserved { held: Arc::clone(held), id, lapses, is_answered: false }
    }

    pub(super) fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// The server has answered the request that registers it.
    pub(super) fn confirmed(mut self) -> Self {
        self.is_answered = true;
        self
    }

    /// Whether it is still in the index: the lease has not run out since, so nobody else has removed it.
    pub(super) fn is_good(&self) -> bool {
        self.held.has_lease() && self.lapses == self.held.lapses.load(Ordering::Relaxed)
    }

    /// It is about to be used; `None` if this process has left meanwhile.
    pub(super) fn expect<'a>(&self, held: &'a Held) -> Option<Expected<'a, 1>> {
        let mut reserved = lock(&held.reserved);
        let at = reserved.iter().position(|id| *id == self.id)?;
        let expected = held.expect([Arc::clone(&self.id)]);
        reserved.swap_remove(at);
        Some(expected)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut reserved = lock(&self.held.reserved);
        if let Some(at) = reserved.iter().position(|id| *id == self.id) {
            // Without an answer it may get into the index yet: then the reclaimer finds it there.
            if self.is_answered {
                self.held.spend(Arc::clone(&self.id));
            }
            reserved.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(len: usize) -> Held {
        let held = Held::default();
        let expected = held.expect([Arc::from("a")]);
        expected.arrived([(Arc::from("a"), len)]);
        held
    }

    /// Jobs of the batch by their place from the head, from 0.
    fn units(len: usize, places: &[usize]) -> Vec<UnitOfWork> {
        let unit = |place: &usize| UnitOfWork {
            queue: "q".into(),
            payload: b"{}".to_vec().into(),
            slot: Slot { batch: "a".into(), index: len - place },
        };
        places.iter().map(unit).collect()
    }

    fn shares_of(held: &Held, units: &[UnitOfWork]) -> (usize, usize, Vec<usize>) {
        let shares = held.shares(units);
        let share = &shares[0];
        let told = (share.positions.len(), share.keep, share.among_kept.clone());
        held.acknowledged(&shares);
        told
    }

    #[test]
    fn what_is_settled_from_the_head_on_is_trimmed_and_the_rest_marked() {
        let held = of(5);
        assert_eq!(shares_of(&held, &units(5, &[1, 0])), (2, 3, vec![]));
        assert_eq!(shares_of(&held, &units(5, &[3])), (1, 3, vec![2]));
        assert_eq!(shares_of(&held, &units(5, &[2])), (1, 1, vec![]));
        assert!(held.contains("a"));
        assert_eq!(shares_of(&held, &units(5, &[4])), (1, 0, vec![]));
        assert!(!held.contains("a"));
    }

    #[test]
    fn a_job_that_was_settled_by_itself_is_trimmed_along() {
        let held = of(3);
        held.let_go(&units(3, &[0])[0].slot);
        assert_eq!(shares_of(&held, &units(3, &[1])), (1, 1, vec![]));
        held.let_go(&units(3, &[2])[0].slot);
        assert!(!held.contains("a"));
    }

    #[test]
    fn an_id_is_known_from_its_reservation_to_its_end() {
        let held = Arc::<Held>::default();
        held.set_lease(Some(instant() + std::time::Duration::from_secs(60)));
        let used = Reserved::new(&held).confirmed();
        let id = Arc::clone(used.id());
        assert!(held.contains(&id) && used.is_good());
        let expected = used.expect(&held).unwrap();
        drop(used);
        assert!(held.contains(&id) && held.spent().is_empty());
        drop(expected);
        assert!(!held.contains(&id));

        let unused = Reserved::new(&held).confirmed();
        let id = Arc::clone(unused.id());
        drop(unused);
        assert!(held.contains(&id));
        assert_eq!(held.spent(), [id]);

        let unanswered = Reserved::new(&held);
        let id = Arc::clone(unanswered.id());
        drop(unanswered);
        assert!(!held.contains(&id));
    }

    #[test]
    fn a_reservation_ends_with_the_lease_and_with_the_process() {
        let held = Arc::<Held>::default();
        let until = || Some(instant() + std::time::Duration::from_secs(60));
        held.set_lease(until());
        let reserved = Reserved::new(&held).confirmed();
        held.set_lease(until());
        assert!(reserved.is_good());
        held.set_lease(Some(instant()));
        assert!(!reserved.is_good());
        held.set_lease(until());
        assert!(!reserved.is_good());

        held.spend_reserved();
        assert!(reserved.expect(&held).is_none());
        assert_eq!(held.spent(), [Arc::clone(reserved.id())]);
    }

    #[test]
    fn an_answer_that_is_dropped_is_forgotten() {
        let held = Held::default();
        drop(held.expect([Arc::from("a"), Arc::from("b")]));
        assert!(!held.contains("a"));
    }
}
