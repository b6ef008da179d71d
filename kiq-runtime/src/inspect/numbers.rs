//! How often each class ran, and how long that took, over the last hours.

use std::time::Duration;

use crate::broker::metrics::{
    HISTOGRAM_BOUNDS_MS, HISTOGRAM_BUCKETS, MINUTES_KEPT, MinuteDurations, StepRuns, TEN_MINUTES_KEPT,
};
use crate::broker::{ClassTotals, Deploy, Step};
use crate::error::BrokerError;

use super::Inspector;

/// The longest label of a deploy, in characters.
const LONGEST_LABEL: usize = 200;

/// What ran over some time, step by step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Runs {
    /// The width of a step.
    pub step: Step,
    /// The beginning of each step, the earliest first, with what ran in it, by class.
    pub steps: Vec<StepRuns>,
}

impl Runs {
    /// Each class's sums, the one that took most time first.
    pub fn totals(&self) -> Vec<ClassTotals> {
        let mut sums = std::collections::BTreeMap::<&str, ClassTotals>::new();
        for step in self.steps.iter().flat_map(|(_, totals)| totals) {
            let sum = sums.entry(&step.class).or_default();
            sum.runs += step.runs;
            sum.failures += step.failures;
            sum.millis += step.millis;
        }
        let named = |(class, sum): (&str, ClassTotals)| ClassTotals { class: class.to_owned(), ..sum };
        let mut totals: Vec<ClassTotals> = sums.into_iter().map(named).collect();
        totals.sort_by_key(|totals| std::cmp::Reverse(totals.millis));
        totals
    }
}

impl ClassTotals {
    /// How long a run that succeeded took on average; zero without any.
    pub fn mean(&self) -> Duration {
        let succeeded = self.runs.saturating_sub(self.failures);
        Duration::from_millis(self.millis.checked_div(succeeded).unwrap_or(0))
    }
}

/// How long the runs of one class took, minute by minute.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Histogram {
    /// The beginning of each minute, the earliest first, with how many runs took how long: the counters of
    /// [`HISTOGRAM_BOUNDS_MS`], and one for everything longer.
    pub minutes: Vec<MinuteDurations>,
}

impl Histogram {
    /// The counters of all minutes together.
    pub fn total(&self) -> [u64; HISTOGRAM_BUCKETS] {
        let mut total = [0; HISTOGRAM_BUCKETS];
        for (_, counts) in &self.minutes {
            total.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        total
    }

    /// At most so long took that share of the runs (0.95, say). `None` without runs, or when it is longer than the last bound.
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        let total = self.total();
        let all: u64 = total.iter().sum();
        let wanted = (all as f64 * share.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut so_far = 0;
        for (count, bound) in total.iter().zip(HISTOGRAM_BOUNDS_MS) {
            so_far += count;
            if so_far >= wanted {
                return Some(Duration::from_millis(bound));
            }
        }
        None
    }
}

impl Inspector {
    /// What ran during the last `span`: up to 8 hours minute by minute, up to 72 hours by ten minutes. In Redis: one command a
    /// step, a hundred in one write; 481 steps at most.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn runs(&self, span: Duration) -> Result<Runs, BrokerError> {
        let (step, span) = match span {
            span if span <= MINUTES_KEPT => (Step::Minute, span),
            span => (Step::TenMinutes, span.min(TEN_MINUTES_KEPT)),
        };
        let now = self.now();
        Ok(Runs { step, steps: self.broker.runs(now - span, now, step).await? })
    }

    /// How long the runs of a class took during the last `span`, up to 8 hours. In Redis: one command a minute, a hundred in one
    /// write; 481 at most.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn histogram(&self, class: &str, span: Duration) -> Result<Histogram, BrokerError> {
        let now = self.now();
        Ok(Histogram { minutes: self.broker.durations(class, now - span.min(MINUTES_KEPT), now).await? })
    }

    /// The deploys of the last `span`, up to 90 days, the earliest first. In Redis: one command a day.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn deploys(&self, span: Duration) -> Result<Vec<Deploy>, BrokerError> {
        let now = self.now();
        self.broker.deploys(now - span, now).await
    }

    /// Notes that a new version of the application runs from now on; `label` is cut off after 200 characters. Every process of
    /// a deploy may tell: the first within a minute wins, and `false` is answered to the others. In Redis: one script, O(1).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn mark_deploy(&self, label: &str) -> Result<bool, BrokerError> {
        let label: String = label.chars().take(LONGEST_LABEL).collect();
        self.broker.mark_deploy(&label, self.now()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn a_percentile_is_the_bound_that_so_many_runs_are_below() {
        let mut counts = [0; HISTOGRAM_BUCKETS];
        counts[0] = 90;
        counts[4] = 9;
        counts[25] = 1;
        let histogram = Histogram { minutes: vec![(Timestamp::from_micros(0), counts)] };
        let of = |share| histogram.percentile(share);
        assert_eq!(
            [of(0.5), of(0.9), of(0.95), of(0.999)],
            [Some(20), Some(20), Some(100), None].map(|ms| ms.map(Duration::from_millis))
        );
        assert_eq!(Histogram { minutes: vec![] }.percentile(0.5), None);
    }
}
