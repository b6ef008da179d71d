//! What an application adds to kiq, in one value: for its clients, its workers and its tests.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use crate::broker::DeadLimits;
use crate::client::{Client, EnqueueChain, EnqueueMiddleware};
use crate::job::options::MAX_RETRIES;
use crate::job::plan::{self, Rule, Rules};
use crate::job::{JobError, JobOutput, Plan, State, chain};
use crate::meters::{Meter, Meters};
use crate::middleware::{Place, RunChain, RunMiddleware};
use crate::reports::{Handler, Handlers, Report};
use crate::retry::Backoff;

/// What an application adds to kiq: middleware around enqueues and runs, rules about errors and
/// retries, and shared state.
///
/// Made in one function that the program and its tests call, so that what is on in production is on in tests. Given to a client
/// with [`Client::with_app`] and to a worker with `Worker::builder().app(&app)`. Cheap to clone.
///
/// # Examples
/// ```standalone_crate
/// use kiq::{App, Client, JobContext, JobResult, NextRun, Worker};
///
/// #[kiq::job]
/// async fn send_welcome(user_id: u64) { let _ = user_id; }
///
/// async fn announce(cx: JobContext, next: NextRun) -> JobResult {
///     println!("{} begins", cx.class());
///     next.run(cx).await
/// }
///
/// fn app() -> App {
///     App::new().run_middleware(announce)
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::in_memory().with_app(&app());
/// let worker = Worker::builder().client(client).app(&app()).build()?;
/// # let _ = worker;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use = "an App does nothing until it is given to a client or a worker"]
pub struct App {
    pub(crate) around_enqueues: EnqueueChain,
    pub(crate) around_runs: RunChain,
    state: State,
    rules: Rules,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) max_retries: Option<u32>,
    pub(crate) dead_limits: Option<DeadLimits>,
    pub(crate) handlers: Handlers,
    pub(crate) meters: Meters,
}

