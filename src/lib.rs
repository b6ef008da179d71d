//! Background jobs for Rust on Redis.

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
