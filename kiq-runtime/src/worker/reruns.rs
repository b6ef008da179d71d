//! How many jobs run again that had been taken, by cause.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Jobs that run again, or may, though a worker had taken them; by what one worker saw since it was built.
///
/// At-least-once has this price, and these are the receipts. Each is counted where it is noticed: a process that was
/// cut off counts its job in `lease_lost`, and who took it over in `reclaimed`, so a sum over all workers is an upper bound. Of
/// what another process held nobody can say how much had begun, so all of it is counted; jobs that were given back unbegun
/// are not.
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
/// let controls = worker.controls(); // for the metrics, say
/// assert_eq!(controls.reruns().total(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reruns {
    /// Put back here from a process that is gone: it died, or could not renew its lease.
    pub reclaimed: u64,
    /// Ended here after this worker's own lease had run out: others had put them back by then.
    pub lease_lost: u64,
    /// Stopped here at the end of the shutdown timeout, and given back.
    pub cut_off: u64,
    /// Succeeded here, and the store did not hear of it before this worker had to stop.
    pub unheard: u64,
}

impl Reruns {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.reclaimed + self.lease_lost + self.cut_off + self.unheard
    }
}

/// Counts them.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts(Arc<Inside>);

#[derive(Debug, Default)]
struct Inside {
    reclaimed: AtomicU64,
    lease_lost: AtomicU64,
    cut_off: AtomicU64,
    unheard: AtomicU64,
}

impl Counts {
    pub(super) fn reclaimed(&self, jobs: usize) {
        self.0.reclaimed.fetch_add(jobs as u64, Ordering::Relaxed);
    }

    pub(super) fn lease_lost(&self) {
        self.0.lease_lost.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn cut_off(&self, jobs: usize) {
        self.0.cut_off.fetch_add(jobs as u64, Ordering::Relaxed);
    }

    pub(super) fn unheard(&self, jobs: u64) {
        self.0.unheard.fetch_add(jobs, Ordering::Relaxed);
    }

    pub(super) fn so_far(&self) -> Reruns {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Reruns {
            reclaimed: of(&self.0.reclaimed),
            lease_lost: of(&self.0.lease_lost),
            cut_off: of(&self.0.cut_off),
            unheard: of(&self.0.unheard),
        }
    }
}
