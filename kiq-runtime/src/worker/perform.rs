//! One job: decode, find, run, catch → how it ended. The user's part; what becomes of the job is `settle.rs`'s.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument as _;

use crate::broker::UnitOfWork;
use crate::clock::instant;
use crate::events::Event;
use crate::job::current::{self, Context};
use crate::job::{
    ArgsError, BoxFuture, Failure, JobContext, JobResult, OnArgError, Payload, PayloadError, RetryIn, TRACE, TimedOut,
};

use super::Shared;
use super::suspect::{self, Alone, Verdict};
use super::watchdog::Pulse;

/// How a run ended.
pub(super) enum Ended {
    /// There was nothing to run.
    NotAJob(PayloadError),
    /// It was not run: its process died of it too often.
    Poison(Payload),
    /// It was not run: another process has it by now.
    TakenOver,
    /// It ran, or could not be begun.
    Ran {
        job: JobContext,
        result: JobResult,
        elapsed: Duration,
        span: tracing::Span,
        /// To be held until the store knows of the end.
        alone: Option<Alone>,
    },
}

pub(super) async fn perform(shared: &Shared, unit: &UnitOfWork, pulse: &Pulse) -> Ended {
    let payload = match Payload::parse_raw(unit.payload.clone()) {
        Ok(payload) => payload,
        Err(error) => return Ended::NotAJob(error),
    };
    let alone = match suspect::admit(shared, unit, &payload).await {
        Verdict::Innocent => None,
        Verdict::Suspect(permit) => Some(permit),
        Verdict::Poison => return Ended::Poison(payload),
        Verdict::TakenOver => return Ended::TakenOver,
    };
    let def = shared.registry.of(&payload);
    let timeout = def.and_then(|def| def.options.timeout);
    let stopping = shared.controls.stopping.subscribe();
    let job = JobContext::new(payload, Arc::clone(&unit.queue), shared.state.clone(), timeout, stopping);
    let span = tracing::info_span!(
        "job",
        class = job.class(),
        jid = %job.jid(),
        queue = job.queue(),
        attempt = job.attempt(),
        elapsed = tracing::field::Empty,
        trace_id = tracing::field::Empty,
    );
    let carried = Context::carried(job.payload());
    if let Some(trace) = carried.as_ref().and_then(|carried| carried.value(&TRACE)) {
        span.record("trace_id", trace.trace_id());
    }
    shared.events.tell(|| Event::Started { job: job.clone() });
    let started = instant();
    let result = match def {
        _ if job.payload().is_encrypted() => Err(encrypted()),
        Some(def) => {
            let run = async {
                tracing::debug!("start");
                within(timeout, guarded(|| shared.around.run(job.clone(), def.run))).await
            };
            let run = current::with(carried, run.instrument(span.clone()));
            let result = pulse.watched(&shared.ticks, run).await;
            match def.options.on_arg_error {
                OnArgError::Retry => result,
                OnArgError::Dead => result.map_err(dead_of_arguments),
            }
        }
        None => Err(Failure::new("kiq::UnknownJob", unknown(shared, job.payload())).before_it_began()),
    };
    let elapsed = started.elapsed();
    // Seconds with three decimals, as Sidekiq logs them.
    span.record("elapsed", elapsed.as_secs_f64().mul_add(1e3, 0.5).floor() / 1e3);
    Ended::Ran { job, result, elapsed, span, alone }
}

/// Sidekiq Enterprise encrypts the last argument of such a job. Waiting does not help: it goes to the dead, where it can be
/// retried by a program that has the key.
fn encrypted() -> Failure {
    let reason = "the last argument of this job is encrypted, and kiq cannot decrypt it; enqueue it without `encrypt`, or let \
                  Sidekiq Enterprise run it";
    Failure::new("kiq::Encrypted", reason).before_it_began().with_retry_in(RetryIn::Kill)
}

/// `on_arg_error = dead`: no retry of arguments that do not fit.
fn dead_of_arguments(failure: Failure) -> Failure {
    match !failure.has_begun() && failure.error().is::<ArgsError>() {
        true => failure.with_retry_in(RetryIn::Kill),
        false => failure,
    }
}

fn unknown(shared: &Shared, payload: &Payload) -> String {
    let known: Vec<&str> = shared.registry.iter().map(|job| job.name).take(20).collect();
    let known = known.join(", ");
    // A class is another program's text and may be very long.
    let short = |class: &str| class.chars().take(200).collect::<String>();
    match payload.wrapped().and_then(|job| job.class()) {
        Some(class) => format!(
            "this is the ActiveJob {:?}, and no job of that name is registered; let Rails run it (on a queue of its own), or \
             name one with `#[job(name = \"…\")]`; jobs known here: {known}",
            short(&class)
        ),
        None => format!(
            "no job named {:?} is registered; jobs known here: {known} (is its crate linked into this program?)",
            short(payload.class())
        ),
    }
}

/// Stops the run where it awaits when its time is up.
pub(super) async fn within(limit: Option<Duration>, run: impl Future<Output = JobResult>) -> JobResult {
    match limit {
        None => run.await,
        Some(limit) => match tokio::time::timeout(limit, run).await {
            Ok(result) => result,
            Err(_) => Err(Failure::new("kiq::Timeout", TimedOut::new(limit))),
        },
    }
}

/// Runs the user's code and turns a panic of it into a failure, wherever it panics: in making the future, in polling or in
/// dropping it.
pub(super) async fn guarded(make: impl FnOnce() -> BoxFuture<'static, JobResult>) -> JobResult {
    let mut run = Guard(Some(catch_unwind(AssertUnwindSafe(make)).map_err(Failure::of_caught)?));
    poll_fn(move |cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| match &mut run.0 {
            Some(run) => Pin::as_mut(run).poll(cx),
            None => std::task::Poll::Pending,
        }));
        match polled {
            Ok(poll) => poll,
            Err(panic) => std::task::Poll::Ready(Err(Failure::of_caught(panic))),
        }
    })
    .await
}

/// A future whose drop may panic without taking the processor with it.
struct Guard(Option<BoxFuture<'static, JobResult>>);

impl Drop for Guard {
    fn drop(&mut self) {
        let run = self.0.take();
        if catch_unwind(AssertUnwindSafe(|| drop(run))).is_err() {
            tracing::error!("a job panicked while it was dropped; what it held may not be released");
        }
    }
}
