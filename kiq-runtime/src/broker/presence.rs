//! The record a worker process keeps of itself: that it lives, what it does, and what it is told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::{BoxFuture, RawPayload};
use crate::random;

use super::metrics::ClassRuns;

/// A process's side of its own record.
pub trait Presence: fmt::Debug + Send + Sync + 'static {
    /// Says that the process lives: renews its lease for `beat.lease`, and its record as Sidekiq's pages read it. Answers
    /// what the process should know.
    ///
    /// # Errors
    /// When the store does not answer.
    fn beat<'a>(&'a self, beat: &'a Beat) -> BoxFuture<'a, Result<Heard, BrokerError>>;

    /// Adds to what ran in the minute of `at`, for the pages with numbers.
    ///
    /// # Errors
    /// When the store does not answer; some of it may be added.
    fn record<'a>(&'a self, runs: &'a [ClassRuns], at: Timestamp) -> BoxFuture<'a, Result<(), BrokerError>>;

    /// What makes the store lose jobs though it is well, as a sentence with the remedy: an eviction policy, say. `None` when
    /// nothing does, or the store does not say. The default.
    ///
    /// # Errors
    /// When the store does not answer.
    fn unfit(&self) -> BoxFuture<'_, Result<Option<String>, BrokerError>> {
        Box::pin(async { Ok(None) })
    }

    /// Says which jobs the process's program knows, by class. The default keeps it to itself.
    ///
    /// # Errors
    /// When the store does not answer.
    fn knows<'a>(&'a self, jobs: &'a [&'a str], at: Timestamp) -> BoxFuture<'a, Result<(), BrokerError>> {
        let _ = (jobs, at);
        Box::pin(async { Ok(()) })
    }

    /// Says good-bye: puts back whatever the process still owns, and removes its record.
    ///
    /// # Errors
    /// When the store does not answer; the lease then ends it.
    fn leave(&self) -> BoxFuture<'_, Result<(), BrokerError>>;
}

/// What a heartbeat is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// A signal that somebody left.
    pub signal: Option<Signal>,
    /// The queues that workers shall leave alone, by name.
    pub paused: Vec<String>,
}

/// The name of one start of one process: `host:pid:nonce`, as Sidekiq's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    hostname: Arc<str>,
    text: Arc<str>,
}

impl Identity {
    /// This process, with a fresh nonce: two workers in one process differ. The host is `DYNO` if that is set, as Sidekiq
    /// does for Heroku.
    pub fn of_this_process() -> Self {
        let hostname = match std::env::var("DYNO") {
            Ok(dyno) if !dyno.is_empty() => dyno,
            _ => gethostname::gethostname().to_string_lossy().into_owned(),
        };
        let nonce = random::below(1 << 48);
        Identity { text: format!("{hostname}:{}:{nonce:012x}", std::process::id()).into(), hostname: hostname.into() }
    }

    /// The host's name.
    pub fn hostname(&self) -> &str {
        &self.hostname
    }

    /// `host:pid:nonce`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a heartbeat says.
#[derive(Clone, Debug)]
pub struct Beat {
    /// What does not change while the process lives.
    pub info: Arc<ProcessInfo>,
    /// The jobs that run now.
    pub work: Vec<Work>,
    /// Whether the process takes no more jobs.
    pub quiet: bool,
    /// For how long from now the process owns what it fetched.
    pub lease: Duration,
    /// Resident memory, in KiB; 0 where the system does not say.
    pub rss_kib: u64,
    /// The time on this process's clock.
    pub at: Timestamp,
}

/// The lasting part of a process's record.
#[derive(Clone, Debug)]
pub struct ProcessInfo {
    /// When it started.
    pub started_at: Timestamp,
    /// A label for people: the application's name, or empty.
    pub tag: String,
    /// The capsules: which queues, how many jobs at once.
    pub capsules: Vec<CapsuleInfo>,
    /// Runs inside another program that handles its own signals: Sidekiq's pages then offer no Quiet and Stop.
    pub embedded: bool,
}

/// One capsule in a process's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapsuleInfo {
    /// Its name.
    pub name: String,
    /// Jobs at once.
    pub concurrency: usize,
    /// How it orders its queues.
    pub mode: OrderMode,
    /// The queues and their weights, in order.
    pub queues: Vec<(String, u32)>,
}

/// How a capsule orders its queues, in Sidekiq's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderMode {
    /// The first queue that has a job, always (no weights given).
    Strict,
    /// Each queue first as often as its weight says.
    Weighted,
    /// Each queue first equally often (all weights 1).
    Random,
}

impl OrderMode {
    /// The word in Sidekiq's process record.
    pub fn as_str(self) -> &'static str {
        match self {
            OrderMode::Strict => "strict",
            OrderMode::Weighted => "weighted",
            OrderMode::Random => "random",
        }
    }

    /// By the word in Sidekiq's process record.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "strict" => Some(OrderMode::Strict),
            "weighted" => Some(OrderMode::Weighted),
            "random" => Some(OrderMode::Random),
            _ => None,
        }
    }
}

/// One job that runs now.
#[derive(Clone, Debug)]
pub struct Work {
    /// The processor's label.
    pub tid: String,
    /// The queue.
    pub queue: Arc<str>,
    /// The bytes of the job.
    pub payload: RawPayload,
    /// Since when.
    pub run_at: Timestamp,
}

/// What a process can be told through the store, by Sidekiq's pages among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `TSTP`: take no more jobs.
    Quiet,
    /// `TERM`: stop.
    Stop,
    /// `TTIN`: say what every processor is doing.
    Dump,
}

impl Signal {
    /// By the name Sidekiq writes.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "TSTP" => Some(Signal::Quiet),
            "TERM" => Some(Signal::Stop),
            "TTIN" => Some(Signal::Dump),
            _ => None,
        }
    }

    /// The name Sidekiq writes.
    pub fn as_str(self) -> &'static str {
        match self {
            Signal::Quiet => "TSTP",
            Signal::Stop => "TERM",
            Signal::Dump => "TTIN",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Identity;

    /// C20 of the table of bad configurations.
    #[test]
    fn two_workers_of_one_process_have_names_of_their_own() {
        let (one, other) = (Identity::of_this_process(), Identity::of_this_process());
        assert_ne!(one, other);
        assert_eq!(
            one.as_str().rsplit_once(':').map(|(rest, _)| rest),
            other.as_str().rsplit_once(':').map(|(rest, _)| rest)
        );
    }
}
