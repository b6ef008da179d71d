//! What this process is doing now: for the heartbeat's record, for a dump, and for what is given back at the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::broker::{UnitOfWork, Work};
use crate::clock::Timestamp;

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
        let seat = Seat { tid, run: Arc::default() };
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
                payload: Arc::clone(&run.unit.payload),
                run_at: run.since,
            })
        };
        lock(&self.seats).iter().filter_map(work).collect()
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
