//! What the code that `#[job]` writes calls. Not for anyone else: it changes without notice.

mod scope;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

pub use std::boxed::Box;
pub use std::convert::Into;
pub use std::default::Default;
pub use std::option::Option;
pub use std::result::Result::{self, Err, Ok};
pub use std::string::String;
pub use std::vec::Vec;

#[cfg(any(feature = "inventory", feature = "testing"))]
pub use inventory;

pub use crate::__register as register;
pub use crate::__register_error as register_error;
pub use crate::__scope as scope;
pub use crate::awaits::Await;
pub use crate::client::Enqueue;
#[cfg(feature = "inventory")]
pub use crate::job::plan::LinkedError;
#[cfg(feature = "inventory")]
pub use crate::job::registry::Linked;
pub use crate::job::{
    ArgKey, ArgsError, ArgsReader, ArgsWriter, BoxFuture, DeadJob, Disposition, Job, JobContext, JobDef, JobError,
    JobOptions, JobResult, MissingState, OnArgError, Perform, Plan, Retry, State,
};

pub use self::scope::{AnyQueue, Defaults, Here, NoDefaults, Nothing, Queues, Scope};

use crate::job::blocking::BlockingThreads;
use crate::job::current::Context;
use crate::job::failure::OutputError;
use crate::job::options::{MAX_RETRIES, queue_name_fault, retry_for_fault};
use crate::job::{Failure, FromJobContext, JobOutput, RetryContext, RetryIn, chain, plan, retry_in};

/// What holds where it is written: the compiler looks for the traits of `kiq::defaults!` and `kiq::queues!` there.
#[doc(hidden)]
#[macro_export]
macro_rules! __scope {
    () => {
        $crate::private::Scope::of(|| {
            #[allow(unused_imports)]
            use $crate::private::{AnyQueue as _, NoDefaults as _};
            ($crate::private::Here.kiq_defaults(), $crate::private::Here.kiq_queues())
        })
    };
}

/// Puts a job on the link-time list. Owned by the runtime, so that the runtime's feature decides and the unsafe tokens
/// are not the user's.
#[cfg(feature = "inventory")]
#[doc(hidden)]
#[macro_export]
macro_rules! __register {
    ($job:expr) => {
        $crate::private::inventory::submit! { $crate::private::Linked($job) }
    };
}

/// Without the feature nothing is listed; naming the job keeps its function from being "never used".
#[cfg(not(feature = "inventory"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __register {
    ($job:expr) => {
        const _: $crate::private::JobDef = $job;
    };
}

/// Puts an error type on the link-time list.
#[cfg(feature = "inventory")]
#[doc(hidden)]
#[macro_export]
macro_rules! __register_error {
    ($error:ty) => {
        $crate::private::inventory::submit! { $crate::private::LinkedError::of::<$error>() }
    };
}

/// Without the feature nothing is listed.
#[cfg(not(feature = "inventory"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __register_error {
    ($error:ty) => {};
}

/// Marks a program as one for tests, by being linked into it.
#[cfg(feature = "testing")]
#[doc(hidden)]
#[macro_export]
macro_rules! __testing_tool {
    () => {
        $crate::private::inventory::submit! { $crate::client::in_test::TestingTool }
    };
}

/// The queue's name, when it may be one.
#[track_caller]
#[expect(clippy::panic, reason = "runs in a const: the panic is the compile error the user reads")]
pub const fn check_queue(name: &'static str) -> &'static str {
    if let Some(fault) = queue_name_fault(name) {
        panic!("{}", fault)
    }
    name
}

/// The job's name, when Sidekiq can look it up and show it.
#[track_caller]
#[expect(clippy::panic, reason = "runs in a const: the panic is the compile error the user reads")]
pub const fn check_name(name: &'static str) -> &'static str {
    if !is_job_name(name) {
        panic!(
            "a job name is one or more parts joined by `::`, each an upper-case letter and then letters, digits and `_`"
        )
    }
    name
}

// As Ruby reads it: `Object.const_get(class)`. ASCII only, since the name is part of an address in the web pages.
const fn is_job_name(name: &str) -> bool {
    let mut rest = name.as_bytes();
    loop {
        match rest {
            [b'A'..=b'Z', tail @ ..] => rest = tail,
            _ => return false,
        }
        while let [b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_', tail @ ..] = rest {
            rest = tail;
        }
        match rest {
            [] => return true,
            [b':', b':', tail @ ..] => rest = tail,
            _ => return false,
        }
    }
}

/// The number of retries, when it is not beyond the limit.
#[track_caller]
#[expect(clippy::panic, reason = "runs in a const: the panic is the compile error the user reads")]
pub const fn check_retry(count: u32) -> Retry {
    if count > MAX_RETRIES {
        panic!("`retry` may be at most 1000")
    }
    Retry::Max(count)
}

/// The time to retry for, when it is one the format can hold.
#[track_caller]
#[expect(clippy::panic, reason = "runs in a const: the panic is the compile error the user reads")]
pub const fn check_retry_for(time: Duration) -> Retry {
    if let Some(fault) = retry_for_fault(time) {
        panic!("{}", fault)
    }
    Retry::For(time)
}

/// The time limit, when it is one.
#[track_caller]
#[expect(clippy::panic, reason = "runs in a const: the panic is the compile error the user reads")]
pub const fn check_timeout(limit: Duration) -> Duration {
    if limit.is_zero() {
        panic!("`timeout` must be longer than zero")
    }
    limit
}

/// The time limit of a literal.
pub const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// The labels, when none is empty.
#[track_caller]
#[expect(clippy::panic, reason = "runs in a const: the panic is the compile error the user reads")]
pub const fn check_tags(tags: &'static [&'static str]) -> &'static [&'static str] {
    let mut rest = tags;
    while let [first, tail @ ..] = rest {
        if first.is_empty() {
            panic!("a tag must not be empty")
        }
        rest = tail;
    }
    tags
}

