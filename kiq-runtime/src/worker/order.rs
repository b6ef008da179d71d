//! In which order a capsule asks its queues.

use crate::broker::{CapsuleInfo, OrderMode};

/// The next order of a capsule's queues, by its mode.
#[derive(Debug)]
pub(super) struct QueueOrder {
    /// Each queue as often as its weight says; once in strict order.
    tickets: Vec<String>,
    is_strict: bool,
    all: Vec<String>,
    /// Those that nobody paused.
    open: Vec<String>,
}

impl QueueOrder {
    pub(super) fn new(capsule: &CapsuleInfo) -> Self {
        let names: Vec<String> = capsule.queues.iter().map(|(name, _)| name.clone()).collect();
        let repeat = |(name, weight): &(String, u32)| vec![name.clone(); (*weight).max(1) as usize];
        QueueOrder {
            tickets: capsule.queues.iter().flat_map(repeat).collect(),
            is_strict: capsule.mode == OrderMode::Strict,
            open: names.clone(),
            all: names,
        }
    }

    /// Leaves out those that are paused, and takes in again those that are not any more.
    pub(super) fn leave_out(&mut self, paused: &[String]) {
        self.open = self.all.iter().filter(|name| !paused.contains(name)).cloned().collect();
    }

    /// All queues that are not paused, as they were given.
    pub(super) fn names(&self) -> &[String] {
        &self.open
    }

    /// The order to ask in now. As Sidekiq's fetcher: unless it is strict, the tickets are shuffled for every fetch, and
    /// each queue stands where its first ticket came up; so it is first as often as its share of the tickets.
    pub(super) fn next(&mut self, mut below: impl FnMut(u64) -> u64) -> Vec<String> {
        if self.is_strict {
            return self.open.clone();
        }
        // Fisher and Yates.
        for last in (1..self.tickets.len()).rev() {
            let other = usize::try_from(below(last as u64 + 1)).unwrap_or(0);
            self.tickets.swap(last, other);
        }
        let mut order: Vec<String> = Vec::with_capacity(self.open.len());
        for ticket in &self.tickets {
            if !order.contains(ticket) && self.open.contains(ticket) {
                order.push(ticket.clone());
            }
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    fn order(mode: OrderMode, queues: &[(&str, u32)]) -> QueueOrder {
        let queues = queues.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
        QueueOrder::new(&CapsuleInfo { name: "default".into(), concurrency: 1, mode, queues })
    }

    #[test]
    fn strict_order_is_the_given_one_every_time() {
        let mut strict = order(OrderMode::Strict, &[("high", 0), ("low", 0)]);
        for _ in 0..10 {
            assert_eq!(strict.next(random::below), ["high", "low"]);
        }
    }

    #[test]
    fn a_paused_queue_is_left_out_until_it_is_resumed() {
        for (mode, weight) in [(OrderMode::Strict, 0), (OrderMode::Weighted, 2)] {
            let mut order = order(mode, &[("high", weight), ("low", weight)]);
            order.leave_out(&["high".to_owned(), "other".to_owned()]);
            assert_eq!((order.next(random::below), order.names()), (vec!["low".to_owned()], &["low".to_owned()][..]));
            order.leave_out(&[]);
            assert_eq!(order.next(random::below).len(), 2);
        }
    }

    #[test]
    fn a_queue_comes_first_as_often_as_its_weight_says() {
        let mut weighted = order(OrderMode::Weighted, &[("a", 6), ("b", 3), ("c", 1)]);
        let mut first = [0; 3];
        for _ in 0..10_000 {
            let order = weighted.next(random::below);
            assert_eq!(order.len(), 3);
            first[["a", "b", "c"].iter().position(|name| *name == order[0]).unwrap()] += 1;
        }
        // Six standard deviations around 6,000, 3,000 and 1,000 of 10,000.
        assert!((5700..6300).contains(&first[0]), "{first:?}");
        assert!((2725..3275).contains(&first[1]), "{first:?}");
        assert!((820..1180).contains(&first[2]), "{first:?}");
    }
}
