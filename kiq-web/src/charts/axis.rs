//! Scales with labels at round values: from 0 up, of time, and of durations on a log scale.

use std::ops::Range;

use kiq_runtime::Timestamp;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

use crate::view::When;

const MINUTE: i64 = 60_000_000;

/// A scale, and where its labels are.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    from: f64,
    to: f64,
    is_log: bool,
    pub(super) ticks: Vec<f64>,
}

impl Axis {
    /// From 0 to `most`, with two to five labels.
    pub(super) fn up_to(most: f64) -> Self {
        let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
        let magnitude = 10_f64.powf((most / 4.0).log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|step| step * magnitude).find(|step| step * 4.0 >= most);
        let step = step.unwrap_or(most);
        let ticks = (0..=4).map(|number| step * f64::from(number)).filter(|tick| *tick <= most).collect();
        // A little above, so that the highest line is not half outside.
        Axis { from: 0.0, to: most * 1.02, is_log: false, ticks }
    }

    /// As `up_to`, for what is counted: no labels between whole numbers.
    pub(super) fn counting_to(most: f64) -> Self {
        let mut axis = Axis::up_to(most.max(1.0));
        axis.ticks.retain(|tick| tick.fract() == 0.0);
        axis
    }

    /// From one instant to another, with at most so many labels at round times of day.
    pub(super) fn of_time(from: Timestamp, to: Timestamp, labels: usize) -> Self {
        let (from, to) = (from.as_micros(), to.as_micros().max(from.as_micros().saturating_add(MINUTE)));
        let steps = [1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440, 2880].map(|minutes| minutes * MINUTE);
        let fits = |step: &&i64| usize::try_from((to - from) / **step).unwrap_or(usize::MAX) < labels;
        let step = steps.iter().find(fits).copied().unwrap_or(to - from);
        let first = from + (step - from.rem_euclid(step)) % step;
        let ticks = (0..labels as i64).map(|n| first + n * step).filter(|tick| *tick <= to).map(|tick| tick as f64);
        Axis { from: from as f64, to: to as f64, is_log: false, ticks: ticks.collect() }
    }

    /// From a few milliseconds to ten minutes, on a log scale.
    pub(super) fn of_durations() -> Self {
        Axis { from: SHORTEST, to: LONGEST, is_log: true, ticks: vec![20.0, 100.0, 1000.0, 10_000.0, 100_000.0] }
    }

    /// With so much more above its labels, for what is written there.
    pub(super) fn with_room(mut self, share: f64) -> Self {
        self.to += (self.to - self.from) * share;
        self
    }
}

/// The ends of a scale of durations, in milliseconds: those of the first counter and of the last, which has no bound, are drawn
/// as wide as the others.
pub(super) const SHORTEST: f64 = 13.0;
pub(super) const LONGEST: f64 = 500_000.0;

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let place = |value: f64| if self.is_log { value.max(self.from).ln() } else { value };
        let share = (place(*value) - place(self.from)) / (place(self.to) - place(self.from));
        let share = if share.is_finite() { share.clamp(-0.01, 1.01) } else { 0.0 };
        limit.0 + (f64::from(limit.1 - limit.0) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

/// `16:40`; the day where one begins: `24 Nov`.
pub(super) fn time_label(micros: f64) -> String {
    let at = Timestamp::from_micros(micros as i64);
    match (micros as i64).rem_euclid(1440 * MINUTE) {
        // A year away, it is shown with its day.
        0 => day(at),
        _ => clock(at),
    }
}

/// `16:40`.
pub(super) fn clock(at: Timestamp) -> String {
    at.to_string().get(11..16).unwrap_or_default().to_owned()
}

/// `16:40`; with its day in a time of more than one: `24 Nov 16:40`.
pub(super) fn moment(at: Timestamp, from: Timestamp, to: Timestamp) -> String {
    match to.since(from) > std::time::Duration::from_secs(86_400) {
        true => format!("{} {}", day(at), clock(at)),
        false => clock(at),
    }
}

/// `24 Nov`.
fn day(at: Timestamp) -> String {
    let shown = When::new(at, at + std::time::Duration::from_secs(86_400)).clock;
    shown.rsplit_once(' ').map_or(shown.clone(), |(day, _)| day.to_owned())
}

/// `0`, `0.5`, `120`, `4k`, `1.2M`.
pub(crate) fn number_label(number: f64) -> String {
    let (number, unit) = match number.abs() {
        most if most >= 1e9 => (number / 1e9, "G"),
        most if most >= 1e6 => (number / 1e6, "M"),
        most if most >= 1e4 => (number / 1e3, "k"),
        _ => (number, ""),
    };
    let digits = match number.abs() {
        most if most >= 100.0 || number.fract() == 0.0 => 0,
        most if most >= 1.0 => 1,
        most if most >= 0.1 => 2,
        _ => 4,
    };
    format!("{}{unit}", trimmed(format!("{number:.digits$}")))
}

/// Without noughts at its end.
fn trimmed(number: String) -> String {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => number,
    }
}

