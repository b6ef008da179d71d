//! Is this worker ready? Asked by whoever decides about the process from outside, through [`Controls`](super::Controls).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::clock::instant;

/// Whether a worker can be relied on to take jobs now.
///
/// It is made of what the worker knows already, and asks nobody: the answer comes at once, whatever Redis does.
///
/// # Examples
/// ```standalone_crate
/// use kiq::{Client, Worker};
///
/// #[kiq::job]
/// async fn greet(name: String) { println!("hello {name}"); }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let worker = Worker::builder().client(Client::in_memory()).build()?;
/// let controls = worker.controls(); // for the route `/ready` of your own server, say
/// assert_eq!(controls.health().unready, ["the worker has not started yet"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Why it is not ready, a sentence each; none when it is.
    pub unready: Vec<String>,
}

impl Health {
    /// Whether it takes jobs.
    pub fn is_ready(&self) -> bool {
        self.unready.is_empty()
    }
}

/// What is known of a worker's well-being, written where it happens.
#[derive(Clone, Debug)]
pub(super) struct Vitals(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    made: Instant,
    has_started: AtomicBool,
    has_stopped: AtomicBool,
    /// Milliseconds from `made` to the last heartbeat that the store confirmed.
    beat: AtomicU64,
    /// How long a heartbeat counts, in milliseconds.
    lease: AtomicU64,
    capsules: AtomicUsize,
    capsules_running: AtomicUsize,
}

impl Vitals {
    pub(super) fn new() -> Self {
        Vitals(Arc::new(Inside {
            made: instant(),
            has_started: AtomicBool::new(false),
            has_stopped: AtomicBool::new(false),
            beat: AtomicU64::new(0),
            lease: AtomicU64::new(0),
            capsules: AtomicUsize::new(0),
            capsules_running: AtomicUsize::new(0),
        }))
    }

    pub(super) fn started(&self, capsules: usize) {
        self.0.capsules.store(capsules, Ordering::Relaxed);
        self.0.has_started.store(true, Ordering::Release);
    }

    pub(super) fn stopped(&self) {
        self.0.has_stopped.store(true, Ordering::Release);
    }

    /// The store has confirmed a heartbeat, which holds for so long.
    pub(super) fn beat(&self, lease: Duration) {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.lease.store(millis(lease), Ordering::Relaxed);
        self.0.beat.store(millis(self.0.made.elapsed()), Ordering::Release);
    }

    /// To be held as long as a capsule fetches.
    pub(super) fn fetching(&self) -> Fetching {
        self.0.capsules_running.fetch_add(1, Ordering::Relaxed);
        Fetching(self.clone())
    }

    /// What is wrong with a worker that is, or is not, to take jobs.
    pub(super) fn faults(&self, is_to_fetch: bool) -> Vec<String> {
        if self.0.has_stopped.load(Ordering::Acquire) {
            return vec!["the worker has stopped".to_owned()];
        }
        if !self.0.has_started.load(Ordering::Acquire) {
            return vec!["the worker has not started yet".to_owned()];
        }
        let mut faults = Vec::new();
        let beat = Duration::from_millis(self.0.beat.load(Ordering::Acquire));
        let silence = self.0.made.elapsed().saturating_sub(beat);
        let lease = Duration::from_millis(self.0.lease.load(Ordering::Relaxed));
        if silence >= lease {
            faults.push(format!(
                "the store has not confirmed a heartbeat for {:.1} s (a lease is {:.1} s)",
                silence.as_secs_f64(),
                lease.as_secs_f64()
            ));
        }
        let capsules = self.0.capsules.load(Ordering::Relaxed);
        let running = self.0.capsules_running.load(Ordering::Relaxed);
        if is_to_fetch && running < capsules {
            faults.push(format!("{running} of {capsules} capsules take jobs"));
        }
        faults
    }
}

/// A capsule that fetches; dropped when it ends, however it does.
#[derive(Debug)]
pub(super) struct Fetching(Vitals);

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.0.capsules_running.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_ready_while_its_heartbeats_count_and_all_its_capsules_fetch() {
        let vitals = Vitals::new();
        assert_eq!(vitals.faults(true), ["the worker has not started yet"]);
        let (one, _two) = (vitals.fetching(), vitals.fetching());
        vitals.beat(Duration::from_secs(15));
        vitals.started(2);
        assert_eq!(vitals.faults(true), [""; 0]);
        drop(one);
        assert_eq!(vitals.faults(true), ["1 of 2 capsules take jobs"]);
        assert_eq!(vitals.faults(false), [""; 0]);
        vitals.beat(Duration::ZERO);
        assert!(vitals.faults(true)[0].contains("has not confirmed a heartbeat"));
        vitals.stopped();
        assert_eq!(vitals.faults(true), ["the worker has stopped"]);
    }
}
