//! What is wrong now, in words.

use std::time::Duration;

use crate::dashboard::Limits;
use crate::sampler::Sample;
use crate::view::{count, cut, percent, segment, span};

/// A process that has said nothing for longer is perhaps gone.
const SILENT: Duration = Duration::from_secs(30);

/// The least runs that say something of a class's failures.
const RUNS_THAT_COUNT: u64 = 20;

/// More retries with one error are a problem of their own.
const RETRIES_OF_ONE_ERROR: usize = 50;

/// How much of the store's memory may be in use.
const FULL: f64 = 0.8;

/// Something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// In words: `imports is 19 m 52 s behind (limit 5 m 0 s)`.
    pub(crate) text: String,
    /// Where to look, below the root.
    pub(crate) path: String,
}

/// What is wrong, the worst first.
pub(crate) fn find(sample: &Sample, limits: &Limits) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut say = |text: String, path: &str| problems.push(Problem { text, path: path.to_owned() });
    if sample.processes.is_empty() && sample.stats.enqueued > 0 {
        let waiting = count(sample.stats.enqueued);
        say(format!("no worker process lives, and {waiting} jobs wait; start a worker"), "busy");
    }
    for queue in sample.queues.iter().filter(|queue| queue.size > 0) {
        let path = format!("queues/{}", segment(&queue.name));
        let serving = sample.processes.iter().filter(|process| process.serves(&queue.name));
        if !sample.processes.is_empty() && serving.count() == 0 {
            say(format!("nobody serves {}, where {} jobs wait", queue.name, count(queue.size)), &path);
        } else if queue.latency > limits.latency {
            let why = if queue.is_paused { ", being paused" } else { "" };
            let (late, limit) = (span(queue.latency), span(limits.latency));
            say(format!("{} is {late} behind{why} (limit {limit})", queue.name), &path);
        }
    }
    let usual = sample.totals(Duration::from_secs(8 * 3600));
    for (class, recent) in sample.totals(Duration::from_secs(600)) {
        let Some(all) = usual.get(class) else { continue };
        let (runs, failures) = (all.runs - recent.runs, all.failures - recent.failures);
        let is_rare = recent.runs < RUNS_THAT_COUNT || runs < RUNS_THAT_COUNT;
        let share = recent.failures as f64 / recent.runs.max(1) as f64;
        let usually = failures as f64 / runs.max(1) as f64;
        if !is_rare && share > 3.0 * usually && share > 0.05 {
            let (now, before) = (percent(recent.failures, recent.runs), percent(failures, runs));
            say(format!("{class} fails {now} of its runs (usually {before})"), &format!("metrics/{}", segment(class)));
        }
    }
    if let Some(run) = sample.running.first()
        && sample.at.since(run.run_at) > limits.running
    {
        let late = sample.running.iter().filter(|run| sample.at.since(run.run_at) > limits.running).count();
        let longest = span(sample.at.since(run.run_at));
        let jobs = if late == 1 { "a job has".to_owned() } else { format!("{late} jobs have") };
        say(format!("{jobs} run for more than {}, the longest {longest}", span(limits.running)), "busy");
    }
    for process in sample.processes.iter().filter(|process| sample.at.since(process.beat_at) > SILENT) {
        let silence = span(sample.at.since(process.beat_at));
        say(format!("{} has said nothing for {silence}", process.hostname), "busy?view=processes");
    }
    for group in sample.slow.errors.iter().filter(|group| group.count > RETRIES_OF_ONE_ERROR) {
        let many =
            if sample.slow.has_all_errors { count(group.count) } else { format!("at least {}", count(group.count)) };
        let class = if group.class.is_empty() { "what is no job" } else { &group.class };
        let path = format!("retries?q=group%3A{}&view=jobs", segment(&group.key));
        say(format!("{many} retries of {class} with one error: {}", cut(&group.error, 60)), &path);
    }
    if let (Some(used), Some(max)) = (sample.slow.store.used_memory, sample.slow.store.max_memory)
        && used as f64 > FULL * max as f64
    {
        say(format!("the store's memory is {} full", percent(used, max)), "");
    }
    problems
}