/// Former names, when each may be one.
#[track_caller]
#[expect(clippy::panic, reason = "runs in a const: the panic is the compile error the user reads")]
pub const fn check_names(names: &'static [&'static str]) -> &'static [&'static str] {
    let mut rest = names;
    while let [first, tail @ ..] = rest {
        if !is_job_name(first) {
            panic!(
                "a job name is one or more parts joined by `::`, each an upper-case letter and then letters, digits and `_`"
            )
        }
        rest = tail;
    }
    names
}

/// What a worker supplies for one parameter.
///
/// Like [`ArgKey`] it has its bound in `new` alone, so that a type that cannot be supplied is reported once.
pub struct Supply<T> {
    make: for<'a> fn(&'a JobContext) -> BoxFuture<'a, Result<T, Failure>>,
    check: fn(&State) -> Result<(), MissingState>,
}

impl<T> Supply<T> {
    pub const fn of() -> Self
    where
        T: FromJobContext + 'static,
    {
        Supply {
            make: |cx| Box::pin(async move { T::from_job_context(cx).await.map_err(Failure::from) }),
            check: T::check,
        }
    }

    pub fn make(self, cx: &JobContext) -> BoxFuture<'_, Result<T, Failure>> {
        (self.make)(cx)
    }

    pub fn check(self, state: &State) -> Result<(), MissingState> {
        (self.check)(state)
    }
}

impl<T> fmt::Debug for Supply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Supply")
    }
}

/// Where a future that cannot move between threads is reported: at the function.
pub fn assert_send<F: Future + Send>(future: F) -> F {
    future
}

