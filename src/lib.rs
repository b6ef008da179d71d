//! Background jobs for Rust: annotate an async function, enqueue it, and a worker runs it from Redis, crash-safely.
//!
//! The promise: **a job whose enqueue returned `Ok` runs at least once, or is visible in the dead set with the reason**, as long
//! as Redis keeps the writes it acknowledged.
//!
//! # A job, from the call to its end
//! ```
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
//! | define a job | [`job`](macro@job), [`Data`], [`JobContext`]; by hand: [`Job`], [`Perform`] |
//! | enqueue | [`Client`], [`Enqueue`], [`enqueue_all`], [`EnqueueError`] |
//! | run | [`Worker`], [`WorkerBuilder`], [`Capsule`], [`Controls`] |
//! | know what happens | [`Event`], [`Inspector`], and `tracing`: one span a job |
//! | keep jobs somewhere else | [`broker`] |
//!
//! # Logs
//! kiq logs through `tracing`. Each run is a span `job` with `class`, `jid`, `queue`, `attempt` and, at its end, `elapsed` in
//! seconds. Failures are at WARN, deaths at ERROR, expected (transient) failures at INFO, start and end of each run at DEBUG.
//! A program without a `tracing` set-up of its own calls `kiq::logs::init()` (feature `logs`).
//!
//! # What it does not do
//! A job may run twice: after a crash, or when its worker was cut off for longer than its lease. Write jobs for that. Results
//! are not kept. Redis Cluster and TLS are refused for now.
//!
//! # Features
//! - `redis` (default): jobs kept in Redis.
//! - `inventory` (default): `#[job]` registers the function when the program is linked.
//! - `logs`: log lines for a terminal, or JSON, for programs with no `tracing` set-up of their own.

pub use kiq_macros::job;
#[cfg(feature = "redis")]
pub use kiq_runtime::broker::RedisBroker;
pub use kiq_runtime::broker::{self, JobSet, MemoryBroker, Stats};
pub use kiq_runtime::client::{
    BulkError, Client, Enqueue, EnqueueAll, EnqueueError, EnvironmentError, Receipt, default_client, enqueue,
    enqueue_all, init,
};
pub use kiq_runtime::error::BrokerError;
pub use kiq_runtime::events::{Event, EventStream, FailureReport, Next};
pub use kiq_runtime::inspect::{Found, Inspector};
pub use kiq_runtime::job::{
    ArgKey, ArgsError, ArgsReader, ArgsWriter, BoxFuture, Data, Disposition, Failure, FromJobContext, Jid, Job,
    JobContext, JobDef, JobOptions, JobResult, MissingState, Payload, PayloadError, Perform, Registry, RegistryError,
    Rejection, Retry, State,
};
#[doc(hidden)]
pub use kiq_runtime::private as __private;
pub use kiq_runtime::retry::Backoff;
pub use kiq_runtime::worker::{BuildError, Capsule, Controls, QueueSpec, Worker, WorkerBuilder, WorkerError};
pub use kiq_runtime::{Clock, Timestamp};
