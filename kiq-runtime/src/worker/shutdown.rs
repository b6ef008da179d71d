//! Quiet, drain until the deadline, give back the rest.
//!
//! In this order, and for these reasons:
//! 1. the fetchers end (a fetch under way is waited for: what it took must arrive);
//! 2. running jobs have until the deadline; the heartbeat goes on, so nobody takes them over meanwhile;
//! 3. what still runs is dropped where it awaits, and only then given back, so that it does not run in two places. (Sidekiq
//!    pushes back first because its crash would lose the job in between. Here a crash in between is any crash: the lease
//!    brings the job back.) A blocking job cannot be dropped: it is given back and may run twice. A failure that the store is
//!    being told of is not dropped, but waited for (`endings.rs`);
//! 4. the store is told of the last successes;
//! 5. the handlers are told of the last failures, as long as one may take;
//! 6. the duties end, and the process signs off.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::events::Event;
use crate::job::Payload;

use super::capsule::Running;
use super::heartbeat::Duties;
use super::{Phase, Reruns, Shared, suspect, tally};

/// How long the store may take to hear of the last successes.
const LAST_ACKS: Duration = Duration::from_secs(3);

/// What the jobs leave to be done, each a task beside them.
pub(super) struct Tails {
    pub(super) acks: JoinSet<()>,
    pub(super) endings: JoinSet<()>,
    pub(super) reports: JoinSet<()>,
}

pub(super) async fn when_told(shared: &Arc<Shared>, mut capsules: Vec<Running>, tails: Tails, mut duties: Duties) {
    let Tails { mut acks, endings, reports } = tails;
    tokio::select! {
        () = shared.controls.reached(Phase::Quiet) => {}
        () = duties.failed() => {
            tracing::error!("the heartbeat's thread has ended; stopping, as other processes take over what this one holds");
            shared.controls.stop();
        }
    }
    for capsule in &mut capsules {
        capsule.fetched_last().await;
    }
    shared.events.tell(|| Event::Quiet);
    shared.controls.reached(Phase::Stopping).await;
    let drained = async {
        for capsule in &mut capsules {
            capsule.performed_last().await;
        }
    };
    if tokio::time::timeout(shared.tuning.shutdown_timeout, drained).await.is_err() {
        let timeout = shared.tuning.shutdown_timeout;
        tracing::warn!(?timeout, "jobs are still running at the end of the shutdown timeout; giving them back");
    }
    let mut left = Vec::new();
    for capsule in capsules {
        left.extend(capsule.cut_off().await);
    }
    shared.endings.finish(endings).await;
    left.extend(shared.work.clear());
    if !left.is_empty() {
        give_back(shared, &left).await;
    }
    shared.acks.close();
    if tokio::time::timeout(LAST_ACKS, acks.join_next()).await.is_err() {
        tracing::error!("the store does not hear of the last successful jobs; they run again when the lease runs out");
        acks.abort_all();
        shared.controls.reruns.unheard(shared.acks.untold());
    }
    tally::tell(shared).await;
    shared.reporter.finish(reports).await;
    duties.stop().await;
    if let Err(error) = shared.consumer.leave().await {
        tracing::warn!(%error, "could not sign off; the lease will run out, and others take over what is left");
    }
    let Reruns { reclaimed, lease_lost, cut_off, unheard } = shared.controls.reruns();
    tracing::info!(reclaimed, lease_lost, cut_off, unheard, "stopped; so many jobs run again, by cause");
    shared.events.tell(|| Event::Stopped);
}

async fn give_back(shared: &Shared, left: &[crate::broker::UnitOfWork]) {
    for unit in left {
        if let Ok(job) = Payload::parse(&unit.payload) {
            tracing::warn!(class = job.class(), jid = %job.jid(), queue = &*unit.queue, "it will run again: it did not end in time");
        }
        // A suspect that is stopped has not killed its process: it goes back as it was before it began.
        if let Err(error) = suspect::acquit(shared, unit).await {
            tracing::debug!(%error, "a suspect goes back with a death too many");
        }
    }
    match shared.consumer.give_back(left).await {
        Ok(jobs) => {
            tracing::warn!(jobs, "given back unfinished; they will run again");
            shared.controls.reruns.cut_off(jobs);
            shared.events.tell(|| Event::GivenBack { jobs });
        }
        Err(error) => {
            let jobs = left.len();
            shared.controls.reruns.cut_off(jobs);
            tracing::error!(%error, jobs, "unfinished jobs could not be given back; they return when the lease runs out");
        }
    }
}
