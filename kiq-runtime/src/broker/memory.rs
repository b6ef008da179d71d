//! All jobs in one process's memory: the embedded broker.

/// The embedded broker.
#[derive(Debug)]
pub struct MemoryBroker;
