//! How a run ended → what becomes of the job, in one atomic step of the store.
//!
//! This, `acks.rs` and `shutdown.rs` are the only places where a job leaves the hands of this process.

use std::sync::Arc;

use tracing::Instrument as _;

use crate::broker::{Settled, Settlement, UnitOfWork};
use crate::error::BrokerError;
use crate::events::{Event, FailureReport, Next};
use crate::job::{DeadJob, Disposition, Failure, JobContext, JobDef, Payload, RetryContext, RetryIn, plan, retry_in};
use crate::meters::{self, End};
use crate::random;
use crate::reports::{Death, Report};
use crate::retry::{self, Verdict};

use super::acks::Success;
use super::pauses::Pauses;
use super::perform::Ended;
use super::{Shared, exhausted, suspect};

/// Records the end of a run. A success is only noted, to be told to the store with others; its number is answered.
pub(super) async fn settle(shared: &Arc<Shared>, unit: UnitOfWork, ended: Ended) -> Option<u64> {
    match ended {
        Ended::NotAJob(error) => {
            let end = Settlement::NotAJob { at: shared.clock.now() };
            if let Settled::Applied { trimmed } = settle_for_sure(shared, &unit, &end).await {
                tell_trimmed(shared, trimmed);
            }
            tracing::error!(queue = &*unit.queue, %error, "not a job; moved to the dead set as it is");
            shared.events.tell(|| Event::NotAJob { queue: unit.queue.clone(), reason: error.to_string() });
        }
        Ended::Poison(payload) => {
            let all = Arc::clone(shared);
            shared.endings.run(async move { settle_poison(&all, &unit, payload).await }).await;
        }
        Ended::TakenOver => {
            tracing::warn!(queue = &*unit.queue, "this process's lease had run out: the job runs elsewhere");
        }
        Ended::Ran { job, result: Ok(()), elapsed, span, alone } => {
            span.in_scope(|| tracing::debug!("done"));
            return Some(shared.acks.add(Success { unit, job, elapsed, alone }));
        }
        Ended::Ran { job, result: Err(failure), elapsed, span, alone } => {
            let def = shared.registry.of(job.payload()).copied();
            let failure = Arc::new(asked(&job, def.as_ref(), failure));
            shared.tally.failed(job.class());
            let verdict = judged(shared, &unit, &job, def.as_ref(), &failure).instrument(span.clone()).await;
            let all = Arc::clone(shared);
            let ending = async move {
                let _alone = alone;
                let recorded = record_failure(&all, &unit, &failure, verdict).instrument(span.clone());
                let (next, death, trimmed) = recorded.await;
                span.in_scope(|| {
                    log_failure(&failure, next, death);
                    tell_trimmed(&all, trimmed);
                });
                all.reporter.tell(Report::new(job.clone(), Arc::clone(&failure), next, death)).await;
                let class = def.map_or(meters::UNKNOWN, |def| def.name);
                let run = meters::Run::new(class, job.queue(), end_of(next), elapsed);
                all.meters.each(|meter| meter.run(&run));
                let error = FailureReport::new(&failure);
                all.events.tell(|| Event::Failed { job, elapsed, error, next });
            };
            shared.endings.run(ending).await;
        }
    }
    None
}

fn end_of(next: Next) -> End {
    match next {
        Next::Retry { .. } => End::Retry,
        Next::Later { .. } => End::Later,
        Next::Dead => End::Dead,
        Next::Discarded => End::Discarded,
        Next::Stale => End::Stale,
    }
}

/// The failure with what is to be done about it, and with what the job's own `retry_in` says. The run has asked about the
/// function's errors, while they still had their types; what is left is what went wrong around the function.
fn asked(job: &JobContext, def: Option<&JobDef>, mut failure: Failure) -> Failure {
    if !failure.has_plan()
        && let Some(plan) = plan::of(failure.error(), job.state())
    {
        failure = failure.with_plan(plan);
    }
    match def.and_then(|def| def.retry_in) {
        Some(function) if failure.retry_in().is_none() && failure.plan().is_open() => {
            let answer = retry_in::ask(function, &RetryContext::new(job, failure.error()));
            failure.with_retry_in(answer)
        }
        _ => failure,
    }
}

/// What becomes of the job, after its own last word if that is its end. Nothing is recorded yet: whoever is cut off here leaves
/// a job that runs, and ends, again.
async fn judged(
    shared: &Shared,
    unit: &UnitOfWork,
    job: &JobContext,
    def: Option<&JobDef>,
    failure: &Arc<Failure>,
) -> Verdict {
    if let Some((field, value)) = job.payload().odd_retry_field() {
        tracing::warn!(field, value, "this field of the job is no number of retries, and is passed over");
    }
    let now = shared.clock.now();
    let policy = &shared.tuning.retry;
    let class = def.map(|def| &def.options);
    let verdict = retry::judge(job.payload(), &unit.queue, class, failure, policy, now, random::below);
    if let (Verdict::Dead { .. } | Verdict::Dropped, Some(def)) = (&verdict, def) {
        let kept = matches!(verdict, Verdict::Dead { .. });
        exhausted::run(def, DeadJob::new(job.clone(), Arc::clone(failure), kept)).await;
    }
    verdict
}

