//! What a deploy changed: the runs before and after it, and the list of deploys beside the charts.

use std::collections::HashMap;
use std::time::Duration;

use kiq_runtime::Timestamp;
use kiq_runtime::inspect::{ClassTotals, Durations, Histogram, Runs};

use crate::charts::Mark;
use crate::frame::Frame;
use crate::numbers::{Numbers, Range};
use crate::view::{When, cut};

/// The least runs on each side that say something.
const RUNS_THAT_COUNT: u64 = 20;

/// What the pages of numbers have in common: the ranges, and the deploys.
pub(crate) struct Head {
    pub(crate) ranges: Vec<(String, bool)>,
    pub(crate) range: String,
    pub(crate) deploys: Vec<DeployRow>,
    /// The first word of the deploy that is compared: `a1b2c3d`.
    pub(crate) compared: Option<String>,
}

/// A deploy in the list beside the charts.
pub(crate) struct DeployRow {
    pub(crate) number: usize,
    pub(crate) label: String,
    pub(crate) at: When,
    pub(crate) is_compared: bool,
}

/// The deploys of a range, numbered from 1.
pub(crate) fn marks(numbers: &Numbers) -> Vec<Mark> {
    numbers.deploys.iter().enumerate().map(|(index, deploy)| Mark { at: deploy.at, number: index + 1 }).collect()
}

pub(crate) fn head(frame: &Frame, numbers: &Numbers, marks: &[Mark], compared: Option<&Mark>) -> Head {
    let deploys = numbers.deploys.iter().zip(marks).map(|(deploy, mark)| DeployRow {
        number: mark.number,
        label: cut(&deploy.label, 120),
        at: frame.when(deploy.at),
        is_compared: compared.is_some_and(|compared| compared.number == mark.number),
    });
    let deploys: Vec<DeployRow> = deploys.collect();
    let ranges = Range::OFFERED.iter().map(|range| (range.to_string(), *range == numbers.range));
    Head {
        ranges: ranges.collect(),
        range: numbers.range.to_string(),
        // The hash of a commit, as a rule.
        compared: deploys
            .iter()
            .find(|deploy| deploy.is_compared)
            .map(|deploy| cut(deploy.label.split_whitespace().next().unwrap_or_default(), 16)),
        deploys,
    }
}

/// What ran between the deploy before and this one, and between this one and the next.
pub(crate) struct Sides {
    /// The deploys around this one, if they are in the range.
    previous: Option<Timestamp>,
    at: Timestamp,
    next: Option<Timestamp>,
    before: Side,
    after: Side,
}

struct Side {
    totals: HashMap<String, ClassTotals>,
    minutes: f64,
}

impl Side {
    fn of(runs: &Runs) -> Self {
        let totals = runs.totals().into_iter().map(|totals| (totals.class.clone(), totals));
        let minutes = runs.steps.len() as f64 * runs.step.length().as_secs_f64() / 60.0;
        Side { totals: totals.collect(), minutes }
    }
}

/// What became of a class at a deploy.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// `p95 −9 %, failed +50 pt`.
    pub(crate) text: String,
    pub(crate) is_worse: bool,
}

impl Sides {
    pub(crate) fn of(runs: &Runs, marks: &[Mark], deploy: &Mark) -> Self {
        let neighbour = |number: usize| marks.iter().find(|mark| mark.number == number).map(|mark| mark.at);
        let (previous, next) = (neighbour(deploy.number.wrapping_sub(1)), neighbour(deploy.number + 1));
        let (before, after) = runs.around(deploy.at);
        let before = previous.map_or(before.clone(), |previous| before.around(previous).1);
        let after = next.map_or(after.clone(), |next| after.around(next).0);
        Sides { previous, at: deploy.at, next, before: Side::of(&before), after: Side::of(&after) }
    }

    /// One class's sums before and after.
    pub(crate) fn totals(&self, class: &str) -> [ClassTotals; 2] {
        [&self.before, &self.after].map(|side| side.totals.get(class).cloned().unwrap_or_default())
    }

    /// The minutes of both sides.
    pub(crate) fn minutes(&self) -> [f64; 2] {
        [self.before.minutes, self.after.minutes]
    }

    /// How long the runs of a class took before and after.
    pub(crate) fn durations(&self, histogram: &Histogram) -> [Durations; 2] {
        let (before, after) = histogram.around(self.at);
        let before = self.previous.map_or(before.clone(), |previous| before.around(previous).1);
        let after = self.next.map_or(after.clone(), |next| after.around(next).0);
        [before.total(), after.total()]
    }

    /// What became of a class, in a few words.
    pub(crate) fn change(&self, class: &str, histogram: &Histogram) -> Change {
        let [before, after] = self.totals(class);
        if before.runs < RUNS_THAT_COUNT || after.runs < RUNS_THAT_COUNT {
            return Change { text: "too few runs".to_owned(), is_worse: false };
        }
        let points = (after.failure_share() - before.failure_share()) * 100.0;
        let slower =
            |before: Duration, after: Duration| (after.as_secs_f64() / before.as_secs_f64().max(0.001) - 1.0) * 100.0;
        let (name, slower) = match self.durations(histogram).map(|durations| durations.percentile(0.95)) {
            [Some(before), Some(after)] => ("p95", slower(before, after)),
            _ => ("mean", slower(before.mean(), after.mean())),
        };
        let mut words = Vec::new();
        if slower.abs() >= 5.0 {
            words.push(format!("{name} {} %", signed(slower)));
        }
        if points.abs() >= 1.0 {
            words.push(format!("failed {} pt", signed(points)));
        }
        match words.is_empty() {
            true => Change { text: "as before".to_owned(), is_worse: false },
            false => Change { text: words.join(", "), is_worse: slower >= 50.0 || points >= 5.0 },
        }
    }
}

/// `+50`, `−9`.
fn signed(number: f64) -> String {
    match number {
        number if number >= 0.0 => format!("+{number:.0}"),
        number => format!("−{:.0}", -number),
    }
}

#[cfg(test)]
mod tests {
    use kiq_runtime::inspect::Step;

    use super::*;

    #[test]
    fn a_deploy_is_compared_with_what_is_between_it_and_its_neighbours() {
        let at = |minute: u32| Timestamp::from_micros(0) + Duration::from_secs(60) * minute;
        let ran = |minute: u32| {
            let runs = u64::from(minute) + 100;
            vec![ClassTotals { class: "A".to_owned(), runs, failures: runs / 2, millis: 100_000 }]
        };
        let runs = Runs::new(Step::Minute, (0..40).map(|minute| (at(minute), ran(minute))).collect());
        let marks = [1, 2, 3].map(|number| Mark { at: at(number * 10), number: number as usize });

        let sides = Sides::of(&runs, &marks, &marks[1]);

        assert_eq!(sides.minutes(), [9.0, 9.0], "of minutes 11 to 19, and 21 to 29");
        assert_eq!(sides.totals("A").map(|totals| totals.runs), [9 * 115, 9 * 125]);
        assert_eq!(Sides::of(&runs, &marks, &marks[0]).minutes(), [10.0, 9.0]);
        assert_eq!(Sides::of(&runs, &marks, &marks[2]).minutes(), [9.0, 9.0]);
        let change = sides.change("A", &Histogram::default());
        assert_eq!((&*change.text, change.is_worse), ("mean −8 %", false));
        assert_eq!(sides.change("B", &Histogram::default()).text, "too few runs");
    }
}
