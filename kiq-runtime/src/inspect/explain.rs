//! Why is this job not running? An answer for each state a job can be in.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::broker::{JobSet, Place, ProcessState, Running, ScanFrom};
use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::Payload;

use super::{Found, Inspector};

/// Entries that one step of a search looks at.
const SCAN: usize = 1000;

/// Where a job is.
#[derive(Clone, Debug)]
pub enum Whereabouts {
    /// It waits.
    Waits {
        /// The job.
        found: Found,
        /// How many run before it, more or less, if it is in a queue.
        ahead: Option<usize>,
    },
    /// A process said that it runs.
    Runs(Running),
    /// It was not in what was read.
    NotFound {
        /// How many entries were read.
        read: usize,
        /// Whether these were all.
        is_complete: bool,
    },
}

/// Why a job is where it is, and what has to happen for it to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Explanation {
    /// It runs.
    Runs {
        /// Where: `host:pid:nonce`.
        process: String,
        /// For how long, as of the process's last heartbeat.
        since: Timestamp,
    },
    /// Its queue is served, and others are before it.
    WaitsItsTurn {
        /// The queue.
        queue: String,
        /// How many run before it, more or less.
        ahead: usize,
        /// Processes that serve the queue.
        processes: usize,
        /// Of their slots, how many are taken.
        busy: usize,
        /// Their slots.
        concurrency: usize,
    },
    /// An operator paused its queue.
    QueueIsPaused {
        /// The queue.
        queue: String,
    },
    /// No process that lives serves its queue.
    NobodyServes {
        /// The queue.
        queue: String,
        /// The processes that live, and serve others.
        processes: usize,
    },
    /// All processes that serve its queue were told to take no more jobs.
    AllAreQuiet {
        /// The queue.
        queue: String,
        /// How many.
        processes: usize,
    },
    /// Its time has not come.
    IsScheduled {
        /// When.
        at: Timestamp,
    },
    /// It failed and is tried again.
    WaitsForRetry {
        /// When.
        at: Timestamp,
        /// Runs that failed.
        failures: u32,
        /// The last error.
        error: String,
    },
    /// Its time has come, and no process has moved it to its queue.
    IsOverdue {
        /// Since when.
        at: Timestamp,
        /// Processes that would: those that live and are not quiet.
        processes: usize,
    },
    /// It failed for good.
    IsDead {
        /// When.
        at: Timestamp,
        /// Why.
        error: String,
    },
    /// It has ended, was deleted, is in a process's hands and not begun, or was never there.
    NotFound {
        /// How many entries were read.
        read: usize,
        /// Whether these were all.
        is_complete: bool,
    },
}

impl Inspector {
    /// Looks for a job where processes say what they run, among retries, dead and scheduled, and in the queues, reading `budget`
    /// entries at most, more or less: of each place a part in turn, so that a long one does not hide the others. In Redis: as
    /// [`running`](Inspector::running), one `ZSCAN` or `LRANGE` for 1,000 entries (and a
    /// `ZCARD` for a set that is smaller), and as [`queues`](Inspector::queues); O(entries).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn find(&self, jid: &str, budget: usize) -> Result<Whereabouts, BrokerError> {
        let is_it = |bytes: &[u8]| Payload::parse(bytes).is_ok_and(|job| job.jid().as_str() == jid);
        let running = self.broker.running(budget).await?;
        let mut read = running.len();
        if let Some(run) = running.into_iter().find(|run| is_it(&run.payload)) {
            return Ok(Whereabouts::Runs(run));
        }
        let sets = [JobSet::Retry, JobSet::Dead, JobSet::Scheduled].map(|set| (Place::Set(set), 0, 0));
        let queues = self.broker.queues().await?.into_iter().map(|queue| (Place::Queue(queue.name), queue.size, 0));
        let mut open: VecDeque<(Place, usize, u64)> = sets.into_iter().chain(queues).collect();
        while let Some((place, size, position)) = open.pop_front() {
            if read >= budget {
                return Ok(Whereabouts::NotFound { read, is_complete: false });
            }
            let scanned = self.broker.scan(&place, ScanFrom { position, count: SCAN }, Some(jid)).await?;
            read += scanned.read;
            if let Some(index) = scanned.entries.iter().position(|(_, bytes)| is_it(bytes))
                && let Some((at, bytes)) = scanned.entries.into_iter().nth(index)
            {
                let from_head = usize::try_from(position).unwrap_or(usize::MAX).saturating_add(index);
                let is_queue = matches!(place, Place::Queue(_));
                let ahead = is_queue.then(|| size.saturating_sub(from_head.saturating_add(1)));
                return Ok(Whereabouts::Waits { found: Found::new(&place, at, bytes), ahead });
            }
            if let Some(next) = scanned.next {
                open.push_back((place, size, next));
            }
        }
        Ok(Whereabouts::NotFound { read, is_complete: true })
    }

    /// Why a job is where it is. Commands as [`find`](Inspector::find), and as
    /// [`explain_where`](Inspector::explain_where).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn explain(&self, jid: &str, budget: usize) -> Result<Explanation, BrokerError> {
        let place = self.find(jid, budget).await?;
        self.explain_where(&place).await
    }

    /// Why a job is where it was found. Commands as [`processes`](Inspector::processes) if it waits, and as
    /// [`queues`](Inspector::queues) if it does in a queue.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn explain_where(&self, place: &Whereabouts) -> Result<Explanation, BrokerError> {
        let (found, ahead) = match place {
            Whereabouts::Runs(run) => {
                return Ok(Explanation::Runs { process: run.process.clone(), since: run.run_at });
            }
            Whereabouts::NotFound { read, is_complete } => {
                return Ok(Explanation::NotFound { read: *read, is_complete: *is_complete });
            }
            Whereabouts::Waits { found, ahead } => (found, *ahead),
        };
        let processes = self.broker.processes().await?;
        let error =
            || found.error().map_or("no error was noted".to_owned(), |(class, text)| format!("{class}: {text}"));
        let at = found.at.unwrap_or(self.now());
        let is_overdue = self.now().since(at) > OVERDUE;
        Ok(match &found.place {
            Place::Queue(queue) => {
                let states = self.broker.queues().await?;
                let is_paused = states.iter().any(|state| state.name == *queue && state.is_paused);
                in_queue(queue, ahead.unwrap_or(0), is_paused, &processes)
            }
            Place::Set(JobSet::Dead) => Explanation::IsDead { at, error: error() },
            Place::Set(_) if is_overdue => {
                let processes = processes.iter().filter(|process| !process.is_quiet).count();
                Explanation::IsOverdue { at, processes }
            }
            Place::Set(JobSet::Retry) => {
                let failures = found.payload.as_ref().map_or(0, Payload::failures);
                Explanation::WaitsForRetry { at, failures, error: error() }
            }
            Place::Set(JobSet::Scheduled) => Explanation::IsScheduled { at },
        })
    }
}

