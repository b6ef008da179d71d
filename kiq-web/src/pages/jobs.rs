//! Jobs: every one that this program knows, with its options, arguments and retries; which of them were not seen lately; those
//! that other programs know; and those that wait and that nobody knows. Reads what `metrics` reads for 72 hours, and once in 30
//! seconds 10,000 entries of queues and sets.

use std::collections::BTreeMap;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use kiq_runtime::Timestamp;
use kiq_runtime::inspect::{ClassTotals, UnknownClass};
use kiq_runtime::job::{JobDef, OnArgError, Retry};
use kiq_runtime::retry::Backoff;

use crate::app::{App, Shared};
use crate::fault::Fault;
use crate::frame::Frame;
use crate::numbers::Range;
use crate::view::{When, count, cut, percent, query, span};

use super::html;

/// Classes that ran elsewhere in the list.
const ELSEWHERE: usize = 100;

/// Retries of a job that does not say, as the worker's default is.
const USUAL_RETRIES: u32 = kiq_runtime::job::options::DEFAULT_RETRIES;

#[derive(Template)]
#[template(path = "jobs.html")]
struct Page {
    frame: Frame,
    summary: String,
    unknown: Vec<Unknown>,
    /// How many entries were read for it, if that were not all.
    read: Option<String>,
    rows: Vec<Row>,
    elsewhere: Vec<Elsewhere>,
    /// Beyond the list.
    more_elsewhere: usize,
    schedule: Vec<ScheduleRow>,
}

/// A job that this program knows.
struct Row {
    name: &'static str,
    /// `load::jobs::charge_card`.
    path: &'static str,
    /// `examples/load/jobs.rs:94`.
    place: String,
    params: String,
    queue: &'static str,
    retries: String,
    /// What else was set, in a few words each.
    options: Vec<String>,
    runs: String,
    failed: String,
    is_seen: bool,
}

/// A class of jobs that wait, and that no program says it knows.
struct Unknown {
    /// Empty for what is no job.
    class: String,
    jobs: String,
    places: String,
    example: String,
    last_known: Option<When>,
    may_be_rubys: bool,
    /// The query of lists that finds its jobs.
    filter: String,
}

/// A class that ran, or that another program knows, and this one does not.
struct Elsewhere {
    class: String,
    is_known: bool,
    runs: String,
    failed: String,
}

/// When a retry comes.
struct ScheduleRow {
    retry: u32,
    wait: String,
    since_first: String,
}

pub(crate) async fn show(State(app): State<Shared>, frame: Frame) -> Result<Response, Fault> {
    let numbers = app.numbers.read(frame.sample()?, Range::LONGEST).await?;
    let totals = numbers.runs.totals();
    let of = |job: &JobDef| -> ClassTotals {
        let is_meant = |totals: &&ClassTotals| totals.class == job.name || job.aliases.contains(&totals.class.as_str());
        let mut sum = ClassTotals::default();
        for totals in totals.iter().filter(is_meant) {
            sum.runs += totals.runs;
            sum.failures += totals.failures;
        }
        sum
    };
    let rows: Vec<Row> = app.jobs.iter().map(|job| row(job, &of(job))).collect();
    let classes = app.numbers.classes().await?;
    let others = elsewhere(&app, &totals, &classes.known);
    let unknown = classes.unknown.classes.iter().filter(|unknown| app.jobs.get(&unknown.class).is_none());
    html(&Page {
        summary: summary(&rows),
        unknown: unknown.take(ELSEWHERE).map(|unknown| Unknown::new(unknown, &frame)).collect(),
        read: (!classes.unknown.is_complete).then(|| count(classes.unknown.read)),
        more_elsewhere: others.len().saturating_sub(ELSEWHERE),
        elsewhere: others.into_iter().take(ELSEWHERE).collect(),
        schedule: schedule(),
        rows,
        frame,
    })
}

