//! Where a capsule's fetcher leaves jobs for its processors, and sees how many it shall fetch.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::broker::{CapsuleInfo, OrderMode, UnitOfWork};

/// The jobs at hand. In strict order a processor takes from the first queue that has any, so that a job of a high queue
/// overtakes those of lower ones that were fetched before it; otherwise jobs are taken as they came.
#[derive(Debug)]
pub(super) struct Desk {
    inside: Mutex<Inside>,
    filled: Notify,
    /// For the fetcher: a processor has nothing to do, or there is less left than it wants to see.
    needed: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    lanes: Vec<Lane>,
    /// In all lanes.
    waiting: usize,
    /// Processors with nothing to do.
    idle: usize,
    /// How many jobs the fetcher wants to keep at hand beyond those that idle processors take at once.
    stock: usize,
    /// Jobs ever taken.
    taken: u64,
    is_closed: bool,
}

#[derive(Debug, Default)]
struct Lane {
    /// `None` takes every queue.
    queue: Option<String>,
    units: VecDeque<UnitOfWork>,
}

impl Inside {
    fn take(&mut self) -> Option<UnitOfWork> {
        let unit = self.lanes.iter_mut().find_map(|lane| lane.units.pop_front())?;
        self.waiting -= 1;
        self.taken += 1;
        Some(unit)
    }

    /// How many jobs to fetch; 0 while there is still enough. With a stock, half of it must be gone: many small fetches cost
    /// more than one large one, and the other half outlasts the round trip (`prefetch.rs`).
    fn demand(&self) -> usize {
        let is_short = self.idle > self.waiting || self.waiting * 2 < self.stock;
        if is_short { (self.idle + self.stock).saturating_sub(self.waiting) } else { 0 }
    }
}