/// Processes look every 5 seconds, each at a time of its own.
const OVERDUE: Duration = Duration::from_secs(30);

fn in_queue(queue: &str, ahead: usize, is_paused: bool, all: &[ProcessState]) -> Explanation {
    let queue = queue.to_owned();
    if is_paused {
        return Explanation::QueueIsPaused { queue };
    }
    let serving: Vec<&ProcessState> = all.iter().filter(|process| process.serves(&queue)).collect();
    let awake: Vec<&&ProcessState> = serving.iter().filter(|process| !process.is_quiet).collect();
    if serving.is_empty() {
        return Explanation::NobodyServes { queue, processes: all.len() };
    }
    if awake.is_empty() {
        return Explanation::AllAreQuiet { queue, processes: serving.len() };
    }
    Explanation::WaitsItsTurn {
        queue,
        ahead,
        processes: awake.len(),
        busy: awake.iter().map(|process| process.busy).sum(),
        concurrency: awake.iter().map(|process| process.concurrency).sum(),
    }
}

impl fmt::Display for Explanation {
    /// A sentence, and what to do if anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Explanation::Runs { process, since } => write!(f, "it runs on {process} since {since}"),
            Explanation::WaitsItsTurn { queue, ahead, processes, busy, concurrency } => write!(
                f,
                "it waits in queue {queue} behind about {ahead} others; processes that serve the queue: {processes}, busy slots: \
                 {busy} of {concurrency}"
            ),
            Explanation::QueueIsPaused { queue } => {
                write!(f, "its queue {queue} is paused; resume it with `kiqctl resume {queue}`")
            }
            Explanation::NobodyServes { queue, processes: 0 } => {
                write!(f, "it waits in queue {queue}, and no worker process lives; start one")
            }
            Explanation::NobodyServes { queue, processes } => write!(
                f,
                "it waits in queue {queue}, which no worker process serves, of {processes} that live; start one with `-q {queue}`"
            ),
            Explanation::AllAreQuiet { queue, processes } => write!(
                f,
                "it waits in queue {queue}, and all {processes} processes that serve it are quiet; start others"
            ),
            Explanation::IsScheduled { at } => write!(f, "it is scheduled for {at}"),
            Explanation::WaitsForRetry { at, failures, error } => {
                write!(f, "it failed {failures} times and is tried again at {at}; last: {error}")
            }
            Explanation::IsOverdue { at, processes: 0 } => {
                write!(f, "it was due at {at}, and no process lives that would move it to its queue; start one")
            }
            Explanation::IsOverdue { at, processes } => write!(
                f,
                "it was due at {at}, and none of {processes} processes has moved it to its queue: is the backlog of due jobs long, \
                 or are the clocks apart? `kiqctl doctor` tells"
            ),
            Explanation::IsDead { at, error } => {
                write!(f, "it failed for good at {at}: {error}; `kiqctl retry dead jid:…` runs it again")
            }
            Explanation::NotFound { read, is_complete: true } => write!(
                f,
                "it is nowhere ({read} entries read): it has ended, was deleted, was never stored here, or a process has just \
                 taken it"
            ),
            Explanation::NotFound { read, is_complete: false } => {
                write!(f, "it was not among the {read} entries read; there are more: search with a larger `--budget`")
            }
        }
    }
}
