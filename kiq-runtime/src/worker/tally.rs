//! How often each class ran and how long that took, summed up here and told to the store with each heartbeat: a job costs a
//! look into a table, and no request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::broker::metrics::{HISTOGRAM_BUCKETS, bucket};
use crate::broker::{ClassRuns, ClassTotals};

use super::Shared;

/// Classes between two heartbeats; what is beyond is not counted. A program has some dozens, but a queue may hold anything.
const MOST_CLASSES: usize = 1000;

/// The runs since the last heartbeat.
#[derive(Debug, Default)]
pub(super) struct Tally {
    classes: Mutex<HashMap<String, ClassRuns>>,
    /// Stretches in which a job kept a thread of the runtime.
    blocked: AtomicU64,
}

impl Tally {
    fn classes(&self) -> MutexGuard<'_, HashMap<String, ClassRuns>> {
        self.classes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs that succeeded.
    pub(super) fn succeeded<'a>(&self, runs: impl Iterator<Item = (&'a str, Duration)>) {
        let mut classes = self.classes();
        let mut runs = runs.peekable();
        while let Some((class, elapsed)) = runs.next() {
            let Some(known) = entry(&mut classes, class) else { continue };
            count(known, elapsed);
            // Jobs of a kind come together, and are looked up together.
            while let Some((_, elapsed)) = runs.next_if(|(other, _)| *other == class) {
                count(known, elapsed);
            }
        }
    }

    /// A run that failed. As in Sidekiq, how long it took counts for nothing.
    pub(super) fn failed(&self, class: &str) {
        if let Some(known) = entry(&mut self.classes(), class) {
            known.totals.runs += 1;
            known.totals.failures += 1;
        }
    }

    /// A job keeps a thread of the runtime.
    pub(super) fn blocked(&self) {
        self.blocked.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn blocked_so_far(&self) -> u64 {
        self.blocked.load(Ordering::Relaxed)
    }

    fn take(&self) -> Vec<ClassRuns> {
        std::mem::take(&mut *self.classes()).into_values().collect()
    }

    fn put_back(&self, runs: Vec<ClassRuns>) {
        let mut classes = self.classes();
        for run in runs {
            let Some(known) = entry(&mut classes, &run.totals.class) else { continue };
            known.totals.runs += run.totals.runs;
            known.totals.failures += run.totals.failures;
            known.totals.millis += run.totals.millis;
            for (known, count) in known.durations.iter_mut().zip(run.durations) {
                *known = known.saturating_add(count);
            }
        }
    }
}

/// One that succeeded.
fn count(known: &mut ClassRuns, elapsed: Duration) {
    known.totals.runs += 1;
    known.totals.millis += u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX / 2);
    if let Some(count) = known.durations.get_mut(bucket(elapsed)) {
        *count = count.saturating_add(1);
    }
}

/// Not `HashMap::entry`: that would copy the name each time.
fn entry<'a>(classes: &'a mut HashMap<String, ClassRuns>, class: &str) -> Option<&'a mut ClassRuns> {
    if !classes.contains_key(class) {
        if classes.len() >= MOST_CLASSES {
            return None;
        }
        let totals = ClassTotals { class: class.to_owned(), ..ClassTotals::default() };
        classes.insert(class.to_owned(), ClassRuns { totals, durations: [0; HISTOGRAM_BUCKETS] });
    }
    classes.get_mut(class)
}

/// Tells the store. What it does not take is told the next time; if only its answer was lost, that is counted twice.
pub(super) async fn tell(shared: &Shared) {
    let runs = shared.tally.take();
    if runs.is_empty() {
        return;
    }
    if let Err(error) = shared.consumer.record(&runs, shared.clock.now()).await {
        tracing::debug!(%error, "how often jobs ran is told later");
        shared.tally.put_back(runs);
    }
}
