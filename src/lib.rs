//! Background jobs for Rust on Redis.

pub use kiq_macros::job;
pub use kiq_runtime::broker::{self, MemoryBroker};
#[cfg(feature = "redis")]
pub use kiq_runtime::broker::RedisBroker;
pub use kiq_runtime::job::{
    ArgKey, ArgsError, ArgsReader, ArgsWriter, BoxFuture, Data, Disposition, Failure, FromJobContext, Jid, Job, JobContext,
    JobDef, JobOptions, JobResult, MissingState, Payload, PayloadError, Perform, Registry, RegistryError, Rejection, Retry,
    State,
};
pub use kiq_runtime::{Clock, Timestamp};
