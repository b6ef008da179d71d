//! When to try again, decided by the job itself: `#[job(retry_in = …)]`.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::chain;
use super::context::JobContext;
use super::failure::Failure;
use super::jid::Jid;

/// A function that says when a failed job is tried again: what `#[job(retry_in = …)]` takes.
pub type AskRetryIn = for<'a, 'b> fn(&'a RetryContext<'b>) -> RetryIn;

/// When a failed job is tried again: the answer of a `retry_in` function.
///
/// # Examples
/// ```
/// use kiq::{RetryContext, RetryIn};
/// use std::time::Duration;
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("http {status}")]
/// struct HttpError { status: u16, retry_after: Duration }
///
/// fn patient(retry: &RetryContext<'_>) -> RetryIn {
///     match retry.find::<HttpError>() {
///         Some(e) if e.status == 429 => RetryIn::After(e.retry_after),
///         Some(e) if e.status == 400 => RetryIn::Kill,
///         _ => RetryIn::Default,
///     }
/// }
///
/// #[kiq::job(retry_in = patient)]
/// async fn charge(order_id: u64) -> Result<(), HttpError> {
///     # let _ = order_id;
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryIn {
    /// When the worker's [`Backoff`](crate::retry::Backoff) says.
    #[default]
    Default,
    /// After this time, and a random 0 to `10 × (retries + 1) − 1` seconds more, so that many jobs that failed together do
    /// not come back together (as Sidekiq).
    After(Duration),
    /// Never: it dies here, as if its retries were used up.
    Kill,
    /// Never, and nothing of it is kept.
    Discard,
}

/// What a `retry_in` function is told: which job failed, how often before, and with which error.
///
/// It is asked about every failure of a job that has a retry left: errors of the function, panics, time limits, arguments
/// that do not decode.
pub struct RetryContext<'a> {
    job: &'a JobContext,
    error: &'a (dyn Error + 'static),
}

impl<'a> RetryContext<'a> {
    /// The failure `error` of the run `job`.
    pub fn new(job: &'a JobContext, error: &'a (dyn Error + 'static)) -> Self {
        RetryContext { job, error }
    }

    /// How often the job was tried again before: 0 when its first run failed.
    pub fn retries(&self) -> u32 {
        self.job.payload().failures()
    }

    /// The error. A panic, a time limit and an error that is mere text have a message here and no type.
    pub fn error(&self) -> &'a (dyn Error + 'static) {
        self.error
    }

    /// The outermost `E` in the error and its chain of sources, found as `transient = [E]` finds it; except that context
    /// attached to an `anyhow::Error` or an `eyre::Report` is not seen, only the errors themselves.
    pub fn find<E: Error + 'static>(&self) -> Option<&'a E> {
        chain::find(self.error).next()
    }

    /// The job's id.
    pub fn jid(&self) -> &'a Jid {
        self.job.jid()
    }

    /// The run that failed.
    pub fn job(&self) -> &'a JobContext {
        self.job
    }
}

impl fmt::Debug for RetryContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryContext").field("job", self.job).field("retries", &self.retries()).finish_non_exhaustive()
    }
}

/// Asks the user's function. One that panics has no opinion, and that is logged.
pub(crate) fn ask(function: AskRetryIn, retry: &RetryContext<'_>) -> RetryIn {
    catch_unwind(AssertUnwindSafe(|| function(retry))).unwrap_or_else(|panic| {
        let panic = Failure::of_caught(panic).message();
        tracing::error!(class = retry.job.class(), jid = %retry.jid(), panic, "`retry_in` panicked; the default counts");
        RetryIn::Default
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_panics_has_no_opinion() {
        let job = JobContext::detached();
        let error = std::fmt::Error;

        assert_eq!(ask(|_| panic!("no idea"), &RetryContext::new(&job, &error)), RetryIn::Default);
        assert_eq!(ask(|_| RetryIn::Kill, &RetryContext::new(&job, &error)), RetryIn::Kill);
    }
}