/// `20 ms`, `1.1 s`, `100 s`, of milliseconds.
pub(crate) fn duration_label(millis: f64) -> String {
    match millis {
        millis if millis < 1000.0 => format!("{} ms", number_label(millis)),
        millis => format!("{} s", trimmed(format!("{:.2}", millis / 1000.0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_at_round_numbers_and_reach_the_top() {
        for (most, ticks) in [
            (4100.0, vec![0.0, 2000.0, 4000.0]),
            (0.0, vec![0.0, 0.25]),
            (1.0, vec![0.0, 0.25, 0.5, 0.75, 1.0]),
            (110.0, vec![0.0, 50.0, 100.0]),
        ] {
            let axis = Axis::up_to(most);
            assert!(axis.ticks.starts_with(&ticks), "{most}: {:?}", axis.ticks);
            assert!(axis.ticks.len() <= 5 && axis.to >= most, "{most}: {axis:?}");
        }
        assert_eq!(Axis::counting_to(0.0).ticks, [0.0, 1.0]);
        assert_eq!(Axis::counting_to(3.0).ticks, [0.0, 1.0, 2.0, 3.0]);
        for odd in [f64::NAN, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE, -5.0] {
            assert!(Axis::up_to(odd).ticks.len() <= 5, "{odd}");
        }
    }

    #[test]
    fn times_are_labelled_at_round_times_of_day() {
        let now = Timestamp::from_micros(1_795_451_848_306_823); // 2026-11-23T16:37:28
        let labels = |hours: u64, most| {
            let axis = Axis::of_time(now - std::time::Duration::from_secs(hours * 3600), now, most);
            axis.ticks.iter().map(|tick| time_label(*tick)).collect::<Vec<_>>()
        };
        assert_eq!(labels(8, 6), ["10:00", "12:00", "14:00", "16:00"]);
        assert_eq!(labels(1, 6), ["15:45", "16:00", "16:15", "16:30"]);
        assert_eq!(labels(72, 6), ["21 Nov", "22 Nov", "23 Nov"]);
        assert!(labels(8, 4).len() <= 4);
        let hours = |hours: u64| moment(now, now - std::time::Duration::from_secs(hours * 3600), now);
        assert_eq!([hours(8), hours(72)], ["16:37", "23 Nov 16:37"]);
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [0.0, 0.005, 0.25, 0.5, 1.5, 120.0, 4000.0, 12_500.0, 1_200_000.0];
        assert_eq!(numbers.map(number_label), ["0", "0.005", "0.25", "0.5", "1.5", "120", "4000", "12.5k", "1.2M"]);
        assert_eq!(
            [20.0, 750.0, 1100.0, 3800.0, 5750.0, 335_000.0].map(duration_label),
            ["20 ms", "750 ms", "1.1 s", "3.8 s", "5.75 s", "335 s"]
        );
    }
}
