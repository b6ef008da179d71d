//! Metrics: which class eats the time, which fails, what changed at the deploy. Up to 8 hours what the sampler has read, and one
//! command for each class that is listed; beyond, one command for each ten minutes, once in 10 seconds.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use kiq_runtime::inspect::{ClassTotals, Runs};
use serde::Deserialize;

use crate::app::Shared;
use crate::charts::{Figure, Line, MOST_SERIES, Mark, Series, Svg, spark};
use crate::fault::Fault;
use crate::frame::Frame;
use crate::numbers::{Numbers, Range, ended};
use crate::view::{count, percent, query};

use super::compare::{Change, Head, Sides, head, marks};
use super::html;

/// Classes in the table.
const ROWS: usize = 40;

#[derive(Template)]
#[template(path = "metrics.html")]
struct Page {
    frame: Frame,
    head: Head,
    /// What ran, in a sentence.
    summary: String,
    figures: Vec<Figure>,
    rows: Vec<Row>,
    columns: Vec<Column>,
    /// Classes that ran.
    classes: usize,
    has_durations: bool,
}

/// A heading that sorts.
struct Column {
    name: &'static str,
    key: &'static str,
    is_number: bool,
    /// `ascending` or `descending`, if the table is sorted by it.
    sorted: &'static str,
}

struct Row {
    class: String,
    runs: String,
    failed: String,
    share: String,
    is_bad: bool,
    total: String,
    mean: String,
    percentiles: Vec<String>,
    trend: Svg,
    since: Option<Change>,
}

/// What is asked for.
#[derive(Deserialize)]
pub(crate) struct Asked {
    range: Option<String>,
    /// Sidekiq's name for it.
    period: Option<String>,
    sort: Option<String>,
    compare: Option<usize>,
}

impl Asked {
    pub(crate) fn range(&self) -> Result<Range, Fault> {
        Range::parse(self.range.as_deref().or(self.period.as_deref()))
    }

    /// Which deploy is compared: the last one, if nobody says.
    pub(crate) fn deploy<'a>(&self, marks: &'a [Mark]) -> Option<&'a Mark> {
        match self.compare {
            Some(number) => marks.iter().find(|mark| mark.number == number),
            None => marks.last(),
        }
    }
}

pub(crate) async fn show(
    State(app): State<Shared>,
    Query(asked): Query<Asked>,
    frame: Frame,
) -> Result<Response, Fault> {
    let range = asked.range()?;
    let numbers = app.numbers.read(frame.sample()?, range).await?;
    let marks = marks(&numbers);
    let mut totals = numbers.runs.totals();
    let classes = totals.len();
    let sort = Sort::parse(asked.sort.as_deref())?;
    sort.totals(&mut totals);
    totals.truncate(ROWS);
    let names: Vec<&str> = totals.iter().map(|totals| totals.class.as_str()).collect();
    let has_durations = range.has_minutes();
    let histograms = match has_durations {
        true => app.numbers.histograms(frame.sample()?, &names).await?,
        false => Vec::new(),
    };
    let compared = asked.deploy(&marks);
    let whole = ended(&numbers.runs, frame.now);
    let sides = compared.map(|mark| Sides::of(&whole, &marks, mark));
    let trends = trends(&whole, &names);
    let from = frame.now - range.length();
    let mut rows: Vec<(Row, [Option<Duration>; 3])> = Vec::with_capacity(totals.len());
    for (index, (totals, trend)) in totals.iter().zip(&trends).enumerate() {
        let histogram = histograms.get(index).map(|histogram| histogram.since(from)).unwrap_or_default();
        let durations = histogram.total();
        let percentiles = [0.5, 0.95, 0.99].map(|share| durations.percentile(share));
        let row = Row {
            class: totals.class.clone(),
            runs: count(totals.runs),
            failed: count(totals.failures),
            share: percent(totals.failures, totals.runs),
            is_bad: totals.failure_share() >= 0.05,
            total: work(totals.millis),
            mean: time(totals.mean()),
            percentiles: percentiles.iter().map(|at| bound(*at, durations.count())).collect(),
            trend: spark(trend),
            since: sides.as_ref().map(|sides| sides.change(&totals.class, &histogram)),
        };
        rows.push((row, percentiles));
    }
    if let Some(index) = sort.percentile() {
        // What is longer than the last bound is longest; what has no runs comes last.
        rows.sort_by_key(|(row, of)| {
            Reverse(of.get(index).copied().flatten().map_or(u128::from(row.mean != NONE), |time| time.as_millis() + 2))
        });
    }
    html(&Page {
        summary: summary(&numbers, classes),
        figures: vec![busy(&whole, &marks)?, failed(&whole, &marks, None)?],
        rows: rows.into_iter().map(|(row, _)| row).collect(),
        columns: sort.columns(has_durations),
        classes,
        has_durations,
        head: head(&frame, &numbers, &marks, compared),
        frame,
    })
}

