//! Where a capsule's fetcher leaves jobs for its processors, and sees how many of them are free.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};

use crate::broker::UnitOfWork;

/// Never holds more jobs than there are free processors, so none waits here while another process is idle.
#[derive(Debug)]
pub(super) struct Desk {
    inside: Mutex<Inside>,
    filled: Notify,
    /// A permit for every processor that is free and has no job waiting for it.
    free: Semaphore,
}

#[derive(Debug, Default)]
struct Inside {
    units: VecDeque<UnitOfWork>,
    is_closed: bool,
}

impl Desk {
    pub(super) fn new(processors: usize) -> Self {
        Desk { inside: Mutex::default(), filled: Notify::new(), free: Semaphore::new(processors) }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a free processor, and reserves all that are free. `None` when the desk is closed.
    pub(super) async fn reserve(&self) -> Option<Reserved<'_>> {
        self.free.acquire().await.ok()?.forget();
        let others = self.free.forget_permits(Semaphore::MAX_PERMITS);
        Some(Reserved { desk: self, count: 1 + others })
    }

    /// The next job for a processor. `None` when the desk is closed and empty.
    pub(super) async fn next(&self) -> Option<UnitOfWork> {
        loop {
            // Heard from here on, before looking: a job that is left in between is not missed. `notify_one` alone would
            // remember one call for all processors that are just about to wait.
            let mut filled = pin!(self.filled.notified());
            filled.as_mut().enable();
            {
                let mut inside = self.inside();
                if let Some(unit) = inside.units.pop_front() {
                    return Some(unit);
                }
                if inside.is_closed {
                    return None;
                }
            }
            filled.await;
        }
    }

    /// Says that a processor is free again.
    pub(super) fn processor_is_free(&self) {
        self.free.add_permits(1);
    }

    /// Nothing will be left here any more; processors end when it is empty.
    pub(super) fn close(&self) {
        self.inside().is_closed = true;
        self.filled.notify_waiters();
    }

    /// Takes away what no processor has begun.
    pub(super) fn clear(&self) -> Vec<UnitOfWork> {
        self.inside().units.drain(..).collect()
    }
}

/// Free processors that the fetcher may find jobs for. Those it finds none for are free again when this is dropped.
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    desk: &'a Desk,
    count: usize,
}

impl Reserved<'_> {
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Leaves jobs for that many of them.
    pub(super) fn hand_over(mut self, units: Vec<UnitOfWork>) {
        self.count = self.count.saturating_sub(units.len());
        let added = units.len();
        self.desk.inside().units.extend(units);
        for _ in 0..added {
            self.desk.filled.notify_one();
        }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.desk.free.add_permits(self.count);
    }
}