/// Runs a blocking function on one of the threads that the worker has for it, once one is free, inside the caller's tracing
/// span and with the values that travel with the job.
///
/// Its panic goes on in the caller, where the worker catches it.
pub async fn blocking<R: Send + 'static>(job: &JobContext, function: impl FnOnce() -> R + Send + 'static) -> R {
    let thread = match job.state().get::<BlockingThreads>() {
        Some(threads) => threads.take().await,
        None => None,
    };
    let (span, context) = (tracing::Span::current(), Context::here());
    let _runs = crate::awaits::blocking();
    // The thread is taken until the function returns: one that was given up at a stop still has it.
    let run = move || {
        let _thread = thread;
        context.sync_scope(|| span.in_scope(function))
    };
    match tokio::task::spawn_blocking(run).await {
        Ok(out) => out,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down and never ran it. The worker still owns the job, so another will run it.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Turns what the function of a job returned into what a worker keeps, with what is to be done about an error: what the
/// job's options say, else the error's own type, else the application's rules; and what its `retry_in` says. All of them are
/// asked while the error still has its type.
pub fn finish<J: Perform, R: JobOutput>(
    out: R,
    job: &JobContext,
    judge: impl FnOnce(&R::Error) -> Disposition,
    root: impl FnOnce(&R::Error) -> Option<&(dyn Error + 'static)>,
) -> JobResult {
    let Err(error) = out.into_result() else { return Ok(()) };
    let disposition = catch_unwind(AssertUnwindSafe(|| judge(&error))).unwrap_or_else(|panic| {
        let (class, jid, panic) = (job.class(), job.jid(), Failure::of_caught(panic).message());
        tracing::error!(class, %jid, panic, "the job's own rule about its errors panicked; it has no say");
        Disposition::Retry
    });
    let asked = root(&error).map(|root| ask::<J>(root, job, disposition));
    let failure = error.into_failure();
    // A text is an error only now.
    let (plan, answer) = asked.unwrap_or_else(|| ask::<J>(failure.error(), job, disposition));
    let failure = failure.with_plan(plan);
    Err(match answer {
        Some(answer) => failure.with_retry_in(answer),
        None => failure,
    })
}

/// What is to be done about an error, and what the job's `retry_in` says of it.
fn ask<J: Perform>(
    error: &(dyn Error + 'static),
    job: &JobContext,
    disposition: Disposition,
) -> (Plan, Option<RetryIn>) {
    let mut plan = plan::of(error, job.state()).unwrap_or_default();
    if disposition != Disposition::Retry {
        plan = Plan::from(disposition).after(plan.retry_after());
    }
    let function = J::DEF.retry_in.filter(|_| plan.is_open());
    (plan, function.map(|function| retry_in::ask(function, &RetryContext::new(job, error))))
}

/// The same for a function beside a job: its error is only told.
pub fn finish_beside<R: JobOutput>(out: R) -> JobResult {
    out.into_result().map_err(OutputError::into_failure)
}

/// The judge of a job with no matching options.
pub fn retry<E>(_: &E) -> Disposition {
    Disposition::Retry
}

/// `Debug` of a job: its name and its stored arguments, which need no `Debug` of their own.
pub fn debug_job<J: Job>(job: &J, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match job.to_args() {
        Ok(args) => {
            let args = args.get();
            let inner = args.strip_prefix('[').and_then(|args| args.strip_suffix(']')).unwrap_or(args);
            write!(f, "{}({inner})", J::NAME)
        }
        Err(error) => write!(f, "{}(<{error}>)", J::NAME),
    }
}

/// What a job whose signature was refused does: nothing, since the program does not compile.
pub fn refused(_: JobContext) -> BoxFuture<'static, JobResult> {
    Box::pin(std::future::pending())
}

/// An error as `&dyn Error`, found by method lookup: its own `Error` impl, else that of what it derefs to (`Box<dyn
/// Error>`, `anyhow::Error` and `eyre::Report` have no impl of their own).
#[diagnostic::on_unimplemented(message = "`{Self}` carries no error type to match")]
pub trait AsDynError {
    fn as_dyn_error(&self) -> &(dyn Error + 'static);
}

impl<E: Error + 'static> AsDynError for E {
    fn as_dyn_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

impl AsDynError for dyn Error + 'static {
    fn as_dyn_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

impl AsDynError for dyn Error + Send + 'static {
    fn as_dyn_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

impl AsDynError for dyn Error + Send + Sync + 'static {
    fn as_dyn_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

/// `downcast_ref` for error types that have none. One of their own wins in method lookup, which is what finds a type
/// that was attached to an `anyhow::Error` as context.
pub trait DowncastRef {
    fn downcast_ref<T: 'static>(&self) -> Option<&T>;
}

impl<E: Error + 'static> DowncastRef for E {
    fn downcast_ref<T: 'static>(&self) -> Option<&T> {
        (self as &dyn std::any::Any).downcast_ref()
    }
}

/// Of a job that cannot fail.
pub fn no_root<E>(_: &E) -> Option<&(dyn Error + 'static)> {
    None
}

/// Finds the `&dyn Error` in whatever the error of a job may be, by method lookup on `&&&Probe(error)`: the error itself, else
/// what it derefs to (`Box<dyn Error>`, `anyhow::Error` and `eyre::Report` have no impl of their own), else nothing (text).
#[derive(Debug)]
pub struct Probe<'a, E>(pub &'a E);

/// Looked at first.
pub trait IsError<'a> {
    fn kiq_root(&self) -> Option<&'a (dyn Error + 'static)>;
}

impl<'a, E: Error + 'static> IsError<'a> for &&Probe<'a, E> {
    fn kiq_root(&self) -> Option<&'a (dyn Error + 'static)> {
        Some(self.0)
    }
}

/// Looked at second.
pub trait HoldsError<'a> {
    fn kiq_root(&self) -> Option<&'a (dyn Error + 'static)>;
}

impl<'a, E: Deref<Target = dyn Error + Send + Sync>> HoldsError<'a> for &Probe<'a, E> {
    fn kiq_root(&self) -> Option<&'a (dyn Error + 'static)> {
        Some(&**self.0)
    }
}

/// Looked at last.
pub trait IsText<'a> {
    fn kiq_root(&self) -> Option<&'a (dyn Error + 'static)>;
}

impl<'a, E> IsText<'a> for Probe<'a, E> {
    fn kiq_root(&self) -> Option<&'a (dyn Error + 'static)> {
        None
    }
}

/// Whether a `T` is this error, or one of its sources.
pub fn matches<T: Error + 'static>(direct: Option<&T>, error: &(dyn Error + 'static)) -> bool {
    direct.is_some() || chain::find::<T>(error).next().is_some()
}

/// Whether `test` holds for this error, or for one of its sources, of the type that `test` takes.
pub fn matches_if<T: Error + 'static, F: Fn(&T) -> bool>(
    test: F,
    direct: Option<&T>,
    error: &(dyn Error + 'static),
) -> bool {
    direct.is_some_and(&test) || chain::find::<T>(error).any(&test)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_names_are_what_ruby_can_look_up() {
        for good in ["A", "CompleteOrder", "Pdf::RenderJob", "A::B::C2_d"] {
            assert!(is_job_name(good), "{good}");
        }
        for bad in ["", "a", "pdf::Render", "A::", "::A", "A:B", "A|B", "A/B", "A b", "Ä", "A::2"] {
            assert!(!is_job_name(bad), "{bad}");
        }
    }
}
