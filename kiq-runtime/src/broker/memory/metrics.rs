//! How often each class ran, minute by minute.

use std::collections::BTreeMap;

use crate::broker::metrics::{
    ClassRuns, ClassTotals, Durations, HISTOGRAM_BUCKETS, MINUTES_KEPT, Step, StepRuns, TEN_MINUTES_KEPT,
};
use crate::clock::Timestamp;

/// What ran, by the beginning of the step, then by class.
#[derive(Debug, Default)]
pub(super) struct Minutes {
    minutes: BTreeMap<Timestamp, BTreeMap<String, ClassRuns>>,
    ten_minutes: BTreeMap<Timestamp, BTreeMap<String, ClassTotals>>,
}

impl Minutes {
    pub(super) fn add(&mut self, runs: &[ClassRuns], at: Timestamp) {
        for run in runs {
            let class = &run.totals.class;
            let known = self.minutes.entry(Step::Minute.floor(at)).or_default();
            let known = known.entry(class.clone()).or_insert_with(|| nothing(class));
            add(&mut known.totals, &run.totals);
            for (known, new) in known.durations.iter_mut().zip(run.durations) {
                *known = known.saturating_add(new);
            }
            let known = self.ten_minutes.entry(Step::TenMinutes.floor(at)).or_default();
            add(known.entry(class.clone()).or_insert_with(|| nothing(class).totals), &run.totals);
        }
        self.minutes.retain(|minute, _| at.since(*minute) < MINUTES_KEPT);
        self.ten_minutes.retain(|step, _| at.since(*step) < TEN_MINUTES_KEPT);
    }

    pub(super) fn runs(&self, from: Timestamp, to: Timestamp, step: Step) -> Vec<StepRuns> {
        let of_step = |at: Timestamp| match step {
            Step::Minute => self.minutes.get(&at).map(|runs| runs.values().map(|run| run.totals.clone()).collect()),
            Step::TenMinutes => self.ten_minutes.get(&at).map(|runs| runs.values().cloned().collect()),
        };
        step.between(from, to).into_iter().map(|at| (at, of_step(at).unwrap_or_default())).collect()
    }

    pub(super) fn durations(&self, class: &str, at: Timestamp) -> Durations {
        let run = self.minutes.get(&Step::Minute.floor(at)).and_then(|runs| runs.get(class));
        Durations(run.map(|run| run.durations.map(u64::from)).unwrap_or_default())
    }
}

fn nothing(class: &str) -> ClassRuns {
    let totals = ClassTotals { class: class.to_owned(), ..ClassTotals::default() };
    ClassRuns { totals, durations: [0; HISTOGRAM_BUCKETS] }
}

fn add(known: &mut ClassTotals, new: &ClassTotals) {
    known.runs += new.runs;
    known.failures += new.failures;
    known.millis += new.millis;
}
