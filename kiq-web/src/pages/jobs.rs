//! Jobs: every one that this program knows, with its options, arguments and retries; which of them were not seen lately; and
//! classes that ran elsewhere, or that nobody knows. Reads what `metrics` reads for 72 hours.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use kiq_runtime::inspect::ClassTotals;
use kiq_runtime::job::{JobDef, OnArgError, Retry};
use kiq_runtime::retry::Backoff;

use crate::app::Shared;
use crate::fault::Fault;
use crate::frame::Frame;
use crate::numbers::Range;
use crate::view::{count, percent, span};

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

/// A class that ran and that this program does not know.
struct Elsewhere {
    class: String,
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
    let others: Vec<&ClassTotals> = totals.iter().filter(|totals| app.jobs.get(&totals.class).is_none()).collect();
    let shown = others.iter().take(ELSEWHERE).map(|totals| Elsewhere {
        class: totals.class.clone(),
        runs: count(totals.runs),
        failed: percent(totals.failures, totals.runs),
    });
    html(&Page {
        summary: summary(&rows),
        elsewhere: shown.collect(),
        more_elsewhere: others.len().saturating_sub(ELSEWHERE),
        schedule: schedule(),
        rows,
        frame,
    })
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
