//! Puts back what processes hold that are gone.

use std::time::Duration;

use crate::events::Event;
use crate::random;

use super::Shared;

/// One look, and how long until the next: a third of the lease, spread so that processes do not look all at once.
pub(super) async fn reclaim(shared: &Shared) -> Duration {
    match shared.consumer.reclaim().await {
        Ok(found) => {
            for reclaimed in found.into_iter().filter(|reclaimed| reclaimed.jobs > 0) {
                let (owner, queue, jobs) = (&reclaimed.owner, &reclaimed.queue, reclaimed.jobs);
                tracing::warn!(owner, queue, jobs, "put back the jobs of a process that is gone; they will run again");
                // What was ours had been handed out without our hearing of it, and not begun.
                if *owner != *shared.identity.as_str() {
                    shared.controls.reruns.reclaimed(jobs);
                }
                shared.events.tell(|| Event::Reclaimed(reclaimed.clone()));
            }
        }
        Err(error) => tracing::debug!(%error, "cannot look for jobs of lost processes; trying again"),
    }
    (shared.tuning.lease / 3).mul_f64(0.75 + random::below(512) as f64 / 1024.0)
}
