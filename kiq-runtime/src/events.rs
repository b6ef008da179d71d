//! What happens in a worker, told to whoever listens: applications, metrics, tests.
//!
//! An event about a job is told after the store has confirmed what became of it, so a test that heard `Done` finds the job
//! gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::broker::Reclaimed;
use crate::clock::Timestamp;
use crate::job::{Jid, JobContext};

/// Something that happened in a worker.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The worker takes jobs from now on.
    Ready,
    /// A run begins.
    Started {
        /// The run.
        job: JobContext,
    },
    /// A run succeeded and its job is settled.
    Done {
        /// The run.
        job: JobContext,
        /// How long it took.
        elapsed: Duration,
    },
    /// A run succeeded, but its job was somebody else's by then, because this process's lease had run out: it runs again, or
    /// has.
    Stale {
        /// The run.
        job: JobContext,
        /// How long it took.
        elapsed: Duration,
    },
    /// A run failed and what becomes of the job is settled.
    Failed {
        /// The run.
        job: JobContext,
        /// How long it took.
        elapsed: Duration,
        /// What failed.
        error: FailureReport,
        /// What becomes of the job.
        next: Next,
    },
    /// A queue held something that is no job; it is among the dead as it was.
    NotAJob {
        /// The queue.
        queue: Arc<str>,
        /// Why it is none.
        reason: String,
    },
    /// A job was not run any more, because its process died of it too often; it is among the dead, unless it says
    /// `dead = false`.
    Poison {
        /// The queue.
        queue: Arc<str>,
        /// Its class.
        class: String,
        /// Its id.
        jid: Jid,
    },
    /// Jobs left the dead set for good, because it is full or they are too old.
    Trimmed {
        /// How many.
        jobs: usize,
    },
    /// Jobs were put back unfinished, to run elsewhere.
    GivenBack {
        /// How many.
        jobs: usize,
    },
    /// Jobs of a process that is gone were put back.
    Reclaimed(Reclaimed),
    /// Due jobs were moved to their queues.
    Promoted {
        /// How many.
        jobs: usize,
    },
    /// An operator paused or resumed queues of a capsule.
    Paused {
        /// The queues it leaves alone from now on.
        queues: Vec<String>,
    },
    /// The store became unfit to keep jobs while the worker ran, or fit again: somebody changed what it does when it is full,
    /// say. Looked at once a minute.
    Fitness {
        /// What is wrong, and the remedy; `None`: nothing any more.
        unfit: Option<String>,
    },
    /// A job has kept a thread of the runtime for longer than `WorkerBuilder::blocked_after`, without an await: told once for
    /// each such stretch.
    Blocked {
        /// Its class.
        class: String,
        /// Its id.
        jid: Jid,
        /// Since when, more or less.
        since: Timestamp,
    },
    /// The worker takes no more jobs.
    Quiet,
    /// The worker has stopped.
    Stopped,
}

/// The error of a run, as text.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FailureReport {
    /// Its class, as in `error_class`.
    pub class: String,
    /// Its message.
    pub message: String,
    /// Whether the job lists it as transient.
    pub is_transient: bool,
}

impl FailureReport {
    pub(crate) fn new(failure: &crate::job::Failure) -> Self {
        FailureReport {
            class: failure.class().to_owned(),
            message: failure.message(),
            is_transient: failure.disposition() == crate::job::Disposition::Transient,
        }
    }
}

/// What becomes of a job that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is tried again.
    Retry {
        /// When.
        at: Timestamp,
    },
    /// It was told to come later (a rate limit), and waits in the schedule; no retry is spent.
    Later {
        /// Until when.
        at: Timestamp,
    },
    /// It is kept among the dead.
    Dead,
    /// It is gone.
    Discarded,
    /// It was somebody else's by then: this process's lease had run out.
    Stale,
}

/// Where a worker tells its events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    hub: Arc<Hub>,
}

#[derive(Debug, Default)]
struct Hub {
    anyone: AtomicBool,
    listeners: Mutex<Vec<mpsc::UnboundedSender<Event>>>,
}

impl Events {
    /// Everything from now on.
    pub(crate) fn listen(&self) -> EventStream {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.hub.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        self.hub.anyone.store(true, Ordering::Release);
        EventStream { receiver }
    }

    /// Tells an event. It is only made when somebody listens.
    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        if !self.hub.anyone.load(Ordering::Acquire) {
            return;
        }
        let event = event();
        let mut listeners = self.hub.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| listener.send(event.clone()).is_ok());
        self.hub.anyone.store(!listeners.is_empty(), Ordering::Release);
    }
}

/// The events of one worker, in order. Nothing is dropped: one who listens must keep reading, or drop this.
#[derive(Debug)]
pub struct EventStream {
    receiver: mpsc::UnboundedReceiver<Event>,
}

impl EventStream {
    /// The next event; `None` when the worker is gone.
    ///
    /// # Cancel safety
    /// No event is lost when this is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        self.receiver.recv().await
    }

    /// The next event, if it has been told already.
    pub(crate) fn next_told(&mut self) -> Option<Event> {
        self.receiver.try_recv().ok()
    }
}
