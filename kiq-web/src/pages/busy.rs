//! Busy: what runs where, and whether it is stuck. Made of the sample alone.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use kiq_runtime::inspect::{CapsuleInfo, ProcessState, Running};
use kiq_runtime::job::Payload;

use crate::app::Shared;
use crate::asked::Progress;
use crate::fault::Fault;
use crate::frame::Frame;
use crate::sampler::Sample;
use crate::view::{bytes, count, cut, percent, span};

use super::html;

/// Jobs that are shown.
const JOBS: usize = 100;

/// Processes that are shown.
const PROCESSES: usize = 100;

/// A process that has said nothing for longer is perhaps gone.
const SILENT: Duration = Duration::from_secs(30);

#[derive(Template)]
#[template(path = "busy.html")]
struct Page {
    frame: Frame,
    view: View,
}

#[derive(Template)]
#[template(path = "busy_live.html")]
struct Region<'a> {
    frame: &'a Frame,
    view: View,
}

struct View {
    /// Processes instead of jobs.
    shows_processes: bool,
    busy: usize,
    slots: usize,
    share: String,
    jobs: Vec<Job>,
    jobs_in_all: String,
    more_jobs: String,
    processes: Vec<Process>,
    processes_in_all: usize,
    /// Those that can be asked from here.
    obedient: usize,
    stopped: Vec<String>,
}

/// A running job.
pub(crate) struct Job {
    pub(crate) since: String,
    pub(crate) is_late: bool,
    pub(crate) jid: String,
    /// The class, or why there is none.
    pub(crate) class: String,
    pub(crate) is_job: bool,
    pub(crate) args: String,
    pub(crate) queue: String,
    pub(crate) host: String,
    pub(crate) tid: String,
    pub(crate) attempt: u32,
    /// How long runs of its class took, on average of 8 hours.
    pub(crate) usually: String,
}

/// A worker process.
pub(crate) struct Process {
    pub(crate) identity: String,
    pub(crate) host: String,
    pub(crate) pid: u32,
    pub(crate) tag: String,
    pub(crate) version: String,
    pub(crate) is_quiet: bool,
    pub(crate) progress: Option<Progress>,
    pub(crate) busy: usize,
    pub(crate) slots: usize,
    pub(crate) memory: String,
    pub(crate) beat: String,
    pub(crate) is_silent: bool,
    pub(crate) capsules: Vec<String>,
    /// Part of another program, which does not obey.
    pub(crate) is_embedded: bool,
    pub(crate) started: String,
}

pub(crate) async fn show(State(app): State<Shared>, frame: Frame) -> Result<Response, Fault> {
    let view = View::new(&app, &frame)?;
    html(&Page { frame, view })
}

pub(crate) fn region(app: &Shared, frame: &Frame) -> Result<String, Fault> {
    Ok(Region { frame, view: View::new(app, frame)? }.render()?)
}

impl View {
    fn new(app: &Shared, frame: &Frame) -> Result<Self, Fault> {
        let sample = frame.sample()?;
        let slots = sample.processes.iter().map(|process| process.concurrency).sum();
        let busy = sample.processes.iter().map(|process| process.busy).sum();
        let in_all = sample.running.len().max(busy);
        Ok(View {
            shows_processes: frame.parameter("view") == Some("processes"),
            busy,
            slots,
            share: percent(busy as u64, slots as u64),
            jobs: jobs(app, sample, JOBS),
            jobs_in_all: count(in_all),
            more_jobs: if in_all > JOBS { count(in_all - JOBS) } else { String::new() },
            processes: processes(app, sample),
            processes_in_all: sample.processes.len(),
            obedient: sample.processes.iter().filter(|process| !process.is_embedded).count(),
            stopped: app.asked.stopped(&sample.processes, sample.at),
        })
    }
}

/// The jobs that have run longest.
pub(crate) fn jobs(app: &Shared, sample: &Sample, most: usize) -> Vec<Job> {
    let totals = sample.totals(Duration::from_secs(8 * 3600));
    let row = |run: &Running| {
        let ran = sample.at.since(run.run_at);
        let payload = Payload::parse(&run.payload);
        let class = payload.as_ref().map_or("", |job| job.class());
        let process = sample.processes.iter().find(|process| process.identity == run.process);
        Job {
            since: span(ran),
            is_late: ran > app.limits.running,
            jid: payload.as_ref().map_or(String::new(), |job| job.jid().as_str().to_owned()),
            class: match &payload {
                Ok(job) => job.class().to_owned(),
                Err(error) => format!("not a job: {error}"),
            },
            is_job: payload.is_ok(),
            args: match &payload {
                Ok(job) => app.masks.line(job.class(), job.args()),
                Err(_) => cut(&String::from_utf8_lossy(&run.payload), 160),
            },
            queue: run.queue.clone(),
            host: process.map_or_else(|| run.process.clone(), |process| process.hostname.clone()),
            tid: run.tid.clone(),
            attempt: payload.as_ref().map_or(1, |job| job.failures() + 1),
            usually: totals
                .get(class)
                .filter(|sums| sums.runs > sums.failures)
                .map_or(String::new(), |sums| span(sums.mean())),
        }
    };
    sample.running.iter().take(most).map(row).collect()
}

/// The processes, those that should be looked at first: silent, then busy, then by name.
pub(crate) fn processes(app: &Shared, sample: &Sample) -> Vec<Process> {
    let row = |process: &ProcessState| Process {
        identity: process.identity.clone(),
        host: process.hostname.clone(),
        pid: process.pid,
        tag: process.tag.clone(),
        version: process.version.clone(),
        is_quiet: process.is_quiet,
        progress: app.asked.progress(process, sample.at),
        busy: process.busy,
        slots: process.concurrency,
        memory: if process.rss_kib == 0 { String::new() } else { bytes(process.rss_kib.saturating_mul(1024)) },
        beat: span(sample.at.since(process.beat_at)),
        is_silent: sample.at.since(process.beat_at) > SILENT,
        capsules: process.capsules.iter().map(capsule).collect(),
        is_embedded: process.is_embedded,
        started: span(sample.at.since(process.started_at)),
    };
    sample.processes.iter().take(PROCESSES).map(row).collect()
}

/// `default: critical×5, mail×1`; the name alone says nothing when it is `default`.
fn capsule(capsule: &CapsuleInfo) -> String {
    let queues = capsule.queues.iter().map(|(name, weight)| match weight {
        0 | 1 => name.clone(),
        weight => format!("{name}×{weight}"),
    });
    let queues = queues.collect::<Vec<_>>().join(", ");
    if capsule.name == "default" { queues } else { format!("{}: {queues}", capsule.name) }
}
