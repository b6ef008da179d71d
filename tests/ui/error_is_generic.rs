//! A worker has to know each type it looks for.

#[derive(Debug, thiserror::Error, kiq::JobError)]
#[error("down")]
#[transient]
struct Down<T: std::fmt::Debug + 'static>(T);

fn main() {}
