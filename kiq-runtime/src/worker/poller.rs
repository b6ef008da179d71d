//! Due jobs go back to their queues.

use std::time::Duration;

use crate::broker::Promotion;
use crate::events::Event;
use crate::random;

use super::Shared;

/// Jobs moved in one step: more of them would make other users of the store wait for milliseconds.
const BATCH: usize = 100;

/// Moves everything that is due, and says how long to wait.
pub(super) async fn poll(shared: &Shared) -> Duration {
    let mut promoted = Promotion::default();
    loop {
        match shared.broker.promote(BATCH).await {
            Ok(step) => {
                promoted.moved += step.moved;
                promoted.buried += step.buried;
                promoted.next_in = step.next_in;
                if step.moved + step.buried == 0 || step.next_in != Some(Duration::ZERO) {
                    break;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "due jobs cannot be moved; trying again");
                break;
            }
        }
        if !shared.controls.is_running() {
            break;
        }
    }
    if promoted.buried > 0 {
        tracing::warn!(
            entries = promoted.buried,
            "no jobs, though they were scheduled; moved to the dead set as they are"
        );
    }
    if promoted.moved > 0 {
        tracing::debug!(jobs = promoted.moved, "due jobs moved to their queues");
        shared.events.tell(|| Event::Promoted { jobs: promoted.moved });
    }
    pause(shared.tuning.poll_interval, promoted.next_in, random::below)
}

/// Half to one and a half times the interval, so that processes spread out, as Sidekiq's poller does; less when the next job
/// is due sooner, but never under a fiftieth of the interval, so that a steady trickle of due jobs is moved in handfuls.
fn pause(interval: Duration, next_in: Option<Duration>, below: impl FnOnce(u64) -> u64) -> Duration {
    let spread = interval.mul_f64(0.5 + below(1024) as f64 / 1024.0);
    match next_in {
        // A millisecond more, so that it is due by then.
        Some(next_in) => spread.min((next_in + Duration::from_millis(1)).max(interval / 50)),
        None => spread,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    #[test]
    fn polls_are_spread_around_the_interval() {
        assert_eq!(pause(INTERVAL, None, |_| 0), Duration::from_millis(2500));
        assert_eq!(pause(INTERVAL, None, |n| n / 2), Duration::from_secs(5));
        assert!(pause(INTERVAL, None, |n| n - 1) < Duration::from_millis(7500));
    }

    #[test]
    fn a_job_that_is_due_sooner_is_moved_on_time_but_not_one_by_one() {
        let pause = |next_in| pause(INTERVAL, Some(next_in), |_| 0);
        assert_eq!(pause(Duration::from_secs(1)), Duration::from_millis(1001));
        assert_eq!(pause(Duration::ZERO), Duration::from_millis(100));
        assert_eq!(pause(Duration::from_secs(60)), Duration::from_millis(2500));
    }
}
