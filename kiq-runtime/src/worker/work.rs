//! What this process is doing now: for the heartbeat's record, for a dump, and for what is given back at the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::broker::{Slot, UnitOfWork, Work};
use crate::clock::Timestamp;

use super::watchdog::{Pulse, Ticks};

/// The jobs in processors' hands: one seat for each processor, so that they do not wait for each other.
#[derive(Clone, Debug, Default)]
pub(super) struct WorkTable {
    seats: Arc<Mutex<Vec<Seat>>>,
}

/// The place of one processor.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    tid: Arc<str>,
    run: Arc<Mutex<Option<Run>>>,
    pub(super) pulse: Pulse,
}

/// A job that keeps its thread.
pub(super) struct Stuck {
    pub(super) unit: UnitOfWork,
    pub(super) pulse: Pulse,
    /// For how many ticks.
    pub(super) lasts: u64,
}

#[derive(Debug)]
struct Run {
    unit: UnitOfWork,
    since: Timestamp,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl WorkTable {
    /// A seat for the processor of that name.
    pub(super) fn seat(&self, tid: Arc<str>) -> Seat {
        let seat = Seat { tid, run: Arc::default(), pulse: Pulse::default() };
        lock(&self.seats).push(seat.clone());
        seat
    }

    /// For the process record.
    pub(super) fn list(&self) -> Vec<Work> {
        let work = |seat: &Seat| {
            let run = lock(&seat.run);
            run.as_ref().map(|run| Work {
                tid: seat.tid.to_string(),
                queue: Arc::clone(&run.unit.queue),
                payload: run.unit.payload.clone(),
                run_at: run.since,
            })
        };
        lock(&self.seats).iter().filter_map(work).collect()
    }

    /// Those whose present poll has lasted for more ticks than that.
    pub(super) fn stuck(&self, ticks: &Ticks, more_than: u64) -> Vec<Stuck> {
        let stuck = |seat: &Seat| {
            let lasts = seat.pulse.lasts(ticks);
            let is_stuck = lasts > more_than;
            let unit = is_stuck.then(|| lock(&seat.run).as_ref().map(|run| run.unit.clone())).flatten()?;
            Some(Stuck { unit, pulse: seat.pulse.clone(), lasts })
        };
        lock(&self.seats).iter().filter_map(stuck).collect()
    }

    /// Takes one away, whoever's it was.
    pub(super) fn end(&self, slot: &Slot) {
        for seat in lock(&self.seats).iter() {
            lock(&seat.run).take_if(|run| run.unit.slot == *slot);
        }
    }

    /// Takes everything away.
    pub(super) fn clear(&self) -> Vec<UnitOfWork> {
        lock(&self.seats).iter().filter_map(|seat| lock(&seat.run).take()).map(|run| run.unit).collect()
    }
}

impl Seat {
    pub(super) fn begin(&self, unit: UnitOfWork, since: Timestamp) {
        *lock(&self.run) = Some(Run { unit, since });
    }

    pub(super) fn end(&self) {
        lock(&self.run).take();
    }
}
