//! Background jobs for Rust: annotate an async function, enqueue it, and a worker runs it from Redis, crash-safely.
//!
//! The promise: **a job whose enqueue returned `Ok` runs at least once, or is visible in the dead set with the reason**, as long
//! as Redis keeps the writes it acknowledged.
//!
//! # A job, from the call to its end
//! ```standalone_crate
//! use kiq::{Client, Data, Event, Worker};
//!
//! struct Mailer { from: &'static str }
//!
//! /// Sends a receipt.
//! #[kiq::job(queue = "mail", retry = 5)]
//! async fn send_receipt(to: &str, order: u64, mailer: Data<Mailer>) -> std::io::Result<()> {
//!     println!("from {} to {to}: thank you for order {order}", mailer.from);
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::in_memory(); // Client::connect("redis://127.0.0.1:6379/0")? in production
//! let receipt = SendReceipt::enqueue("ann@example.com", 42).on(&client).await?;
//! assert_eq!(receipt.queue, "mail");
//!
//! let worker = Worker::builder().client(client).queues(["mail"]).data(Mailer { from: "shop" }).build()?;
//! let mut events = worker.events();
//! let done = async { while !matches!(events.next().await, Some(Event::Done { .. })) {} };
//! worker.run_until(done).await?; // in production `worker.run()`: until TERM or INT
//! # Ok(())
//! # }
//! ```
//!
//! # The map
//! | to | see |
//! |---|---|
//! | begin | [the guide](guide::beginning): `cargo kiq new my-app`, `cargo kiq generate job`; [`not_implemented!`] |
//! | define a job | [`job`](macro@job), [`Data`], [`JobContext`]; by hand: [`Job`], [`Perform`] |
//! | define many alike | [`defaults!`](macro@defaults), [`queues!`](macro@queues) |
//! | decide about retries | [`RetryIn`], [`RetryContext`], [`Backoff`], [`DeadJob`] |
//! | plan for failures | [the guide](guide::failures), [`JobError`](macro@JobError), [`rules`], [`App`], [`Report`] |
//! | be safe to run twice | [the guide](guide::idempotency), [`JobContext::idempotency_key`] |
//! | wrap runs and enqueues | [`RunMiddleware`], [`EnqueueMiddleware`] |
//! | carry a request's values | [`Current`], [`TRACE`] |
//! | enqueue | [`Client`], [`Enqueue`], [`enqueue_all`], [`EnqueueError`]; so that a repetition is no second copy: [`Enqueue::idempotent`]; only with replicas: [`Enqueue::durable`]; while Redis is away: `Spool` (feature `spool`) |
//! | run | [`Worker`], [`WorkerBuilder`], [`Capsule`], [`Controls`], [`Reruns`] |
//! | know what happens | [`Event`], [`Inspector`], [`Controls::health`], [`meters`], and `tracing`: one span a job |
//! | test | [`guide::testing`], and the crate `kiq-testing` |
//! | look at it, and set it right | [the guide](guide::dashboard), `web` (feature `web`), and the command `kiqctl` |
//! | keep jobs somewhere else | [`broker`] |
//!
//! # Logs
//! kiq logs through `tracing`. Each run is a span `job` with `class`, `jid`, `queue`, `attempt` and, at its end, `elapsed` in
//! seconds. A failure is one line with `error.class`, `error` and, if it comes
//! from another, `error.causes`: at WARN, deaths (kept or not) at ERROR, expected (transient and rate-limited) failures at INFO;
//! start and end of each run at DEBUG.
//! A program without a `tracing` set-up of its own calls `kiq::logs::init()` (feature `logs`).
//!
//! # When Redis is in trouble
//! An enqueue is `Ok` (the job is stored once), rejected (this attempt stored nothing), or unknown (the answer was lost: once or
//! not at all), and ends within 9 seconds.
//!
//! | trouble | an enqueue | what helps |
//! |---|---|---|
//! | full, read-only, cannot save, a right is missing | rejected, with the reason and the remedy | workers drain a full Redis |
//! | the answer is lost | unknown; kiq does not send it again | [`Enqueue::idempotent`]: repeating it stores no second copy |
//! | away | rejected | `Spool` (feature `spool`): kept on disk, sent in order when it is back |
//! | lost with its memory | what was `Ok` since the last save is lost | `appendonly yes`: the last second; `appendfsync always`: nothing |
//! | lost, and a replica takes its place | what the replica did not have is lost | [`Enqueue::durable`]: `Ok` only with replicas; `min-replicas-to-write 1` |
//! | moved by Sentinels | goes on at the new primary | `redis+sentinel://…` ([`Client::connect`]) |
//!
//! # What it does not do
//! A job may run twice: after a crash, or when its worker was cut off for longer than its lease. Write jobs for that. Results
//! are not kept. Redis Cluster is refused for now.
//!
//! # Features
//! - `redis` (default): jobs kept in Redis.
//! - `tls`: encrypted connections, `rediss://…`, by rustls.
//! - `inventory` (default): `#[job]` registers the function when the program is linked.
//! - `logs`: log lines for a terminal, or JSON, for programs with no `tracing` set-up of their own.
//! - `web`: `kiq::web`, the dashboard, as a part of any axum application.

