//! The last word of a job that used up its retries: its own `on_exhausted`.
//!
//! It runs before the end is recorded, so that a process that dies here leaves a job that runs, and ends, again: at least
//! once, as jobs do. Nothing it does changes what becomes of the job.

use crate::job::{DeadJob, JobDef, current};

use super::perform::{guarded, within};

/// Runs it, if there is one, within the job's own time limit.
pub(super) async fn run(def: &JobDef, dead: DeadJob) {
    let Some(function) = def.on_exhausted else { return };
    let job = dead.context().clone();
    let run = within(def.options.timeout, guarded(|| function(dead)));
    if let Err(failure) = current::with_carried(job.payload(), run).await {
        let (class, message) = (failure.class(), failure.message());
        tracing::error!(error.class = class, error = message, "`on_exhausted` failed; the job ends all the same");
    }
}
