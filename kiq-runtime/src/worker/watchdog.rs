//! Notices a job that keeps a thread of the runtime, and names it: nothing else runs on that thread until it awaits.
//!
//! The clock is a counter that this duty, on the heartbeat's thread, moves on. A run writes the count down before each of its
//! polls, and a zero after: two writes into memory of its own, and no look at a clock.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use crate::events::Event;
use crate::job::Payload;

use super::Shared;

/// A class is told of once in so long: one bad deploy must not fill the log.
const QUIET_FOR: Duration = Duration::from_secs(60);

/// Where nothing is watched for, the duty sleeps so long.
const OFF: Duration = Duration::from_secs(3600);

/// The counter. It never stands at 0.
#[derive(Debug)]
pub(super) struct Ticks(AtomicU64);

impl Default for Ticks {
    fn default() -> Self {
        Ticks(AtomicU64::new(1))
    }
}

/// Where one processor writes down when a poll of its job began.
#[derive(Clone, Default)]
pub(super) struct Pulse(Arc<Times>);

#[derive(Default)]
struct Times {
    /// The count at which the present poll began; 0 between polls.
    polled: AtomicU64,
    /// The poll that was told of.
    told: AtomicU64,
}

impl fmt::Debug for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pulse({})", self.0.polled.load(Ordering::Relaxed))
    }
}

impl Pulse {
    /// Runs it, with each poll written down.
    pub(super) async fn watched<F: Future>(&self, ticks: &Ticks, run: F) -> F::Output {
        let mut run = std::pin::pin!(run);
        std::future::poll_fn(|cx| {
            self.0.polled.store(ticks.0.load(Ordering::Relaxed), Ordering::Relaxed);
            let polled: Poll<F::Output> = run.as_mut().poll(cx);
            self.0.polled.store(0, Ordering::Relaxed);
            polled
        })
        .await
    }

    /// For how many ticks the present poll has lasted.
    pub(super) fn lasts(&self, ticks: &Ticks) -> u64 {
        match self.0.polled.load(Ordering::Relaxed) {
            0 => 0,
            begun => ticks.0.load(Ordering::Relaxed).saturating_sub(begun),
        }
    }

    /// Whether this poll is not told of yet; it is from now on.
    fn is_news(&self) -> bool {
        let begun = self.0.polled.load(Ordering::Relaxed);
        begun != 0 && self.0.told.swap(begun, Ordering::Relaxed) != begun
    }
}

/// What the duty remembers: when a class was last told of, by the count, and how many runs were passed over since.
#[derive(Debug, Default)]
pub(super) struct Told(HashMap<String, (u64, u64)>);

/// The length of a tick: a poll that has lasted for more than two of them has lasted for `blocked_after`.
fn tick(after: Duration) -> Duration {
    (after / 2).max(Duration::from_millis(5))
}

/// Moves the counter on and looks at all processors; answers how long until the next look.
pub(super) fn look(shared: &Shared, told: &mut Told) -> Duration {
    let after = shared.tuning.blocked_after;
    if after.is_zero() {
        return OFF;
    }
    let tick = tick(after);
    shared.ticks.0.fetch_add(1, Ordering::Relaxed);
    for stuck in shared.work.stuck(&shared.ticks, 2) {
        if !stuck.pulse.is_news() {
            continue;
        }
        let elapsed = tick * u32::try_from(stuck.lasts).unwrap_or(u32::MAX);
        let Ok(job) = Payload::parse_raw(stuck.unit.payload.clone()) else { continue };
        let since = shared.clock.now() - elapsed;
        shared.tally.blocked();
        if let Some(others) = told.is_due(job.class(), shared.ticks.0.load(Ordering::Relaxed), tick) {
            tracing::warn!(
                class = job.class(),
                jid = %job.jid(),
                queue = &*stuck.unit.queue,
                %since,
                others,
                "a job has kept a thread of the runtime for {elapsed:?} without an await, and other jobs wait for it; make its \
                 function `fn` instead of `async fn`, which runs on a thread for blocking jobs, or put the slow part into \
                 `tokio::task::spawn_blocking`"
            );
        }
        let (class, jid) = (job.class().to_owned(), job.jid().clone());
        shared.events.tell(|| Event::Blocked { class, jid, since });
    }
    tick
}

impl Told {
    /// Whether this class is to be told of now, and how many of its runs were passed over before.
    fn is_due(&mut self, class: &str, now: u64, tick: Duration) -> Option<u64> {
        let pause = u64::try_from(QUIET_FOR.as_micros() / tick.as_micros().max(1)).unwrap_or(u64::MAX);
        match self.0.get_mut(class) {
            Some((last, passed)) if now.saturating_sub(*last) < pause => {
                *passed += 1;
                None
            }
            Some((last, passed)) => {
                *last = now;
                Some(std::mem::take(passed))
            }
            None => {
                self.0.insert(class.to_owned(), (now, 0));
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_told_of_once_a_minute_with_how_many_were_passed_over() {
        let tick = Duration::from_secs(1);
        let mut told = Told::default();
        let answers = [0, 1, 59, 60, 61].map(|now| told.is_due("Crunch", now, tick));
        assert_eq!(answers, [Some(0), None, None, Some(2), None]);
        assert_eq!(told.is_due("Other", 61, tick), Some(0));
    }

    #[tokio::test]
    async fn a_poll_is_written_down_while_it_lasts() {
        let (ticks, pulse) = (Ticks::default(), Pulse::default());
        let run = async {
            assert_eq!(pulse.lasts(&ticks), 0);
            ticks.0.fetch_add(3, Ordering::Relaxed);
            assert_eq!((pulse.lasts(&ticks), pulse.is_news(), pulse.is_news()), (3, true, false));
            tokio::task::yield_now().await;
            assert_eq!(pulse.lasts(&ticks), 0, "it has awaited since");
        };
        pulse.watched(&ticks, run).await;
        assert_eq!((pulse.lasts(&ticks), pulse.is_news()), (0, false));
    }
}