/// Makes a function a job.
///
/// The function stays as it is, for tests and other callers. Beside it stands a struct, named as the function in camel case
/// and holding the stored arguments: `charge_order` makes `ChargeOrder`, with `ChargeOrder::enqueue(…)` and
/// `ChargeOrder::new(…)`.
///
/// ```standalone_crate
/// use kiq::{Client, Data};
///
/// # struct Db;
/// # impl Db { async fn order(&self, _: u64) -> Result<(), HttpError> { Ok(()) } }
/// # #[derive(Debug)] struct HttpError;
/// # impl std::fmt::Display for HttpError { fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { Ok(()) } }
/// # impl std::error::Error for HttpError {}
/// /// Charges an order.
/// #[kiq::job(queue = "high", retry = 20, transient = [HttpError])]
/// async fn charge_order(order_id: u64, note: &str, db: Data<Db>) -> Result<(), HttpError> {
///     db.order(order_id).await?;
///     println!("{order_id}: {note}");
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::in_memory();
/// ChargeOrder::enqueue(42, "paid by card").on(&client).await?;
///
/// // A test needs no queue: it calls the function.
/// charge_order(42, "paid by card", Data::new(Db)).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Options
/// | option | takes | default | limits |
/// |---|---|---|---|
/// | `queue` | text | `"default"` | 1 to 128 of `A-Z a-z 0-9 _ . : -` |
/// | `retry` | a count, `true` or `false` | `true`: 25 retries | at most 1000; `0`: the first failure goes to the dead set; `false`: it leaves nothing |
/// | `retry_for` | `"2d"` (`d h m s ms`) or a `Duration`: retry as often as fits into that time after the first failure | a count | whole seconds, 1 to 10⁹; not beside a count |
/// | `retry_in` | a `fn(&RetryContext<'_>) -> RetryIn`: when to try again | the worker's [`Backoff`] | |
/// | `retry_queue` | text: the queue of the retries | the one it came from | as `queue` |
/// | `on_exhausted` | an `async fn(DeadJob)`, or one that returns a `Result<(), E>`: run when the retries are used up | none | |
/// | `name` | text: the job's name in Redis | the function's name in camel case | parts joined by `::`, each `[A-Z][A-Za-z0-9_]*` |
/// | `aliases` | `["…", …]`: names it had before, under which stored jobs are still found | none | as `name` |
/// | `handle` | an identifier: the struct's name | the function's name in camel case | |
/// | `transient` | `[T, …]`: error types | none | retried, and told to nobody before the retries are used up |
/// | `discard` | `[T, …]`: error types | none | ends the job, without retry and without a place in the dead set |
/// | `transient_if`, `discard_if` | a `fn(&T) -> bool` or a closure `\|e: &T\| …` | none | the same, for some errors of a type |
/// | `timeout` | `"90s"`, `"1h30m"` (`d h m s ms`) or a `Duration` | none | longer than zero; async functions only, as a blocking thread cannot be stopped |
/// | `dead` | `true` or `false` | `true` | whether a job that used up its retries is kept in the dead set |
/// | `on_arg_error` | `retry` or `dead` | `retry` | what becomes of a job whose stored arguments do not fit: `retry` waits for a deploy that knows them, `dead` shows it to a human at once |
/// | `tags` | `["…", …]` | none | none of them empty |
/// | `derive(…)` | derives for the struct | `Debug`, which prints the stored arguments | |
/// | `crate` | the path of kiq | `::kiq` | |
///
/// A constant may stand wherever a value does (`queue = QUEUE`); it is checked as a literal is, when the program is compiled.
/// Options that jobs have in common are set once with [`defaults!`](macro@defaults); the queues there are, with
/// [`queues!`](macro@queues). What is planned and not there yet (`cron`, `unique_for`, `limit`, `expires_in`, …) is refused.
///
/// # Parameters
/// `Data<T>`, `JobContext`, and references to them, are *supplied* by the worker. Every other parameter is *stored*: an element
/// of the JSON array in Redis, in the order of the function. The decision goes by the type's name; `#[inject]` and `#[arg]` on
/// a parameter overrule it: `#[inject] tenant: Tenant` is made by [`FromJobContext`], `#[arg] data: my::Data<u8>` is stored.
///
/// Stored types are written and read by serde. `&str`, `&[T]` and `&T` are kept as `String`, `Vec<T>` and `T`. For `&str` and
/// `String`, `enqueue` takes whatever is `Into<String>`; for the others, the kept type.
///
/// Payloads outlive deploys, so add arguments at the end and give them a default: `#[arg(default)]`, `#[arg(default = 72)]`, or
/// the type `Option<…>`. A payload that ends early then still runs. Any other difference in number or type is a failure of the
/// run that names the argument.
///
/// ```
/// use kiq::Job;
///
/// #[kiq::job(queue = "low", name = "Pdf::RenderJob")]
/// fn render_pdf(ids: &[u64], #[arg(default = 72)] dpi: u32, title: Option<String>) -> std::io::Result<()> {
///     println!("{ids:?} at {dpi} dpi, {title:?}");
///     Ok(())
/// }
///
/// assert_eq!(RenderPdf::new(vec![1, 2], 300, None).to_args()?.get(), "[[1,2],300,null]");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Functions
/// - `async fn` runs on the worker's runtime and must be `Send`.
/// - `fn` runs on a thread for blocking work. It cannot be stopped; it may look at [`JobContext::is_stopping`].
/// - A function that ends in `;` is performed by another program: it can be enqueued here and not performed.
/// - No `self`, no generics, no lifetimes, no `unsafe`, `const` or `extern`. A function inside another function's body works,
///   and is registered for the whole program.
///
/// ```
/// #[kiq::job(name = "Legacy::SyncJob", queue = "ruby")]
/// async fn legacy_sync(account_id: u64, reason: Option<String>);
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// LegacySync::enqueue(7, None).on(&kiq::Client::in_memory()).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Results
/// `()`, or `Result<(), E>` for an `E` that converts into `Box<dyn Error + Send + Sync>`: error enums, `anyhow::Error`,
/// `eyre::Report`, boxed errors, `String`. An error is a failure, and so is a panic. A failure is retried, unless an option says
/// otherwise. The value of a result is not kept, so there is none.
///
/// # Which errors `transient` and `discard` find
/// An error matches when it, or one of the first 100 in its chain of [`source`](std::error::Error::source)s, is of a listed
/// type, also inside a `Box`, an `Arc` or an `io::Error`; context attached to an `anyhow::Error` or an `eyre::Report` counts.
/// `discard` is asked before `transient`.
///
/// ```
/// #[derive(Debug, thiserror::Error)]
/// enum SyncError {
///     #[error("network")]
///     Network(#[from] std::io::Error),
///     #[error("account {0} is gone")]
///     Gone(u64),
/// }
///
/// #[kiq::job(
///     transient = [std::io::Error],
///     discard_if = |e: &SyncError| matches!(e, SyncError::Gone(_)),
/// )]
/// async fn sync_account(account_id: u64) -> Result<(), SyncError> {
///     Err(SyncError::Gone(account_id))
/// }
/// ```
///
/// What it cannot see:
/// - A `#[error(transparent)]` variant of `thiserror` stands for what it holds and leaves it out of the chain. Ask for the
///   variant with `transient_if`, or write a message of its own.
/// - An `anyhow::Error` or `eyre::Report` turned into `Box<dyn Error>` (by `?`), or put inside another error, no longer tells
///   the types of its contexts.
/// - A `String` has no type to match; listing types is then refused.
/// - An error type with a method `downcast_ref` of its own that does something else does not compile.
///
/// # Retries and the end
/// `retry_in` is asked about every failure, panics and time limits too, but not about errors to discard or fatal ones, and its
/// answer counts while retries are left. It may ask for the error as `transient` does: [`RetryContext::find`]. The wait it
/// answers gets up to `10 × (retries + 1)` seconds of luck added, as in Sidekiq. For a rate-limited error its answer comes before
/// what the error or the application says of the wait; no retry is spent all the same. If it panics, that is logged and the
/// worker's own wait counts.
///
/// `on_exhausted` is run when the retries are used up, the error is fatal or [`RetryIn::Kill`] was the answer, whether the job
/// then goes to the dead set or (`dead = false`, `retry = false`) nowhere; not for a discarded job, nor for one that is poison:
/// it might be what kills the process. It runs before the end is recorded: if the
/// process dies in it, the job runs again and so may it. Its own error or panic is logged and changes nothing; a `timeout` of
/// the job is its limit too.
///
/// ```
/// use kiq::{DeadJob, RetryContext, RetryIn};
/// use std::time::Duration;
///
/// # #[derive(Debug, thiserror::Error)]
/// # #[error("http {0}")]
/// # struct HttpError(u16);
/// #[kiq::job(retry_for = "2d", retry_in = patient, on_exhausted = refund)]
/// async fn charge(order_id: u64) -> Result<(), HttpError> {
///     Err(HttpError(429))
/// }
///
/// fn patient(retry: &RetryContext<'_>) -> RetryIn {
///     match retry.find::<HttpError>() {
///         Some(HttpError(429)) => RetryIn::After(Duration::from_secs(600)),
///         Some(HttpError(400)) => RetryIn::Kill,
///         _ => RetryIn::Default,
///     }
/// }
///
/// async fn refund(dead: DeadJob) -> Result<(), kiq::ArgsError> {
///     let Charge { order_id } = dead.job()?;
///     println!("refunding {order_id}: {}", dead.error());
///     Ok(())
/// }
/// ```
///
/// # Registration
/// With the feature `inventory` a job with a body is known to every worker of a program it is linked into. **A crate that is a
/// dependency and is never named is not linked, and its jobs are missing**: name anything from it, or write
/// `use my_jobs as _;` where the worker is built; in `tests/` too. Without the feature, or in place of it, register jobs one by
/// one with `Worker::builder().register::<ChargeOrder>()`. Two jobs of one name are an error when the worker is built.
///
/// From edition 2024 on, all doc tests of a crate are linked into one program, and share their jobs: mark those with a worker
/// `standalone_crate`.
///
/// # With other attributes
/// `#[cfg]` on the function covers all that is made of it. Put `#[kiq::job]` above `#[tracing::instrument]` and the like. The
/// environment variable `KIQ_DEBUG_MACRO=charge_order` prints what is made of the function of that name while it is compiled.
///
/// # When it does not compile
/// All mistakes of one function are reported together, each where it is. The function itself, and the struct, are there all the
/// same, so that the rest of the crate compiles and an editor keeps completing. `#[job]` on a method without `self` cannot be
/// told apart from one on a function: rustc then says that a struct is not supported there.
pub use kiq_macros::job;

