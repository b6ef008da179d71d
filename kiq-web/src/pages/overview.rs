//! Overview: whether anything is wrong, since when, and where to click. Made of the sample alone.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use kiq_runtime::Timestamp;
use kiq_runtime::inspect::{Deploy, Group};

use crate::app::Shared;
use crate::charts::{Figure, Line, Mark, Series, Svg, spark};
use crate::fault::Fault;
use crate::frame::Frame;
use crate::sampler::Sample;
use crate::view::{bytes, count, percent, segment, span};

use super::busy::{self, Job, Process};
use super::html;
use super::queues::{self, Row};

/// Rows of each part.
const ROWS: usize = 6;

/// What the figures and their small charts are about.
const FIGURES: Duration = Duration::from_secs(3600);

/// The ranges that the charts offer, in hours.
const RANGES: [u64; 3] = [1, 4, 8];

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    view: View,
    /// Done and failed runs a minute, each in a chart of its own.
    charts: Vec<Figure>,
    ranges: Vec<(u64, bool)>,
    deploys: Vec<(usize, String, String)>,
}

#[derive(Template)]
#[template(path = "overview_live.html")]
struct Region<'a> {
    frame: &'a Frame,
    view: View,
}

struct View {
    /// Nothing was ever put in, and nobody works.
    is_new: bool,
    figures: [Number; 4],
    queues: Vec<Row>,
    queues_in_all: usize,
    errors: Vec<Failing>,
    has_all_errors: bool,
    running: Vec<Job>,
    running_in_all: String,
    processes: Vec<Process>,
    processes_in_all: usize,
    processed: String,
    failed: String,
    store: String,
}

/// A number, what it is of, and how it went.
struct Number {
    value: String,
    of: &'static str,
    path: &'static str,
    is_bad: bool,
    trend: Option<Svg>,
}

/// An error that retries have.
struct Failing {
    count: String,
    class: String,
    error: String,
    path: String,
    last: String,
}

pub(crate) async fn show(State(app): State<Shared>, frame: Frame) -> Result<Response, Fault> {
    let view = View::new(&app, &frame)?;
    let sample = frame.sample()?;
    let asked = frame.parameter("range").and_then(|range| range.strip_suffix('h')).and_then(|hours| hours.parse().ok());
    let hours = asked.filter(|hours| RANGES.contains(hours)).unwrap_or(1);
    let ranges = RANGES.map(|range| (range, range == hours)).to_vec();
    let from = sample.at - Duration::from_secs(hours * 3600);
    let deploys: Vec<_> = sample.slow.deploys.iter().filter(|deploy| deploy.at >= from).zip(1..).collect();
    let marks: Vec<_> = deploys.iter().map(|(deploy, number)| Mark { at: deploy.at, number: *number }).collect();
    let charts = if view.is_new { Vec::new() } else { charts(sample, hours, &marks)? };
    let label = |(deploy, number): &(&Deploy, usize)| (*number, deploy.label.clone(), frame.when(deploy.at).clock);
    let deploys = deploys.iter().map(label).collect();
    html(&Page { view, charts, ranges, deploys, frame })
}

pub(crate) fn region(app: &Shared, frame: &Frame) -> Result<String, Fault> {
    Ok(Region { frame, view: View::new(app, frame)? }.render()?)
}

impl View {
    fn new(app: &Shared, frame: &Frame) -> Result<Self, Fault> {
        let sample = frame.sample()?;
        let mut queues = queues::rows(app, sample);
        queues.truncate(ROWS);
        let mut processes = busy::processes(app, sample);
        processes.truncate(ROWS);
        let stats = &sample.stats;
        Ok(View {
            is_new: sample.queues.is_empty() && sample.processes.is_empty() && stats.processed == 0,
            figures: figures(app, sample),
            queues,
            queues_in_all: sample.queues.len(),
            errors: errors(sample, frame),
            has_all_errors: sample.slow.has_all_errors,
            running: busy::jobs(app, sample, ROWS),
            running_in_all: count(sample.running.len()),
            processes,
            processes_in_all: sample.processes.len(),
            processed: count(stats.processed),
            failed: count(stats.failed),
            store: store(sample),
        })
    }
}