/// Stands for what is not known.
const NONE: &str = "–";

/// By what the table is sorted, the most first; names from A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sort(&'static str);

const COLUMNS: [(&str, &str, bool); 9] = [
    ("Class", "class", false),
    ("Runs", "runs", true),
    ("Failed", "failed", true),
    ("Share", "share", true),
    ("Total", "total", true),
    ("Mean", "mean", true),
    ("p50", "p50", true),
    ("p95", "p95", true),
    ("p99", "p99", true),
];

impl Sort {
    fn parse(key: Option<&str>) -> Result<Self, Fault> {
        let Some(key) = key else { return Ok(Sort("total")) };
        let known = COLUMNS.iter().find(|(_, known, _)| *known == key).map(|(_, known, _)| Sort(known));
        known.ok_or_else(|| {
            let keys: Vec<&str> = COLUMNS.iter().map(|(_, key, _)| *key).collect();
            Fault::invalid(format!("cannot sort by {:?}: take one of {}", crate::view::cut(key, 20), keys.join(", ")))
        })
    }

    fn percentile(self) -> Option<usize> {
        ["p50", "p95", "p99"].iter().position(|key| *key == self.0)
    }

    /// All but percentiles, which are read only for the classes that took most time.
    fn totals(self, totals: &mut [ClassTotals]) {
        match self.0 {
            "class" => totals.sort_by(|one, other| one.class.cmp(&other.class)),
            "runs" => totals.sort_by_key(|totals| Reverse(totals.runs)),
            "failed" => totals.sort_by_key(|totals| Reverse(totals.failures)),
            "share" => totals.sort_by(|one, other| other.failure_share().total_cmp(&one.failure_share())),
            "mean" => totals.sort_by_key(|totals| Reverse(totals.mean())),
            _ => totals.sort_by_key(|totals| Reverse(totals.millis)),
        }
    }

    fn columns(self, has_durations: bool) -> Vec<Column> {
        let shown = COLUMNS.iter().filter(|(_, key, _)| has_durations || !key.starts_with('p'));
        let column = |(name, key, is_number): &(&'static str, &'static str, bool)| Column {
            name,
            key,
            is_number: *is_number,
            sorted: match (*key == self.0, *is_number) {
                (false, _) => "",
                (true, true) => "descending",
                (true, false) => "ascending",
            },
        };
        shown.map(column).collect()
    }
}

/// How often each of the classes ran, step by step.
fn trends(runs: &Runs, classes: &[&str]) -> Vec<Vec<f64>> {
    let places: HashMap<&str, usize> = classes.iter().enumerate().map(|(place, class)| (*class, place)).collect();
    let mut trends = vec![vec![0.0; runs.steps.len()]; classes.len()];
    for (step, (_, all)) in runs.steps.iter().enumerate() {
        for totals in all {
            let trend = places.get(totals.class.as_str()).and_then(|place| trends.get_mut(*place));
            if let Some(value) = trend.and_then(|trend| trend.get_mut(step)) {
                *value = totals.runs as f64;
            }
        }
    }
    trends
}

fn summary(numbers: &Numbers, classes: usize) -> String {
    let all = sum(numbers.runs.totals().iter());
    match all.runs {
        0 => format!("Nothing ran in the last {}.", numbers.range.in_words()),
        _ => format!(
            "{} runs of {} in the last {}: {} failed, {} of work.",
            count(all.runs),
            if classes == 1 { "one class".to_owned() } else { format!("{} classes", count(classes)) },
            numbers.range.in_words(),
            percent(all.failures, all.runs),
            work(all.millis)
        ),
    }
}

