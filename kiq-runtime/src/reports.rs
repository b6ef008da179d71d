//! What is told of a failed run to an application's `on_error` and `on_death`.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::events::Next;
use crate::job::{
    ArgsError, BoxFuture, Disposition, Failure, Jid, Job, JobContext, JobOutput, JobResult, PastError, chain,
};

/// How long a handler may take for one report, unless the application says otherwise.
pub const DEFAULT_HANDLER_TIMEOUT: Duration = Duration::from_secs(10);

/// A run that failed, and what became of its job. Cheap to clone.
///
/// # Examples
/// In the shape Sentry wants (an event with the chain of exceptions, the innermost first):
/// ```
/// use kiq::{App, Report};
/// use serde_json::{Value, json};
///
/// fn event(report: &Report) -> Value {
///     let mut exceptions = vec![json!({ "type": report.error_class(), "value": report.message() })];
///     exceptions.extend(report.causes().into_iter().map(|cause| json!({ "type": "cause", "value": cause })));
///     exceptions.reverse();
///     json!({
///         "level": if report.death().is_some() { "fatal" } else { "error" },
///         "platform": "other",
///         "exception": { "values": exceptions },
///         "transaction": report.class(),
///         "tags": { "jid": report.jid().as_str(), "queue": report.job().queue(), "attempt": report.attempt() },
///         "fingerprint": [report.class(), report.error_class()],
///     })
/// }
///
/// async fn to_sentry(report: Report) -> Result<(), std::io::Error> {
///     let event = event(&report);
///     println!("{event}"); // post it to the project's address
///     Ok(())
/// }
///
/// let app = App::new().on_error(to_sentry).on_death(to_sentry);
/// # let _ = app;
/// ```
#[derive(Clone)]
pub struct Report(Arc<Inside>);

struct Inside {
    job: JobContext,
    failure: Arc<Failure>,
    next: Next,
    death: Option<Death>,
}

/// Why a job is at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Death {
    /// Its retries are used up, in number or in time.
    Exhausted,
    /// The error, or the job's `retry_in`, said that no retry can help.
    Fatal,
    /// Its process died of it three times.
    Poison,
    /// The error is one to discard.
    Discarded,
}

impl Report {
    /// A run that failed, what became of its job, and why that is its end if it is.
    pub fn new(job: JobContext, failure: Arc<Failure>, next: Next, death: Option<Death>) -> Self {
        Report(Arc::new(Inside { job, failure, next, death }))
    }

    /// The run: the whole payload, the worker's state, the request's context.
    pub fn job(&self) -> &JobContext {
        &self.0.job
    }

    /// The job's name.
    pub fn class(&self) -> &str {
        self.0.job.class()
    }

    /// The job's id.
    pub fn jid(&self) -> &Jid {
        self.0.job.jid()
    }

    /// Which attempt failed, from 1.
    pub fn attempt(&self) -> u32 {
        self.0.job.attempt()
    }

    /// The job as a value, with its arguments.
    ///
    /// # Errors
    /// When the stored arguments do not fit `J`: that may be what failed.
    pub fn arguments<J: Job>(&self) -> Result<J, ArgsError> {
        self.0.job.job()
    }

    /// The failure, with what is to be done about it.
    pub fn failure(&self) -> &Failure {
        &self.0.failure
    }

    /// The error, with its type and its sources.
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self.0.failure.error()
    }

    /// The outermost `E` in the chain of the error. An `anyhow::Error` or `eyre::Report` no longer tells its own type here,
    /// only those of its sources.
    pub fn find<E: Error + 'static>(&self) -> Option<&E> {
        chain::find(self.error()).next()
    }

    /// The class of the error, as stored in `error_class`.
    pub fn error_class(&self) -> &str {
        self.0.failure.class()
    }

    /// The message of the error, as stored in `error_message`: at most 10,000 characters.
    pub fn message(&self) -> String {
        self.0.failure.message()
    }

    /// The messages of what the error comes from, outermost first: at most 20, each at most 10,000 characters. A chain that
    /// comes back to itself ends there.
    pub fn causes(&self) -> Vec<String> {
        self.0.failure.causes()
    }

    /// The errors of earlier attempts.
    pub fn past_errors(&self) -> Vec<PastError> {
        self.0.job.payload().past_errors()
    }

    /// Whether the error is one that is expected to pass.
    pub fn is_transient(&self) -> bool {
        matches!(self.0.failure.disposition(), Disposition::Transient | Disposition::RateLimited)
    }

    /// What became of the job.
    pub fn next(&self) -> Next {
        self.0.next
    }

    /// Why the job is at its end; `None` while it goes on.
    pub fn death(&self) -> Option<Death> {
        self.0.death
    }

    /// Whether `on_error` is told of it: not of what passes by itself, nor of what is to be discarded.
    pub(crate) fn is_news(&self, with_transient: bool) -> bool {
        match (self.0.next, self.0.death) {
            (Next::Stale, _) | (_, Some(Death::Discarded)) => false,
            (_, Some(_)) => true,
            (_, None) => with_transient || !self.is_transient(),
        }
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("job", &self.0.job)
            .field("error_class", &self.error_class())
            .field("next", &self.0.next)
            .field("death", &self.0.death)
            .finish_non_exhaustive()
    }
}

/// Whoever is told of reports.
#[derive(Clone)]
pub(crate) struct Handler {
    pub(crate) name: &'static str,
    run: Arc<dyn Fn(Report) -> BoxFuture<'static, JobResult> + Send + Sync>,
}

impl Handler {
    pub(crate) fn new<F, R>(handler: F) -> Self
    where
        F: Fn(Report) -> R + Send + Sync + 'static,
        R: Future<Output: JobOutput> + Send + 'static,
    {
        let run = move |report| -> BoxFuture<'static, JobResult> {
            let told = handler(report);
            Box::pin(async move { told.await.into_result().map_err(crate::job::failure::OutputError::into_failure) })
        };
        Handler { name: crate::middleware::short_name(std::any::type_name::<F>()), run: Arc::new(run) }
    }

    /// Tells it. The caller guards against panics.
    pub(crate) fn tell(&self, report: Report) -> BoxFuture<'static, JobResult> {
        (self.run)(report)
    }
}

/// All that are told.
#[derive(Clone)]
pub(crate) struct Handlers {
    pub(crate) on_error: Vec<Handler>,
    pub(crate) on_death: Vec<Handler>,
    /// Whether `on_error` is told of transient errors, too.
    pub(crate) with_transient: bool,
    /// How long one may take for one report.
    pub(crate) timeout: Duration,
}

impl Default for Handlers {
    fn default() -> Self {
        Handlers { on_error: Vec::new(), on_death: Vec::new(), with_transient: false, timeout: DEFAULT_HANDLER_TIMEOUT }
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |handlers: &[Handler]| handlers.iter().map(|handler| handler.name).collect::<Vec<_>>();
        f.debug_struct("Handlers")
            .field("on_error", &names(&self.on_error))
            .field("on_death", &names(&self.on_death))
            .finish_non_exhaustive()
    }
}
