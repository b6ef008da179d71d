//! How often each class ran, and how long that took, over the last hours.

use std::time::Duration;

use crate::broker::metrics::{Durations, MINUTES_KEPT, MinuteDurations, StepRuns, TEN_MINUTES_KEPT};
use crate::broker::{ClassTotals, Deploy, Step};
use crate::clock::Timestamp;
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
    /// Steps that were read before, the earliest first.
    pub fn new(step: Step, steps: Vec<StepRuns>) -> Self {
        Runs { step, steps }
    }

    /// Without the steps that began before a moment.
    #[must_use]
    pub fn since(&self, moment: Timestamp) -> Runs {
        Runs { step: self.step, steps: self.steps.iter().filter(|(at, _)| *at >= moment).cloned().collect() }
    }

    /// Each class's sums, the one that took most time first.
    pub fn totals(&self) -> Vec<ClassTotals> {
        let mut sums = std::collections::BTreeMap::<&str, ClassTotals>::new();
        for step in self.steps.iter().flat_map(|(_, totals)| totals) {
            sums.entry(&step.class).or_default().add(step);
        }
        let named = |(class, sum): (&str, ClassTotals)| ClassTotals { class: class.to_owned(), ..sum };
        let mut totals: Vec<ClassTotals> = sums.into_iter().map(named).collect();
        totals.sort_by_key(|totals| std::cmp::Reverse(totals.millis));
        totals
    }

    /// What one class ran in each step, also in those in which it did not run.
    pub fn of(&self, class: &str) -> Vec<(Timestamp, ClassTotals)> {
        let nothing = || ClassTotals { class: class.to_owned(), ..ClassTotals::default() };
        let in_step = |totals: &[ClassTotals]| totals.iter().find(|totals| totals.class == class).cloned();
        self.steps.iter().map(|(at, totals)| (*at, in_step(totals).unwrap_or_else(nothing))).collect()
    }

    /// What ran before a moment (a deploy, say) and after it. The step it is in had some of both, and is in neither.
    pub fn around(&self, moment: Timestamp) -> (Runs, Runs) {
        let middle = self.step.floor(moment);
        let only = |side: &dyn Fn(Timestamp) -> bool| Runs {
            step: self.step,
            steps: self.steps.iter().filter(|(at, _)| side(*at)).cloned().collect(),
        };
        (only(&|at| at < middle), only(&|at| at > middle))
    }
}

impl ClassTotals {
    /// How long a run that succeeded took on average; zero without any.
    pub fn mean(&self) -> Duration {
        Duration::from_millis(self.millis.checked_div(self.succeeded()).unwrap_or(0))
    }

    /// Runs that succeeded.
    pub fn succeeded(&self) -> u64 {
        self.runs.saturating_sub(self.failures)
    }

    /// The share of the runs that failed, from 0 to 1; 0 without any.
    pub fn failure_share(&self) -> f64 {
        if self.runs == 0 { 0.0 } else { self.failures as f64 / self.runs as f64 }
    }

    fn add(&mut self, other: &ClassTotals) {
        self.runs += other.runs;
        self.failures += other.failures;
        self.millis += other.millis;
    }
}

/// How long the runs of one class took, minute by minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Histogram {
    /// The beginning of each minute, the earliest first, with how many runs took how long.
    pub minutes: Vec<MinuteDurations>,
}

impl Histogram {
    /// The counters of all minutes together.
    pub fn total(&self) -> Durations {
        self.minutes.iter().map(|(_, durations)| *durations).sum()
    }

    /// At most so long took that share of the runs (0.95, say). `None` without runs, or when it is longer than the last bound.
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        self.total().percentile(share)
    }

    /// Without the minutes that began before a moment.
    #[must_use]
    pub fn since(&self, moment: Timestamp) -> Histogram {
        Histogram { minutes: self.minutes.iter().filter(|(at, _)| *at >= moment).copied().collect() }
    }

    /// The minutes before a moment, and those after it; the one it is in is in neither.
    pub fn around(&self, moment: Timestamp) -> (Histogram, Histogram) {
        let middle = Step::Minute.floor(moment);
        let only = |side: &dyn Fn(Timestamp) -> bool| Histogram {
            minutes: self.minutes.iter().filter(|(at, _)| side(*at)).copied().collect(),
        };
        (only(&|at| at < middle), only(&|at| at > middle))
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

    /// How long the runs of a class took during the last `span`, up to 8 hours. In Redis: one command, of 481 keys at most.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn histogram(&self, class: &str, span: Duration) -> Result<Histogram, BrokerError> {
        let now = self.now();
        let minutes = Step::Minute.between(now - span.min(MINUTES_KEPT), now);
        let wanted: Vec<(&str, Timestamp)> = minutes.iter().map(|at| (class, *at)).collect();
        let durations = self.broker.durations(&wanted).await?;
        Ok(Histogram { minutes: minutes.into_iter().zip(durations).collect() })
    }

    /// The same of several classes, of the minutes of `runs` in which they ran; nothing when its steps are longer, because
    /// histograms are not kept for that long. In Redis: one command for 500 minutes of a class in which it ran, none for those
    /// in which it did not.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn histograms(&self, runs: &Runs, classes: &[&str]) -> Result<Vec<Histogram>, BrokerError> {
        let mut histograms = vec![Histogram::default(); classes.len()];
        if runs.step != Step::Minute {
            return Ok(histograms);
        }
        let mut wanted = Vec::new();
        let mut whose = Vec::new();
        for (at, totals) in &runs.steps {
            for ran in totals.iter().filter(|totals| totals.succeeded() > 0) {
                if let Some(index) = classes.iter().position(|class| *class == ran.class) {
                    wanted.push((ran.class.as_str(), *at));
                    whose.push(index);
                }
            }
        }
        let durations = self.broker.durations(&wanted).await?;
        for ((index, (_, at)), durations) in whose.into_iter().zip(&wanted).zip(durations) {
            if let Some(histogram) = histograms.get_mut(index) {
                histogram.minutes.push((*at, durations));
            }
        }
        Ok(histograms)
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
    use crate::broker::metrics::HISTOGRAM_BUCKETS;

    fn minute(number: u64) -> Timestamp {
        Timestamp::from_micros(0) + Duration::from_secs(60) * u32::try_from(number).unwrap_or(0)
    }

    #[test]
    fn the_minute_of_a_deploy_is_neither_before_nor_after_it() {
        let of = |class: &str, runs| ClassTotals { class: class.to_owned(), runs, failures: 1, millis: 0 };
        let steps = (0..4).map(|n| (minute(n), vec![of("A", n + 1), of("B", 9)])).collect();
        let runs = Runs { step: Step::Minute, steps };
        let mut one = [0; HISTOGRAM_BUCKETS];
        one[3] = 1;
        let histogram = Histogram { minutes: (0..4).map(|n| (minute(n), Durations(one))).collect() };
        let deploy = minute(1) + Duration::from_secs(59);

        let (before, after) = runs.around(deploy);

        let of_a = |runs: &Runs| runs.of("A").iter().map(|(_, totals)| totals.runs).collect::<Vec<_>>();
        assert_eq!((of_a(&before), of_a(&after)), (vec![1], vec![3, 4]));
        let totals = after.totals();
        let of_a = totals.iter().find(|totals| totals.class == "A");
        assert_eq!(of_a.map(ClassTotals::failure_share), Some(2.0 / 7.0));
        let (before, after) = histogram.around(deploy);
        assert_eq!((before.total().count(), after.total().count()), (1, 2));
        assert_eq!(runs.of("C").len(), 4);
        assert_eq!(ClassTotals::default().failure_share(), 0.0);
    }
}
