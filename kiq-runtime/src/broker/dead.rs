//! How much the dead set keeps: in number and in time.

#[cfg(feature = "redis")]
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The most jobs the dead set keeps, unless told otherwise; the oldest go first. Sidekiq's `dead_max_jobs` (its trim keeps one
/// fewer).
pub const DEAD_SET_LIMIT: usize = 10_000;

/// How long the dead set keeps a job, unless told otherwise: 180 days, Sidekiq's `dead_timeout_in_seconds`.
pub const DEAD_SET_AGE: Duration = Duration::from_secs(15_552_000);

/// How much the dead set keeps. Whatever goes beyond leaves it, the oldest first, each time a job is added.
///
/// Ruby processes on the same Redis trim by limits of their own: the tightest of all counts.
///
/// # Examples
/// ```
/// use kiq::{App, DeadLimits};
/// use std::time::Duration;
///
/// let a_week = DeadLimits::default().jobs(50_000).age(Duration::from_secs(7 * 86_400));
/// let app = App::new().dead_limits(a_week);
/// # let _ = app;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLimits {
    jobs: usize,
    age: Duration,
}

impl Default for DeadLimits {
    /// Sidekiq's: 10,000 jobs, 180 days.
    fn default() -> Self {
        DeadLimits { jobs: DEAD_SET_LIMIT, age: DEAD_SET_AGE }
    }
}

impl DeadLimits {
    /// The largest number of jobs there may be: what Redis takes as a rank, with room to spare.
    pub(crate) const MOST_JOBS: usize = 1_000_000_000;

    /// At most so many jobs: from 1 to 1,000,000,000, and what is beyond is taken for the nearest of these. A job that shall not be
    /// kept at all says so itself: `#[job(dead = false)]`.
    #[must_use]
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.clamp(1, Self::MOST_JOBS);
        self
    }

    /// None that died longer ago than this; less than a minute is taken for a minute.
    #[must_use]
    pub fn age(mut self, age: Duration) -> Self {
        self.age = age.max(Duration::from_secs(60));
        self
    }

    /// How many jobs.
    pub fn max_jobs(self) -> usize {
        self.jobs
    }

    /// How old they may be.
    pub fn max_age(self) -> Duration {
        self.age
    }
}

/// The limits that all hands on one store share. Cheap to clone.
#[cfg(feature = "redis")]
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedLimits(Arc<Mutex<DeadLimits>>);

#[cfg(feature = "redis")]
impl SharedLimits {
    pub(crate) fn now(&self) -> DeadLimits {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, limits: DeadLimits) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_would_lose_the_job_that_is_added_are_not_taken() {
        let none = DeadLimits::default().jobs(0).age(Duration::ZERO);
        assert_eq!((none.max_jobs(), none.max_age()), (1, Duration::from_secs(60)));
        assert_eq!(DeadLimits::default().jobs(usize::MAX).max_jobs(), DeadLimits::MOST_JOBS);
    }
}