/// Sets what the jobs of a module ask for when they say nothing else.
///
/// It takes those options of [`job`](macro@job) that jobs may have in common: `queue`, `retry`, `retry_for`, `retry_queue`,
/// `dead`, `on_arg_error`, `timeout` (for the async ones), `tags`, and `crate`. What a job says itself counts more, option by option. All of it
/// is settled when the program is compiled.
///
/// ```
/// mod mail {
///     kiq::defaults! { queue = "mail", retry = 5, timeout = "30s" }
///
///     #[kiq::job]
///     pub async fn send_receipt(order_id: u64) { let _ = order_id; }
///
///     #[kiq::job(queue = "high")]
///     pub async fn send_password(user_id: u64) { let _ = user_id; }
/// }
///
/// mod reports {
///     use crate::mail::JobDefaults as _;
///
///     #[kiq::job]
///     pub async fn mail_report() {}
/// }
///
/// # fn main() {
/// use kiq::{Job, Retry};
/// assert_eq!(mail::SendReceipt::OPTIONS.queue, "mail");
/// assert_eq!((mail::SendPassword::OPTIONS.queue, mail::SendPassword::OPTIONS.retry), ("high", Retry::Max(5)));
/// assert_eq!(reports::MailReport::OPTIONS.queue, "mail");
/// # }
/// ```
///
/// # Where it holds
/// A macro cannot see the items around it, but the compiler can: this one makes a trait `JobDefaults`, and a job takes the one
/// that is in scope where it stands. So it holds
/// - in its own module, function bodies included, and **not in modules below it**;
/// - in every module that imports it: by name (`use crate::mail::JobDefaults as _;`), or with everything else
///   (`use super::*;`). A module's own `defaults!` comes before one that is imported with a `*`.
///
/// Two in scope by name are an error. Two that are both imported with a `*` are a warning of rustc (1.95; older ones take the
/// first): import one of them by name. The trait is `pub(crate)`; begin with `pub,` to share it with other crates of a
/// workspace, or with `pub(super),` to keep it closer: `kiq::defaults! { pub, queue = "mail" }`.
///
/// What depends on the function or belongs to one job (`transient`, `retry_in`, `name`, …) is refused here.
pub use kiq_macros::defaults;

