//! What is linked into this program: each job with its queue, its retries, its arguments, and where it is written.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use crate::job::options::DEFAULT_RETRIES;
use crate::job::{JobDef, Registry, Retry};
use crate::retry::Backoff;

use super::{CONFIG, fail};

/// How to print it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A line for each, for people.
    Table,
    /// One JSON array, for programs.
    Json,
}

/// Prints it.
pub(super) fn show(form: Form) -> ExitCode {
    let registry = match Registry::linked() {
        Ok(registry) => registry,
        Err(error) => return fail(CONFIG, &error),
    };
    let text = match form {
        Form::Table => table(&registry),
        Form::Json => format!("{:#}\n", registry.iter().map(as_json).collect::<Value>()),
    };
    // If nobody reads it, that is no reason to fail.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn table(registry: &Registry) -> String {
    let heads = ["job", "queue", "retries", "arguments", "written in"].map(str::to_owned);
    let rows: Vec<[String; 5]> = [heads].into_iter().chain(registry.iter().map(row)).collect();
    let mut widths = [0; 5];
    for row in &rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = (*width).max(cell.chars().count()));
    }
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn row(job: &JobDef) -> [String; 5] {
    let file = if job.file.is_empty() { job.path.to_owned() } else { format!("{}:{}", job.file, job.line) };
    [job.name.to_owned(), job.options.queue.to_owned(), retries(job), job.params.join(" "), file]
}

/// In words, with the time that they take by Sidekiq's formula.
fn retries(job: &JobDef) -> String {
    let own = if job.retry_in.is_some() { ", by its own retry_in" } else { "" };
    let counted = |retries: u32| match (retries, own) {
        (0, _) => "0".to_owned(),
        (_, "") => format!("{retries} over {}", rough(total(retries))),
        _ => format!("{retries}{own}"),
    };
    match job.options.retry {
        Retry::Never => "none, gone at the first failure".to_owned(),
        Retry::Max(retries) => counted(retries),
        Retry::Default => counted(DEFAULT_RETRIES),
        Retry::For(time) => format!("for {}{own}", rough(time)),
    }
}

fn total(retries: u32) -> Duration {
    Backoff::Sidekiq.schedule(retries).rows().last().map_or(Duration::ZERO, |row| row.since_first.0)
}

fn rough(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

fn as_json(job: &JobDef) -> Value {
    let count = match job.options.retry {
        Retry::Never => Some(0),
        Retry::Max(retries) => Some(retries),
        Retry::Default => Some(DEFAULT_RETRIES),
        Retry::For(_) => None,
    };
    let retry_for = match job.options.retry {
        Retry::For(time) => Some(time.as_secs()),
        _ => None,
    };
    let waits = count.filter(|_| job.retry_in.is_none()).map(|retries| {
        let schedule = Backoff::Sidekiq.schedule(retries.min(DEFAULT_RETRIES));
        schedule.rows().iter().map(|row| row.wait.0.as_secs()).collect::<Vec<_>>()
    });
    json!({
        "name": job.name, "queue": job.options.queue, "retry_queue": job.options.retry_queue, "retries": count,
        "retry_for_seconds": retry_for, "retry_waits_seconds": waits, "has_retry_in": job.retry_in.is_some(),
        "has_on_exhausted": job.on_exhausted.is_some(), "dead": job.options.dead && job.options.retry != Retry::Never,
        "timeout_seconds": job.options.timeout.map(|timeout| timeout.as_secs_f64()), "tags": job.options.tags,
        "arguments": job.params, "aliases": job.aliases, "function": job.path, "file": job.file, "line": job.line,
    })
}