/// The figures at the top, each of the last whole minutes.
fn figures(app: &Shared, sample: &Sample) -> [Number; 4] {
    let minutes = whole_minutes(sample, FIGURES);
    let runs: Vec<f64> = minutes.iter().map(|(_, runs, _)| *runs as f64).collect();
    let failures: Vec<f64> = minutes.iter().map(|(_, _, failures)| *failures as f64).collect();
    let recent = minutes.get(minutes.len().saturating_sub(5)..).unwrap_or_default();
    let recent_runs: u64 = recent.iter().map(|(_, runs, _)| runs).sum();
    let recent_failures: u64 = recent.iter().map(|(_, _, failures)| failures).sum();
    let oldest = sample.queues.iter().filter(|queue| queue.size > 0).map(|queue| queue.latency).max();
    let slots: usize = sample.processes.iter().map(|process| process.concurrency).sum();
    let busy: usize = sample.processes.iter().map(|process| process.busy).sum();
    [
        Number {
            value: count(recent_runs / (recent.len() as u64).max(1)),
            of: "jobs a minute",
            path: "metrics?range=1h",
            is_bad: false,
            trend: Some(spark(&runs)),
        },
        Number {
            value: percent(recent_failures, recent_runs),
            of: "failed, last 5 minutes",
            path: "metrics?range=1h&sort=failed",
            is_bad: recent_failures * 10 > recent_runs,
            trend: Some(spark(&failures)),
        },
        Number {
            value: oldest.map_or_else(|| "–".to_owned(), span),
            of: "oldest waiting",
            path: "queues",
            is_bad: oldest.is_some_and(|oldest| oldest > app.limits.latency),
            trend: None,
        },
        Number { value: format!("{busy}/{slots}"), of: "slots busy", path: "busy", is_bad: slots == 0, trend: None },
    ]
}

/// Runs and failures of each minute that is over.
fn whole_minutes(sample: &Sample, span: Duration) -> Vec<(Timestamp, u64, u64)> {
    let minute = Duration::from_secs(60);
    let minutes = sample.slow.minutes.iter().filter(|(at, _)| *at >= sample.at - span && *at + minute <= sample.at);
    let sums = minutes.map(|(at, classes)| {
        let runs = classes.iter().map(|totals| totals.runs).sum();
        (*at, runs, classes.iter().map(|totals| totals.failures).sum())
    });
    sums.collect()
}

/// The errors that most retries have.
fn errors(sample: &Sample, frame: &Frame) -> Vec<Failing> {
    let row = |group: &Group| Failing {
        count: count(group.count),
        class: group.class.clone(),
        error: match group.message.is_empty() {
            true => group.error.clone(),
            false => format!("{}: {}", group.error, group.message),
        },
        path: format!("retries?q=group%3A{}&view=jobs", segment(&group.key)),
        last: group.newest.map(|at| frame.when(at).distance).unwrap_or_default(),
    };
    sample.slow.errors.iter().take(ROWS).map(row).collect()
}

fn charts(sample: &Sample, hours: u64, marks: &[Mark]) -> Result<Vec<Figure>, Fault> {
    let minutes = whole_minutes(sample, Duration::from_secs(hours * 3600));
    let line = |title, number: fn(&(Timestamp, u64, u64)) -> u64| {
        let points = minutes.iter().map(|minute| (minute.0, Some(number(minute) as f64))).collect();
        let series = vec![Series { name: String::new(), points }];
        Line { title, unit: "a minute", series, marks, label: |value| count(value.round().max(0.0) as u64) }.figure()
    };
    let done = line("Done", |(_, runs, failures)| runs.saturating_sub(*failures))?;
    let failed = line("Failed", |(_, _, failures)| *failures)?;
    Ok(vec![done, failed])
}

/// `Redis 7.0.15, 12 MiB, 9 clients, up 3 d`.
fn store(sample: &Sample) -> String {
    let store = &sample.slow.store;
    let parts = [
        store.version.as_ref().map(|version| format!("store {version}")),
        store.used_memory.map(|used| match store.max_memory {
            Some(most) => format!("{} of {}", bytes(used), bytes(most)),
            None => bytes(used),
        }),
        store.clients.map(|clients| format!("clients: {}", count(clients))),
        store.uptime.map(|uptime| format!("up {}", span(uptime))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