/// Writes [`JobError`](trait@JobError) for an error type: what to do about each of its variants. A variant without a rule does
/// not compile, so that nobody forgets one.
///
/// | above a variant | what becomes of the job | who is told |
/// |---|---|---|
/// | `#[transient]` | retried as its retries say | nobody before they are used up |
/// | `#[permanent]` | retried as its retries say | `on_error`, at once |
/// | `#[discard]` | ended, without retry and without a place among the dead | `on_death`, which sees that it was discarded |
/// | `#[fatal]` | ended and kept among the dead, whatever retries are left | `on_error` and `on_death`, at once |
/// | `#[rate_limited]` | tried again later, no retry spent | nobody |
/// | `#[defer]` | what the error's source says, else the application's rules | |
///
/// `#[transient(after = field)]` and `#[rate_limited(after = field)]` wait as the other side asked: the field (its name, or its
/// number in a tuple) holds a `Duration` or an `Option<Duration>`; more than a week is taken for a week. A struct has its rule
/// above it. With kiq under another name: `#[kiq(crate = path)]` on the type.
///
/// An example is at the [trait](trait@JobError).
pub use kiq_macros::JobError;

/// Names the queues there are, so that a job cannot name another.
///
/// ```
/// kiq::queues! {
///     /// For people who wait.
///     high,
///     default,
///     "mail-out", // a name that is no word of Rust
/// }
///
/// #[kiq::job(queue = "high")] // "hihg" would not compile
/// async fn charge(order_id: u64) { let _ = order_id; }
///
/// #[kiq::job(queue = queues::MAIL_OUT)] // nor would queues::MAILOUT, in any module
/// async fn send_receipt(order_id: u64) { let _ = order_id; }
///
/// # fn main() {
/// let worker = kiq::Worker::builder().queues(queues::ALL); // in this order, strictly
/// # let _ = worker;
/// # }
/// ```
///
/// It makes a module `queues` with a constant for each queue, and `ALL`, the array of them. And it makes a trait,
/// `queues::Declared`: **where that is in scope**, `queue` and `retry_queue` of a job must be among them, written as text or as
/// any constant; so must `default`, for a job that names no queue. It is in scope in the module where `queues!` stands, and
/// wherever it is imported: `use crate::queues::Declared as _;` or `use crate::queues::*;`. In other modules text is not
/// checked, but constants are, being constants; and the worker warns at its start about each job whose queue it does not serve.
///
/// A queue given at the enqueue (`.queue("…")`) is checked for its form only.
///
/// The module is `pub(crate)`; begin with `pub,` to share it with other crates. With kiq under another name: `crate = path,`
/// next.
pub use kiq_macros::queues;
pub mod guide;