async fn record_failure(
    shared: &Shared,
    unit: &UnitOfWork,
    failure: &Failure,
    verdict: Verdict,
) -> (Next, Option<Death>, usize) {
    let now = shared.clock.now();
    let is_final = failure.disposition() == Disposition::Fatal || failure.retry_in() == Some(RetryIn::Kill);
    let end_of_life = if is_final { Death::Fatal } else { Death::Exhausted };
    let (end, next, death) = match verdict {
        Verdict::Retry { payload, at } => (Settlement::Retry { payload, at }, Next::Retry { at }, None),
        Verdict::Later { payload, at } => (Settlement::Later { payload, at }, Next::Later { at }, None),
        Verdict::Dead { payload } => (Settlement::Dead { payload, at: now }, Next::Dead, Some(end_of_life)),
        Verdict::Dropped => (Settlement::Discarded, Next::Discarded, Some(end_of_life)),
        Verdict::Discard => (Settlement::Discarded, Next::Discarded, Some(Death::Discarded)),
    };
    match settle_for_sure(shared, unit, &end).await {
        Settled::Applied { trimmed } => (next, death, trimmed),
        Settled::Stale => {
            shared.controls.reruns.lease_lost();
            (Next::Stale, None, 0)
        }
    }
}

async fn settle_poison(shared: &Shared, unit: &UnitOfWork, payload: Payload) {
    let (class, jid) = (payload.class().to_owned(), payload.jid().clone());
    let stopping = shared.controls.stopping.subscribe();
    let job = JobContext::new(payload.clone(), Arc::clone(&unit.queue), shared.state.clone(), None, stopping);
    let is_kept = payload.dead();
    let end = if is_kept { suspect::burial(payload, shared.clock.now()) } else { Settlement::Discarded };
    let Settled::Applied { trimmed } = settle_for_sure(shared, unit, &end).await else { return };
    tracing::error!(class, %jid, queue = &*unit.queue, is_kept, "{}", suspect::REASON);
    tell_trimmed(shared, trimmed);
    let next = if is_kept { Next::Dead } else { Next::Discarded };
    let failure = Arc::new(Failure::new("kiq::Poison", suspect::REASON));
    shared.reporter.tell(Report::new(job, failure, next, Some(Death::Poison))).await;
    shared.events.tell(|| Event::Poison { queue: unit.queue.clone(), class, jid });
}

/// Repeats the step until the store has answered. A repetition is harmless: the second finds nothing to do.
///
/// # Cancel safety
/// Dropped before its end, the job is settled or still this process's own.
async fn settle_for_sure(shared: &Shared, unit: &UnitOfWork, end: &Settlement) -> Settled {
    let mut pauses = Pauses::new();
    let mut is_told = false;
    let mut may_be_done = false;
    loop {
        let error = match shared.consumer.settle(unit, end).await {
            Ok(settled) => {
                // Whoever gives back what is left of a processor that was cut off finds it no more.
                shared.work.end(&unit.slot);
                return match settled {
                    // An earlier attempt may have gone through with its answer lost, and most likely has.
                    Settled::Stale if may_be_done => Settled::Applied { trimmed: 0 },
                    settled => settled,
                };
            }
            Err(error) => error,
        };
        // What the server refused is certainly not done.
        may_be_done |= matches!(error, BrokerError::Unavailable { .. });
        if !std::mem::replace(&mut is_told, true) {
            tracing::error!(%error, "the end of a job cannot be recorded; trying again until it works");
        }
        pauses.wait().await;
    }
}

fn tell_trimmed(shared: &Shared, trimmed: usize) {
    if trimmed > 0 {
        tracing::warn!(trimmed, "the dead set is full or has old jobs; that many left it for good");
        shared.events.tell(|| Event::Trimmed { jobs: trimmed });
    }
}

/// The one line about a failure, in the span of its run: with the error, what it comes from, and what becomes of the job.
fn log_failure(failure: &Failure, next: Next, death: Option<Death>) {
    macro_rules! line {
        ($level:ident, $text:literal $(, $name:ident = $value:expr)*) => {
            tracing::event!(
                tracing::Level::$level,
                error.class = failure.class(),
                error = failure.message(),
                error.causes = causes(failure),
                $($name = %$value,)*
                $text
            )
        };
    }
    match next {
        Next::Dead => line!(ERROR, "failed for good; kept among the dead"),
        Next::Discarded if death == Some(Death::Discarded) => {
            line!(WARN, "failed; an error to discard, so nothing is kept")
        }
        Next::Discarded => line!(ERROR, "failed for good; nothing is kept, as the job asks"),
        Next::Stale => {
            line!(WARN, "failed, but this process's lease had run out: the job may run again elsewhere");
        }
        Next::Later { at } => line!(INFO, "told to come later; no retry spent", run_at = at),
        Next::Retry { at } if failure.disposition() == Disposition::Transient => {
            line!(INFO, "failed for now; will be retried", retry_at = at);
        }
        Next::Retry { at } => line!(WARN, "failed; will be retried", retry_at = at),
    }
}

/// What an error comes from, outermost first; `None`, which is left out of a line, when it comes from nothing.
fn causes(failure: &Failure) -> Option<String> {
    let causes = failure.causes();
    (!causes.is_empty()).then(|| causes.join(": "))
}