impl Desk {
    pub(super) fn new(capsule: &CapsuleInfo) -> Self {
        let lanes = match capsule.mode {
            OrderMode::Strict => {
                let lane = |(name, _): &(String, u32)| Lane { queue: Some(name.clone()), units: VecDeque::new() };
                capsule.queues.iter().map(lane).collect()
            }
            OrderMode::Weighted | OrderMode::Random => vec![Lane::default()],
        };
        let inside = Mutex::new(Inside { lanes, ..Inside::default() });
        Desk { inside, filled: Notify::new(), needed: Notify::new() }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job for a processor. `None` when the desk is closed and empty.
    ///
    /// # Cancel safety
    /// No job is taken by a call that is dropped.
    pub(super) async fn next(&self) -> Option<UnitOfWork> {
        // As a rule there is one, and nobody needs to be heard.
        if let Some(unit) = self.take() {
            return Some(unit);
        }
        loop {
            // Heard from here on, before looking: a job that is left in between is not missed.
            let mut filled = pin!(self.filled.notified());
            filled.as_mut().enable();
            let _idle = {
                let mut inside = self.inside();
                if let Some(unit) = inside.take() {
                    return Some(unit);
                }
                if inside.is_closed {
                    return None;
                }
                inside.idle += 1;
                Idle(self)
            };
            self.needed.notify_one();
            filled.await;
        }
    }

    fn take(&self) -> Option<UnitOfWork> {
        let (unit, is_short) = {
            let mut inside = self.inside();
            let unit = inside.take()?;
            // Told once, when the stock falls below the mark, and not for every job after it.
            (unit, inside.waiting * 2 < inside.stock && (inside.waiting + 1) * 2 >= inside.stock)
        };
        if is_short {
            self.needed.notify_one();
        }
        Some(unit)
    }

    /// How many jobs to fetch so that each idle processor has one and `stock` are at hand; 0 while there is enough.
    pub(super) fn demand(&self, stock: usize) -> usize {
        let mut inside = self.inside();
        inside.stock = stock;
        inside.demand()
    }

    /// How many more jobs can be left here until that is so.
    pub(super) fn room(&self, stock: usize) -> usize {
        let inside = self.inside();
        (inside.idle + stock).saturating_sub(inside.waiting)
    }

    /// Returns when the demand may have changed.
    pub(super) async fn needed(&self) {
        self.needed.notified().await;
    }

    /// Jobs at hand, and jobs ever taken.
    pub(super) fn level(&self) -> (usize, u64) {
        let inside = self.inside();
        (inside.waiting, inside.taken)
    }

    /// Leaves jobs.
    pub(super) fn put(&self, units: Vec<UnitOfWork>) {
        let added = units.len();
        let idle = {
            let mut inside = self.inside();
            let mut last: Option<(Arc<str>, usize)> = None;
            for unit in units {
                // Jobs come queue by queue.
                let lane = match &last {
                    Some((queue, lane)) if Arc::ptr_eq(queue, &unit.queue) => *lane,
                    _ => {
                        let takes = |lane: &Lane| lane.queue.as_ref().is_none_or(|name| **name == *unit.queue);
                        let lane = inside.lanes.iter().position(takes).unwrap_or(0);
                        last = Some((Arc::clone(&unit.queue), lane));
                        lane
                    }
                };
                if let Some(lane) = inside.lanes.get_mut(lane) {
                    lane.units.push_back(unit);
                    inside.waiting += 1;
                }
            }
            inside.idle
        };
        // The others look here before they rest.
        for _ in 0..added.min(idle) {
            self.filled.notify_one();
        }
    }

    /// Nothing will be left here any more; processors end when it is empty.
    pub(super) fn close(&self) {
        self.inside().is_closed = true;
        self.filled.notify_waiters();
    }

    /// Takes away what no processor has begun.
    pub(super) fn clear(&self) -> Vec<UnitOfWork> {
        let mut inside = self.inside();
        inside.waiting = 0;
        inside.lanes.iter_mut().flat_map(|lane| lane.units.drain(..)).collect()
    }
}

/// A processor with nothing to do.
struct Idle<'a>(&'a Desk);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.inside().idle -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Slot;

    fn desk(mode: OrderMode) -> Desk {
        let queues = vec![("high".to_owned(), 0), ("low".to_owned(), 0)];
        Desk::new(&CapsuleInfo { name: "default".into(), concurrency: 1, mode, queues })
    }

    fn unit(queue: &str) -> UnitOfWork {
        let slot = Slot { batch: "1".into(), index: 1 };
        UnitOfWork { queue: queue.into(), payload: b"{}".to_vec().into(), slot }
    }

    async fn take_all(desk: &Desk) -> Vec<String> {
        desk.close();
        let mut queues = Vec::new();
        while let Some(unit) = desk.next().await {
            queues.push(unit.queue.to_string());
        }
        queues
    }

    #[tokio::test]
    async fn in_strict_order_a_high_queue_overtakes() {
        let desk = desk(OrderMode::Strict);
        desk.put(vec![unit("low"), unit("low")]);
        desk.put(vec![unit("high")]);
        assert_eq!(take_all(&desk).await, ["high", "low", "low"]);
    }

    #[tokio::test]
    async fn otherwise_jobs_are_taken_as_they_came() {
        let desk = desk(OrderMode::Weighted);
        desk.put(vec![unit("low"), unit("high")]);
        assert_eq!(take_all(&desk).await, ["low", "high"]);
    }

    #[tokio::test]
    async fn nothing_is_fetched_before_half_of_the_stock_is_gone() {
        let desk = desk(OrderMode::Strict);
        assert_eq!(desk.demand(0), 0);
        assert_eq!(desk.demand(9), 9);
        desk.put((0..9).map(|_| unit("low")).collect());
        for left in [8, 7, 6, 5] {
            assert_eq!(desk.demand(9), 0, "{left}");
            desk.next().await;
        }
        desk.next().await;
        assert_eq!(desk.demand(9), 5);
        assert_eq!(desk.demand(0), 0);
    }
}