fn sum<'a>(all: impl Iterator<Item = &'a ClassTotals>) -> ClassTotals {
    let mut sum = ClassTotals::default();
    for one in all {
        sum.runs += one.runs;
        sum.failures += one.failures;
        sum.millis += one.millis;
    }
    sum
}

/// How many slots each class keeps busy: the ones that take most, and the others together.
fn busy(runs: &Runs, marks: &[Mark]) -> Result<Figure, Fault> {
    let totals = runs.totals();
    let most = match totals.len() {
        all if all <= MOST_SERIES => all,
        _ => MOST_SERIES - 1,
    };
    let step = runs.step.length().as_millis() as f64;
    let named = totals.iter().take(most).map(|totals| Series {
        name: crate::view::cut(&totals.class, 60),
        points: runs
            .of(&totals.class)
            .into_iter()
            .map(|(at, totals)| (at, Some(totals.millis as f64 / step)))
            .collect(),
    });
    let mut series: Vec<Series> = named.collect();
    let others: HashSet<&str> = totals.iter().skip(most).map(|totals| totals.class.as_str()).collect();
    if !others.is_empty() {
        let of_others = |all: &[ClassTotals]| {
            sum(all.iter().filter(|totals| others.contains(totals.class.as_str()))).millis as f64 / step
        };
        let points = runs.steps.iter().map(|(at, all)| (*at, Some(of_others(all)))).collect();
        series.push(Series { name: format!("{} others", count(others.len())), points });
    }
    let line = Line {
        title: "Slots kept busy by runs that succeeded",
        unit: "slots",
        series,
        marks,
        label: crate::charts::number_label,
    };
    Ok(line.figure()?)
}

/// Failed runs a minute, of one class or of all.
pub(crate) fn failed(runs: &Runs, marks: &[Mark], class: Option<&str>) -> Result<Figure, Fault> {
    rate("Failed", runs, marks, class, |totals| totals.failures)
}

/// Something counted, a minute.
pub(crate) fn rate(
    title: &str,
    runs: &Runs,
    marks: &[Mark],
    class: Option<&str>,
    of: fn(&ClassTotals) -> u64,
) -> Result<Figure, Fault> {
    let minutes = runs.step.length().as_secs_f64() / 60.0;
    let is_meant = |totals: &&ClassTotals| class.is_none_or(|class| totals.class == class);
    let value = |all: &[ClassTotals]| Some(all.iter().filter(is_meant).map(of).sum::<u64>() as f64 / minutes);
    let points = runs.steps.iter().map(|(at, all)| (*at, value(all))).collect();
    let series = vec![Series { name: title.to_owned(), points }];
    Ok(Line { title, unit: "a minute", series, marks, label: crate::charts::number_label }.figure()?)
}

/// `17.6 h`, `12 m`, `4.1 s`, of milliseconds.
pub(crate) fn work(millis: u64) -> String {
    let seconds = millis as f64 / 1000.0;
    match seconds {
        0.0 => NONE.to_owned(),
        seconds if seconds >= 3600.0 => format!("{:.1} h", seconds / 3600.0),
        seconds if seconds >= 60.0 => format!("{:.1} m", seconds / 60.0),
        seconds => format!("{seconds:.1} s"),
    }
}

/// `2.62 s`; `–` for nothing.
pub(crate) fn time(time: Duration) -> String {
    match time.is_zero() {
        true => NONE.to_owned(),
        false => crate::charts::duration_label(time.as_millis() as f64),
    }
}

/// `≤ 2.5 s`; `–` without runs, and `> 335 s` beyond the last bound.
pub(crate) fn bound(at: Option<Duration>, runs: u64) -> String {
    match at {
        Some(at) => format!("≤ {}", crate::charts::duration_label(at.as_millis() as f64)),
        None if runs == 0 => NONE.to_owned(),
        None => "> 335 s".to_owned(),
    }
}

/// The address of this page with one thing changed.
impl Page {
    fn sorted_by(&self, key: &str) -> String {
        format!("?range={}&sort={}", self.head.range, query(key))
    }
}
