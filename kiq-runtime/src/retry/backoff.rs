//! How long to wait before each retry, and the whole schedule as a table.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// How long to wait before the next try.
///
/// # Examples
/// ```
/// use kiq::Backoff;
/// use std::time::Duration;
///
/// assert_eq!(Backoff::Sidekiq.delay(3, |_| 0), Duration::from_secs(3 * 3 * 3 * 3 + 15));
/// let quick = Backoff::custom(|retry| Duration::from_millis(100) * (retry + 1));
/// assert_eq!(quick.delay(1, |_| 0), Duration::from_millis(200));
/// ```
#[derive(Clone, Default)]
pub enum Backoff {
    /// `retry⁴ + 15` seconds and a random 0 to `10 × (retry + 1) − 1` more: 25 retries take about 20 days. The formula and
    /// the jitter of Sidekiq 8.
    #[default]
    Sidekiq,
    /// A function of the number of retries so far (0 before the first); its answer is taken as it is.
    Custom(Arc<dyn Fn(u32) -> Duration + Send + Sync>),
}

impl Backoff {
    /// A function of the number of retries so far (0 before the first). Add your own jitter.
    pub fn custom(delay: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        Backoff::Custom(Arc::new(delay))
    }

    /// When each of `retries` retries comes: to be printed, as a table.
    ///
    /// # Examples
    /// ```
    /// use kiq::Backoff;
    ///
    /// let schedule = Backoff::Sidekiq.schedule(25);
    /// println!("{schedule}");
    /// let last = schedule.rows().last().ok_or("no retries")?;
    /// assert_eq!((last.since_first.0.as_secs() / 86_400, last.since_first.1.as_secs() / 86_400), (20, 20));
    /// # Ok::<(), &str>(())
    /// ```
    pub fn schedule(&self, retries: u32) -> Schedule {
        let mut since_first = (Duration::ZERO, Duration::ZERO);
        let rows = (0..retries).map(|retry| {
            let wait = (self.delay(retry, |_| 0), self.delay(retry, |n| n.saturating_sub(1)));
            since_first = (since_first.0.saturating_add(wait.0), since_first.1.saturating_add(wait.1));
            ScheduleRow { retry: retry + 1, wait, since_first }
        });
        Schedule { rows: rows.collect() }
    }

    /// The wait before retry number `retry` (0 is the first). `below(n)` is a random whole number below `n`.
    pub fn delay(&self, retry: u32, below: impl FnOnce(u64) -> u64) -> Duration {
        match self {
            Backoff::Sidekiq => {
                let seconds = u64::from(retry).saturating_pow(4).saturating_add(15);
                Duration::from_secs(seconds).saturating_add(jitter(retry, below))
            }
            Backoff::Custom(delay) => match catch_unwind(AssertUnwindSafe(|| delay(retry))) {
                Ok(delay) => delay,
                Err(_) => {
                    tracing::error!(retry, "the worker's own back-off panicked; Sidekiq's is used instead");
                    Backoff::Sidekiq.delay(retry, below)
                }
            },
        }
    }
}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backoff::Sidekiq => "Sidekiq",
            Backoff::Custom(_) => "Custom",
        })
    }
}

/// When the retries of a job come: [`Backoff::schedule`]. Runs themselves take no time in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    rows: Vec<ScheduleRow>,
}

/// One retry in a [`Schedule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleRow {
    /// Its number, from 1.
    pub retry: u32,
    /// The shortest and the longest wait before it.
    pub wait: (Duration, Duration),
    /// The earliest and the latest it comes after the first failure.
    pub since_first: (Duration, Duration),
}

impl Schedule {
    /// The retries in order.
    pub fn rows(&self) -> &[ScheduleRow] {
        &self.rows
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>5}  {:>24}  {:>24}", "retry", "wait", "after the first failure")?;
        for row in &self.rows {
            let between = |(least, most): (Duration, Duration)| match spoken(least) == spoken(most) {
                true => spoken(least),
                false => format!("{} to {}", spoken(least), spoken(most)),
            };
            writeln!(f, "{:>5}  {:>24}  {:>24}", row.retry, between(row.wait), between(row.since_first))?;
        }
        Ok(())
    }
}

/// A time in its two largest units: `3h 5m`.
fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{}ms", time.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// As Sidekiq 8: added to every wait but that of a [`Backoff::Custom`].
pub(super) fn jitter(retry: u32, below: impl FnOnce(u64) -> u64) -> Duration {
    Duration::from_secs(below(10 * (u64::from(retry) + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_five_retries_take_about_twenty_days() {
        let days = |below: fn(u64) -> u64| {
            let total: Duration = (0..25).map(|retry| Backoff::Sidekiq.delay(retry, below)).sum();
            total.as_secs() / 86_400
        };
        assert_eq!(days(|_| 0), 20);
        assert_eq!(days(|n| n - 1), 20);
    }

    #[test]
    fn an_absurd_number_of_retries_does_not_overflow() {
        assert_eq!(Backoff::Sidekiq.delay(u32::MAX, |_| 0), Duration::from_secs(u64::MAX));
    }
}