impl App {
    /// Nothing added.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shared state for parameters `Data<T>`; one value per type.
    pub fn data<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.state.insert(value);
        self
    }

    /// A rule about errors, for all jobs: asked about an error that neither the job nor the error's own type
    /// ([`JobError`]) has a plan for. The first rule that answers counts. [`rules`](crate::job::rules) has ready-made ones.
    ///
    /// # Examples
    /// ```
    /// use kiq::{App, rules};
    ///
    /// let app = App::new().rule(rules::io).rule(rules::timeouts);
    /// # let _ = app;
    /// ```
    pub fn rule(mut self, rule: impl Fn(&(dyn Error + 'static)) -> Option<Plan> + Send + Sync + 'static) -> Self {
        self.rules.rules.push(std::sync::Arc::new(rule) as Rule);
        self
    }

    /// A rule about errors of one type, wherever in the chain of a job's error they stand.
    ///
    /// # Examples
    /// ```
    /// use kiq::{App, Plan};
    ///
    /// let app = App::new().rule_for(|error: &std::num::ParseIntError| Some(Plan::fatal()));
    /// # let _ = app;
    /// ```
    pub fn rule_for<E: Error + 'static>(self, rule: impl Fn(&E) -> Option<Plan> + Send + Sync + 'static) -> Self {
        self.rule(move |error| chain::find::<E>(error).find_map(&rule))
    }

    /// Makes an error type known by hand that has `#[derive(JobError)]`: needed without the feature `inventory`.
    pub fn error<E: JobError>(mut self) -> Self {
        self.rules.types.push(plan::ask::<E>);
        self
    }

    /// Tells `handler` of each failure that is news: of errors as they happen, except those that are transient, rate-limited
    /// (unless [`report_transient`](App::report_transient)) or to be discarded, and of the last failure of every other job.
    /// Any number of handlers; an async function of a [`Report`] that returns nothing or a `Result<(), E>`.
    ///
    /// It is called when the store has confirmed what became of the job, on a task of its own, beside the jobs: up to 16
    /// reports at a time, each within [`handler_timeout`](App::handler_timeout). Its own error or panic is logged. If 1,000
    /// reports wait for it, further errors are not told to it, and the log counts them. (Code that blocks its thread cannot
    /// be cut off: use `spawn_blocking`.) A worker logs every failure by itself, through `tracing`.
    ///
    /// # Examples
    /// ```
    /// use kiq::{App, Report};
    ///
    /// async fn tell(report: Report) {
    ///     eprintln!("{} {} failed: {} {:?}", report.class(), report.jid(), report.message(), report.causes());
    /// }
    ///
    /// let app = App::new().on_error(tell);
    /// # let _ = app;
    /// ```
    pub fn on_error<F, R>(mut self, handler: F) -> Self
    where
        F: Fn(Report) -> R + Send + Sync + 'static,
        R: Future<Output: JobOutput> + Send + 'static,
    {
        self.handlers.on_error.push(Handler::new(handler));
        self
    }

    /// Tells `handler` of each job that is at its end without success, however silent its failures were:
    /// [`Report::death`] says why, so that what was to be discarded can be told from what needs a human.
    ///
    /// Once for each death, also when the worker is stopped just then, as long as the process lives and hears from the store: a
    /// process that dies between the store's confirmation and the call has not told it, and no other does; nor has one that
    /// stops while the store cannot be asked, for 5 seconds, whether the death is recorded. (The job is then in the dead set, and in no handler's report; for an action that
    /// must not be missed use the job's `on_exhausted`, which is run at least once, except for poison.) Nothing is left out
    /// when the handler is slow: if 1,000 reports wait for it, jobs that die wait with them. A worker that stops gives its
    /// handlers one [`handler_timeout`](App::handler_timeout) and a second for the reports that are left; then they are only
    /// in the log, which says so.
    ///
    /// Not told: bytes in a queue that are no job at all. They have neither class nor id nor attempt to make a report of; they
    /// go to the dead set as they are, with a line at ERROR and [`Event::NotAJob`](crate::events::Event::NotAJob).
    pub fn on_death<F, R>(mut self, handler: F) -> Self
    where
        F: Fn(Report) -> R + Send + Sync + 'static,
        R: Future<Output: JobOutput> + Send + 'static,
    {
        self.handlers.on_death.push(Handler::new(handler));
        self
    }

    /// Whether `on_error` is told of transient and rate-limited errors, too, while they are being retried. Default: no.
    pub fn report_transient(mut self, yes: bool) -> Self {
        self.handlers.with_transient = yes;
        self
    }

    /// How long a handler may take for one report; a longer one is dropped where it awaits. Default: 10 s.
    pub fn handler_timeout(mut self, timeout: Duration) -> Self {
        self.handlers.timeout = timeout;
        self
    }

    /// The wait before a retry. Default: Sidekiq's formula.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// The retries of a job that says `retry = true` or nothing. Default: 25. Sidekiq's `max_retries`; at most 1,000, and more
    /// is taken for that.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = Some(retries.min(MAX_RETRIES));
        self
    }

    /// How much the dead set keeps: Sidekiq's `dead_max_jobs` and `dead_timeout_in_seconds`. Default: 10,000 jobs, 180 days.
    ///
    /// Holds for all that share the store with a worker or client that has this application: inspectors, too.
    pub fn dead_limits(mut self, limits: DeadLimits) -> Self {
        self.dead_limits = Some(limits);
        self
    }

    /// Tells `meter` the numbers of its workers: runs as they end, and how the process and the store stand. Any number of meters.
    pub fn meter(mut self, meter: impl Meter) -> Self {
        self.meters.add(meter);
        self
    }

    /// All that its workers share.
    pub(crate) fn state(&self) -> State {
        let mut state = self.state.clone();
        state.insert(self.rules.clone());
        state
    }

    /// Wraps every run, inside of what was added before: the first added is the outermost.
    pub fn run_middleware<M: RunMiddleware>(mut self, middleware: M) -> Self {
        self.around_runs.wrap(middleware, Place::Innermost);
        self
    }

    /// Wraps every run, around all that was added before.
    pub fn outermost_run_middleware<M: RunMiddleware>(mut self, middleware: M) -> Self {
        self.around_runs.wrap(middleware, Place::Outermost);
        self
    }

    /// Wraps every enqueue, inside of what was added before: the first added is the outermost.
    pub fn enqueue_middleware<M: EnqueueMiddleware>(mut self, middleware: M) -> Self {
        self.around_enqueues.wrap(middleware, Place::Innermost);
        self
    }

    /// Wraps every enqueue, around all that was added before.
    pub fn outermost_enqueue_middleware<M: EnqueueMiddleware>(mut self, middleware: M) -> Self {
        self.around_enqueues.wrap(middleware, Place::Outermost);
        self
    }

    /// Wraps every run, directly around the middleware of that name (Sidekiq's `insert_before`): the name of its function or
    /// struct, without its path. Of several of that name, around the outermost.
    ///
    /// # Errors
    /// When there is none of that name around runs.
    ///
    /// # Examples
    /// ```
    /// # use kiq::{App, JobContext, JobResult, NextRun};
    /// # async fn measure(cx: JobContext, next: NextRun) -> JobResult { next.run(cx).await }
    /// # async fn announce(cx: JobContext, next: NextRun) -> JobResult { next.run(cx).await }
    /// # async fn limit(cx: JobContext, next: NextRun) -> JobResult { next.run(cx).await }
    /// let shop = App::new().run_middleware(announce);
    /// let app = shop.run_middleware_around("announce", measure)?.run_middleware_inside("measure", limit)?;
    /// assert_eq!(app.middleware(), ["measure", "limit", "announce"]);
    /// # Ok::<(), kiq::NoSuchMiddleware>(())
    /// ```
    pub fn run_middleware_around<M: RunMiddleware>(
        mut self,
        name: &str,
        middleware: M,
    ) -> Result<Self, NoSuchMiddleware> {
        let is_there = self.around_runs.wrap(middleware, Place::Around(name));
        self.if_there(is_there, name)
    }

    /// The same, directly inside of the middleware of that name (Sidekiq's `insert_after`). Of several, of the innermost.
    ///
    /// # Errors
    /// When there is none of that name around runs.
    pub fn run_middleware_inside<M: RunMiddleware>(
        mut self,
        name: &str,
        middleware: M,
    ) -> Result<Self, NoSuchMiddleware> {
        let is_there = self.around_runs.wrap(middleware, Place::Inside(name));
        self.if_there(is_there, name)
    }

    /// Wraps every enqueue, directly around the middleware of that name, as
    /// [`run_middleware_around`](App::run_middleware_around) does with runs.
    ///
    /// # Errors
    /// When there is none of that name around enqueues.
    pub fn enqueue_middleware_around<M: EnqueueMiddleware>(
        mut self,
        name: &str,
        middleware: M,
    ) -> Result<Self, NoSuchMiddleware> {
        let is_there = self.around_enqueues.wrap(middleware, Place::Around(name));
        self.if_there(is_there, name)
    }

    /// The same, directly inside of the middleware of that name.
    ///
    /// # Errors
    /// When there is none of that name around enqueues.
    pub fn enqueue_middleware_inside<M: EnqueueMiddleware>(
        mut self,
        name: &str,
        middleware: M,
    ) -> Result<Self, NoSuchMiddleware> {
        let is_there = self.around_enqueues.wrap(middleware, Place::Inside(name));
        self.if_there(is_there, name)
    }

    fn if_there(self, is_there: bool, name: &str) -> Result<Self, NoSuchMiddleware> {
        match is_there {
            true => Ok(self),
            false => Err(NoSuchMiddleware { name: name.to_owned(), known: self.middleware().join(", ") }),
        }
    }

    /// Takes out the middleware of that name: the name of its function or struct, without its path. All of that name, around
    /// runs and enqueues; closures are named `{{closure}}`.
    ///
    /// # Errors
    /// When there is none of that name, so that a renamed one is not left in by mistake.
    ///
    /// # Examples
    /// ```
    /// # use kiq::{App, JobContext, JobResult, NextRun};
    /// async fn announce(cx: JobContext, next: NextRun) -> JobResult {
    ///     next.run(cx).await
    /// }
    ///
    /// let app = App::new().run_middleware(announce).without("announce")?;
    /// assert!(app.middleware().is_empty());
    /// assert!(app.without("anounce").is_err());
    /// # Ok::<(), kiq::NoSuchMiddleware>(())
    /// ```
    pub fn without(mut self, name: &str) -> Result<Self, NoSuchMiddleware> {
        let of_runs = self.around_runs.remove(name);
        let of_enqueues = self.around_enqueues.remove(name);
        self.if_there(of_runs || of_enqueues, name)
    }

    /// The names of its middleware: those around enqueues, then those around runs, each outermost first.
    pub fn middleware(&self) -> Vec<&'static str> {
        let mut names = self.around_enqueues.names();
        names.extend(self.around_runs.names());
        names
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("around_enqueues", &self.around_enqueues)
            .field("around_runs", &self.around_runs)
            .field("state", &self.state)
            .field("rules", &self.rules)
            .field("handlers", &self.handlers)
            .finish()
    }
}

/// An [`App`] has no middleware of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no middleware is named {name:?}; those there are: {known}")]
pub struct NoSuchMiddleware {
    name: String,
    known: String,
}

impl Client {
    /// The same client with the middleware of `app` around its enqueues, in place of what it had, and with its limits of the
    /// dead set.
    #[must_use]
    pub fn with_app(self, app: &App) -> Self {
        if let Some(limits) = app.dead_limits {
            self.broker().limit_dead(limits);
        }
        self.with_middleware(app.around_enqueues.clone())
    }
}
