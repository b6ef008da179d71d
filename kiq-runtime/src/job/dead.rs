//! A job at its end: what `#[job(on_exhausted = …)]` is told.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::chain;
use super::context::JobContext;
use super::failure::{Failure, JobResult};
use super::jid::Jid;
use super::{ArgsError, BoxFuture, Job};

/// A function that is run at the end of a job: what the macro makes of `#[job(on_exhausted = …)]`.
pub type RunExhausted = fn(DeadJob) -> BoxFuture<'static, JobResult>;

/// A job that used up its retries. Cheap to clone.
///
/// # Examples
/// ```
/// use kiq::DeadJob;
///
/// #[kiq::job(retry = 3, on_exhausted = refund)]
/// async fn charge(order_id: u64) -> Result<(), std::io::Error> {
///     # let _ = order_id;
///     Ok(())
/// }
///
/// async fn refund(dead: DeadJob) -> Result<(), kiq::ArgsError> {
///     let Charge { order_id } = dead.job()?;
///     println!("order {order_id} could not be charged: {}", dead.error());
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct DeadJob {
    context: JobContext,
    failure: Arc<Failure>,
    kept: bool,
}

impl DeadJob {
    /// The job of the run `context`, which ended with `failure`; `kept` says whether it goes to the dead set.
    pub fn new(context: JobContext, failure: Arc<Failure>, kept: bool) -> Self {
        DeadJob { context, failure, kept }
    }

    /// The job's id.
    pub fn jid(&self) -> &Jid {
        self.context.jid()
    }

    /// The name it was stored under.
    pub fn class(&self) -> &str {
        self.context.class()
    }

    /// The job as a value, with its arguments.
    ///
    /// # Errors
    /// When the stored arguments do not fit `J`: that may be why it died.
    pub fn job<J: Job>(&self) -> Result<J, ArgsError> {
        self.context.job()
    }

    /// How many runs it had.
    pub fn attempts(&self) -> u32 {
        self.context.attempt()
    }

    /// The error of the last run.
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self.failure.error()
    }

    /// The class of that error, as stored in `error_class`.
    pub fn error_class(&self) -> &str {
        self.failure.class()
    }

    /// The message of that error, as stored in `error_message`.
    pub fn error_message(&self) -> String {
        self.failure.message()
    }

    /// The outermost `E` in the chain of the error. An `anyhow::Error` or `eyre::Report` no longer tells its own type here,
    /// only those of its sources.
    pub fn find<E: Error + 'static>(&self) -> Option<&E> {
        chain::find(self.failure.error()).next()
    }

    /// Whether it is kept in the dead set; not with `dead = false` or `retry = false`.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// The last run: the whole payload, the worker's shared state (`dead.context().state().get::<Db>()`).
    pub fn context(&self) -> &JobContext {
        &self.context
    }
}

impl fmt::Debug for DeadJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadJob")
            .field("class", &self.class())
            .field("jid", self.jid())
            .field("error_class", &self.error_class())
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}
