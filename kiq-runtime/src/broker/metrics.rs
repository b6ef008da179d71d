//! How often each class ran, and how long that took: what workers write and readers draw, in Sidekiq's measure.

use std::time::Duration;

use crate::clock::Timestamp;

/// Counters of a histogram.
pub const HISTOGRAM_BUCKETS: usize = 26;

/// Upper ends of all but the last counter, in milliseconds, each exclusive. As Sidekiq's, since 7.0.
pub const HISTOGRAM_BOUNDS_MS: [u64; HISTOGRAM_BUCKETS - 1] = [
    20, 30, 45, 65, 100, 150, 225, 335, 500, 750, 1_100, 1_700, 2_500, 3_800, 5_750, 8_500, 13_000, 20_000, 30_000,
    45_000, 65_000, 100_000, 150_000, 225_000, 335_000,
];

/// How long minutes and their histograms are kept.
pub const MINUTES_KEPT: Duration = Duration::from_secs(8 * 3600);

/// How long ten minutes are kept.
pub const TEN_MINUTES_KEPT: Duration = Duration::from_secs(72 * 3600);

/// How long the mark of a deploy is kept.
pub const DEPLOYS_KEPT: Duration = Duration::from_secs(90 * 86_400);

/// Which counter a run belongs to.
pub fn bucket(elapsed: Duration) -> usize {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    HISTOGRAM_BOUNDS_MS.partition_point(|bound| *bound <= millis)
}

/// The width of a step of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Kept for 8 hours.
    Minute,
    /// Kept for 72 hours.
    TenMinutes,
}

impl Step {
    /// Its length.
    pub const fn length(self) -> Duration {
        match self {
            Step::Minute => Duration::from_secs(60),
            Step::TenMinutes => Duration::from_secs(600),
        }
    }

    /// The beginning of the step that has this instant in it.
    pub fn floor(self, at: Timestamp) -> Timestamp {
        let micros = i64::try_from(self.length().as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(at.as_micros() - at.as_micros().rem_euclid(micros))
    }

    /// The beginnings of all steps from that of `from` to that of `to`.
    pub(crate) fn between(self, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
        let mut at = self.floor(from);
        let mut steps = Vec::new();
        while at <= to {
            steps.push(at);
            at = at + self.length();
        }
        steps
    }
}

/// What one class ran in a step of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassTotals {
    /// The class.
    pub class: String,
    /// Runs that ended, well or not.
    pub runs: u64,
    /// Runs that failed.
    pub failures: u64,
    /// How long those that succeeded took together, in milliseconds.
    pub millis: u64,
}

/// The beginning of a step, and what ran in it, by class.
pub type StepRuns = (Timestamp, Vec<ClassTotals>);

/// How many runs took how long: the counters of [`HISTOGRAM_BOUNDS_MS`], and one for everything longer. Only runs that succeeded
/// are counted, as in Sidekiq.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durations(pub [u64; HISTOGRAM_BUCKETS]);

impl Durations {
    /// How many runs they count.
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// At most so long took that share of the runs (0.95, say): the bound of the counter, so the truth is below. `None` without
    /// runs, or when it is longer than the last bound.
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        let all = self.count();
        let wanted = (all as f64 * share.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut so_far = 0;
        for (count, bound) in self.0.iter().zip(HISTOGRAM_BOUNDS_MS) {
            so_far += count;
            if so_far >= wanted {
                return Some(Duration::from_millis(bound));
            }
        }
        None
    }
}

impl std::iter::Sum for Durations {
    fn sum<I: Iterator<Item = Durations>>(all: I) -> Durations {
        let mut sum = Durations::default();
        for one in all {
            sum.0.iter_mut().zip(one.0).for_each(|(sum, count)| *sum += count);
        }
        sum
    }
}

/// The beginning of a minute, and how many runs of one class took how long.
pub type MinuteDurations = (Timestamp, Durations);

/// What one class ran since the last telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassRuns {
    /// The sums.
    pub totals: ClassTotals,
    /// The runs that succeeded, by how long they took.
    pub durations: [u32; HISTOGRAM_BUCKETS],
}

/// A new version of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deploy {
    /// Since when, to the minute.
    pub at: Timestamp,
    /// What people call it: the hash and title of a commit, as a rule.
    pub label: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_belongs_to_the_first_counter_whose_bound_it_is_below() {
        let of = |millis| bucket(Duration::from_millis(millis));
        assert_eq!([of(0), of(19), of(20), of(29), of(334_999), of(335_000)], [0, 0, 1, 1, 24, 25]);
        assert_eq!(bucket(Duration::MAX), 25);
    }

    #[test]
    fn a_percentile_is_the_bound_that_so_many_runs_are_below() {
        let mut counts = [0; HISTOGRAM_BUCKETS];
        (counts[0], counts[4], counts[25]) = (90, 9, 1);
        let of = |share| Durations(counts).percentile(share).map(|time| time.as_millis());
        assert_eq!([of(0.5), of(0.9), of(0.95), of(0.999)], [Some(20), Some(20), Some(100), None]);
        assert_eq!(Durations::default().percentile(0.5), None);
    }

    #[test]
    fn steps_begin_at_whole_minutes() {
        let at = Timestamp::from_micros(1_795_452_509_500_000); // 16:48:29.5
        assert_eq!(Step::Minute.floor(at).to_string(), "2026-11-23T16:48:00Z");
        assert_eq!(Step::TenMinutes.floor(at).to_string(), "2026-11-23T16:40:00Z");
        assert_eq!(Step::Minute.between(at - Duration::from_secs(60), at).len(), 2);
    }
}