pub use kiq_runtime::app::{App, NoSuchMiddleware};
#[cfg(feature = "redis")]
pub use kiq_runtime::broker::RedisBroker;
#[cfg(feature = "tls")]
pub use kiq_runtime::broker::redis::Tls;
#[cfg(feature = "spool")]
pub use kiq_runtime::broker::spool::{Spool, SpoolError, SpoolStatus, SpoolWatch};
pub use kiq_runtime::broker::{self, DeadLimits, JobSet, MemoryBroker, Replicas, Stats};
#[cfg(feature = "redis")]
pub use kiq_runtime::client::EnvironmentError;
pub use kiq_runtime::client::{
    BulkError, Client, Enqueue, EnqueueAll, EnqueueError, EnqueueMiddleware, NextEnqueue, Outgoing, Receipt, Stored,
    default_client, enqueue, enqueue_all, init,
};
pub use kiq_runtime::error::BrokerError;
pub use kiq_runtime::events::{Event, EventStream, FailureReport, Next};
pub use kiq_runtime::inspect::{self, Found, Inspector};
pub use kiq_runtime::job::{
    ArgKey, ArgsError, ArgsReader, ArgsWriter, BoxFuture, ContextError, Current, Data, DeadJob, Disposition, Failure,
    FromJobContext, InvalidTraceParent, Jid, Job, JobContext, JobDef, JobError, JobOptions, JobResult, MissingState,
    NotImplemented, OnArgError, PastError, Payload, PayloadError, Perform, Plan, Registry, RegistryError, Rejection,
    Retry, RetryContext, RetryIn, State, TRACE, TimedOut, TraceParent, Wrapped, rules,
};
#[cfg(feature = "logs")]
pub use kiq_runtime::logs;
pub use kiq_runtime::meters;
pub use kiq_runtime::middleware::{NextRun, RunMiddleware};
pub use kiq_runtime::not_implemented;
#[doc(hidden)]
pub use kiq_runtime::private as __private;
#[cfg(feature = "cli")]
pub use kiq_runtime::program::{self, Program};
pub use kiq_runtime::reports::{Death, Report};
pub use kiq_runtime::retry::{Backoff, Schedule, ScheduleRow};
pub use kiq_runtime::worker::{
    BuildError, Capsule, Controls, Health, QueueSpec, Reruns, Worker, WorkerBuilder, WorkerError,
};
pub use kiq_runtime::{Clock, Timestamp};
#[cfg(feature = "web")]
pub use kiq_web as web;

/// The README's code must compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