/// Those that ran, the one that took most time first, and then those that did not.
fn elsewhere(app: &App, totals: &[ClassTotals], known: &BTreeMap<String, Timestamp>) -> Vec<Elsewhere> {
    let is_other = |class: &str| app.jobs.get(class).is_none();
    let ran = totals.iter().filter(|totals| is_other(&totals.class)).map(|totals| Elsewhere {
        class: totals.class.clone(),
        is_known: known.contains_key(&totals.class),
        runs: count(totals.runs),
        failed: percent(totals.failures, totals.runs),
    });
    let has_run = |class: &str| totals.iter().any(|totals| totals.class == class);
    let waits = known.keys().filter(|class| is_other(class) && !has_run(class)).map(|class| Elsewhere {
        class: class.clone(),
        is_known: true,
        runs: count(0_u64),
        failed: percent(0, 0),
    });
    ran.chain(waits).collect()
}

impl Unknown {
    fn new(unknown: &UnknownClass, frame: &Frame) -> Self {
        Unknown {
            jobs: count(unknown.jobs),
            places: cut(&unknown.places.join(", "), 200),
            example: unknown.example.clone(),
            last_known: unknown.last_known.map(|at| frame.when(at)),
            may_be_rubys: unknown.may_be_rubys,
            filter: query(&format!("class:{}", unknown.class)),
            class: unknown.class.clone(),
        }
    }
}

fn summary(rows: &[Row]) -> String {
    let unseen = rows.iter().filter(|row| !row.is_seen).count();
    match (rows.len(), unseen) {
        (0, _) => "This program has no jobs linked into it, so it cannot say which there are.".to_owned(),
        (all, 0) => format!("{} in this program; all of them ran in the last 72 h.", jobs(all)),
        (all, unseen) => format!("{} in this program; {} did not run in the last 72 h.", jobs(all), jobs(unseen)),
    }
}

fn jobs(number: usize) -> String {
    if number == 1 { "one job".to_owned() } else { format!("{} jobs", count(number)) }
}

fn row(job: &JobDef, totals: &ClassTotals) -> Row {
    Row {
        name: job.name,
        path: job.path,
        place: match job.file {
            "" => job.path.to_owned(),
            file => format!("{file}:{}", job.line),
        },
        params: job.params.join(", "),
        queue: job.options.queue,
        retries: retries(job),
        options: options(job),
        runs: count(totals.runs),
        failed: percent(totals.failures, totals.runs),
        is_seen: totals.runs > 0,
    }
}

/// How often it is tried again, and for how long that is.
fn retries(job: &JobDef) -> String {
    let mut text = match job.options.retry {
        Retry::Never => "none, and nothing is kept".to_owned(),
        Retry::Max(0) => "none".to_owned(),
        Retry::Max(most) => format!("{most}, over {}", over(most)),
        Retry::Default => format!("{USUAL_RETRIES} (default), over {}", over(USUAL_RETRIES)),
        Retry::For(time) => format!("for {}", span(time)),
    };
    if job.retry_in.is_some() {
        text.push_str("; the job says when");
    }
    text
}

/// From the first failure to the last retry, in the middle of what chance makes of it.
fn over(retries: u32) -> String {
    let schedule = Backoff::Sidekiq.schedule(retries);
    let last = schedule.rows().last().map(|row| (row.since_first.0 + row.since_first.1) / 2);
    span(last.unwrap_or_default())
}

fn options(job: &JobDef) -> Vec<String> {
    let options = &job.options;
    let mut words = Vec::new();
    words.extend(options.timeout.map(|time| format!("timeout {}", span(time))));
    words.extend(options.retry_queue.map(|queue| format!("retries in {queue}")));
    if !options.dead {
        words.push("not kept when dead".to_owned());
    }
    if options.on_arg_error == OnArgError::Dead {
        words.push("dead at once if its arguments do not fit".to_owned());
    }
    if job.on_exhausted.is_some() {
        words.push("acts at its end".to_owned());
    }
    words.extend(options.tags.iter().map(|tag| format!("tag {tag}")));
    words.extend(job.aliases.iter().map(|alias| format!("once {alias}")));
    words
}

fn schedule() -> Vec<ScheduleRow> {
    let between = |(least, most): (Duration, Duration)| format!("{} to {}", span(least), span(most));
    let schedule = Backoff::Sidekiq.schedule(USUAL_RETRIES);
    let row = |row: &kiq_runtime::retry::ScheduleRow| ScheduleRow {
        retry: row.retry,
        wait: between(row.wait),
        since_first: between(row.since_first),
    };
    schedule.rows().iter().map(row).collect()
}
