//! Jobs in Redis.

/// Jobs in Redis.
#[derive(Debug)]
pub struct RedisBroker;
