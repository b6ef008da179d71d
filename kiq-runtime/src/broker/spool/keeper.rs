//! Who keeps a spool: writes what comes, and sends it when the store is back.
//!
//! On a thread and a runtime of its own, so that it goes on whatever the program's runtimes do, and waits for the disk without
//! keeping them waiting.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::broker::{Broker, Guard, NewJob, PushError};
use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::Payload;

use super::file::{self, SpoolFile};
use super::{Spool, SpoolStatus};

/// How long a spooled job that had no guard of its own is known to the store.
const GUARDED: Duration = Duration::from_secs(7 * 86_400);

/// Jobs in one push to the store, and their bytes.
const CHUNK_JOBS: usize = 500;
const CHUNK_BYTES: usize = 1 << 20;

/// The pause after a push that failed: doubled each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How often is looked for what other processes left behind.
const LOOK_AROUND: Duration = Duration::from_secs(60);

/// Requests that are written and synced together.
const GROUP: usize = 256;

/// Jobs to keep; one answer for each, the reason if it was not kept.
pub(super) struct Request {
    pub(super) jobs: Vec<NewJob>,
    pub(super) done: oneshot::Sender<Vec<Result<(), String>>>,
}

pub(super) struct Keeper {
    folder: PathBuf,
    max_jobs: usize,
    max_bytes: u64,
    store: Arc<dyn Broker>,
    state: RefCell<State>,
    status: watch::Sender<SpoolStatus>,
    /// There is something to send, or nothing more will come.
    news: Notify,
}

struct State {
    file: SpoolFile,
    /// The oldest first; all are in the file.
    waiting: VecDeque<NewJob>,
    /// How many of the file's jobs were sent since it was last empty.
    delivered: u64,
    /// Told once for each outage.
    is_full: bool,
    /// The client is gone.
    has_ended: bool,
}

impl Keeper {
    /// Opens a file of our own, so that a folder that cannot be used is told at the start.
    pub(super) fn open(
        spool: &Spool,
        store: Arc<dyn Broker>,
        status: watch::Sender<SpoolStatus>,
        now: Timestamp,
    ) -> io::Result<Self> {
        std::fs::create_dir_all(&spool.folder)?;
        let file = SpoolFile::create(&spool.folder, now, spool.syncs)?;
        let state = State { file, waiting: VecDeque::new(), delivered: 0, is_full: false, has_ended: false };
        let keeper = Keeper {
            folder: spool.folder.clone(),
            max_jobs: spool.max_jobs,
            max_bytes: spool.max_bytes,
            store,
            state: RefCell::new(state),
            status,
            news: Notify::new(),
        };
        // Before the first enqueue, so that it joins those that a process before this one left.
        keeper.adopt()?;
        Ok(keeper)
    }

    pub(super) fn start(self, asked: mpsc::UnboundedReceiver<Request>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("kiq-spool".to_owned()).spawn(move || {
            runtime.block_on(async { tokio::join!(self.keep(asked), self.send()) });
            self.end();
        })?;
        Ok(())
    }

    /// Writes what comes, until the client is gone.
    async fn keep(&self, mut asked: mpsc::UnboundedReceiver<Request>) {
        let mut group = Vec::with_capacity(GROUP);
        while asked.recv_many(&mut group, GROUP).await > 0 {
            self.write(group.drain(..));
        }
        self.state.borrow_mut().has_ended = true;
        self.news.notify_one();
    }

    fn write(&self, group: impl Iterator<Item = Request>) {
        let mut state = self.state.borrow_mut();
        let (mut jobs, mut callers) = (Vec::new(), Vec::new());
        let mut bytes = state.file.length();
        for request in group {
            let mut answers = Vec::with_capacity(request.jobs.len());
            for job in request.jobs {
                let job = guarded(job);
                // What JSON adds is little, and a limit need not be exact.
                bytes += job.payload.len() as u64;
                if state.waiting.len() + jobs.len() >= self.max_jobs || bytes > self.max_bytes {
                    answers.push(Err(format!("it is full, with {} jobs", state.waiting.len() + jobs.len())));
                } else {
                    answers.push(Ok(()));
                    jobs.push(job);
                }
            }
            callers.push((request.done, answers));
        }
        if callers.iter().any(|(_, answers)| answers.iter().any(Result::is_err)) && !state.is_full {
            state.is_full = true;
            let (jobs, bytes) = (state.waiting.len() + jobs.len(), state.file.length());
            tracing::error!(folder = %self.folder.display(), jobs, bytes, "the spool is full: jobs are rejected until the store is back");
        }
        let failed = if jobs.is_empty() { None } else { state.file.append(&jobs).err() };
        if let Some(error) = failed {
            tracing::error!(folder = %self.folder.display(), %error, "the spool cannot be written: jobs are rejected");
            for (_, answers) in &mut callers {
                for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
                    *answer = Err(format!("it cannot be written ({error})"));
                }
            }
        } else if !jobs.is_empty() {
            if state.waiting.is_empty() {
                let (store, folder) = (self.store.place(), self.folder.display());
                tracing::warn!(store, %folder, "the store cannot be reached: jobs go to the spool");
            }
            state.waiting.extend(jobs);
            self.tell(&state);
            self.news.notify_one();
        }
        drop(state);
        for (done, answers) in callers {
            // A caller that is gone does not care; its job is kept.
            let _ = done.send(answers);
        }
    }

    fn tell(&self, state: &State) {
        self.status.send_replace(SpoolStatus { jobs: state.waiting.len(), bytes: state.file.length() });
    }

    /// Sends what waits, until the client is gone.
    async fn send(&self) {
        let mut pause = FIRST_PAUSE;
        let mut last_error = String::new();
        loop {
            if self.state.borrow().has_ended {
                return;
            }
            let chunk = self.chunk();
            if chunk.is_empty() {
                if tokio::time::timeout(LOOK_AROUND, self.news.notified()).await.is_err()
                    && let Err(error) = self.adopt()
                {
                    tracing::warn!(folder = %self.folder.display(), %error, "the spool's folder cannot be read");
                }
                continue;
            }
            let outcomes = self.store.push(&chunk).await;
            let (settled, failed) = self.settle(&chunk, outcomes);
            self.forget(settled);
            let Some(error) = failed else {
                pause = FIRST_PAUSE;
                continue;
            };
            let error = error.to_string();
            if error != last_error {
                tracing::info!(%error, "spooled jobs wait on");
                last_error = error;
            }
            // The end of the client is worth waking up for; more jobs are not.
            let ended = async {
                while !self.state.borrow().has_ended {
                    self.news.notified().await;
                }
            };
            let _ = tokio::time::timeout(pause, ended).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The oldest of those that wait.
    fn chunk(&self) -> Vec<NewJob> {
        let state = self.state.borrow();
        let mut bytes = 0;
        let fits = |job: &&NewJob| {
            let is_first = bytes == 0;
            bytes += job.payload.len().max(1);
            is_first || bytes <= CHUNK_BYTES
        };
        state.waiting.iter().take(CHUNK_JOBS).take_while(fits).cloned().collect()
    }

    /// How many jobs, from the first, need not be sent again; and why the next must be.
    fn settle(
        &self,
        chunk: &[NewJob],
        outcomes: Vec<Result<super::Pushed, PushError>>,
    ) -> (usize, Option<BrokerError>) {
        let count = outcomes.len();
        for (at, (job, outcome)) in chunk.iter().zip(outcomes).enumerate() {
            match outcome {
                // One that failed inline was taken, and had its end.
                Ok(_) | Err(PushError::FailedInline(_)) => {}
                // Of this queue no job can ever be stored, and those behind it can.
                Err(PushError::Rejected(error @ BrokerError::Refused { .. })) if is_for_ever(&error) => {
                    match file::set_job_aside(self.state.borrow().file.path(), job) {
                        Ok(aside) => {
                            tracing::error!(queue = job.queue, %error, aside = %aside.display(), "a spooled job cannot be stored and was set aside");
                        }
                        Err(io) => {
                            tracing::error!(queue = job.queue, %error, %io, "a spooled job cannot be stored, nor be set aside");
                            return (at, Some(error));
                        }
                    }
                }
                Err(PushError::Rejected(error) | PushError::Unknown(error)) => return (at, Some(error)),
            }
        }
        (count.min(chunk.len()), None)
    }

    fn forget(&self, settled: usize) {
        if settled == 0 {
            return;
        }
        let mut state = self.state.borrow_mut();
        state.waiting.drain(..settled);
        state.delivered += settled as u64;
        let noted = if state.waiting.is_empty() {
            let (count, folder) = (state.delivered, self.folder.display());
            tracing::info!(count, %folder, "the spool is empty: jobs go to the store again");
            state.delivered = 0;
            state.is_full = false;
            state.file.clear()
        } else {
            let delivered = state.delivered;
            state.file.note_delivered(delivered)
        };
        if let Err(error) = noted {
            // They may be sent once more, and are stored once.
            tracing::warn!(%error, "the spool's file cannot be written");
        }
        self.tell(&state);
    }

    /// Takes over what processes that are gone left in the folder.
    fn adopt(&self) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        for mut left in file::left_behind(&self.folder, state.file.path())? {
            let jobs = left.read()?;
            if !jobs.is_empty() {
                tracing::info!(count = jobs.len(), file = %left.path().display(), "jobs that a process before this one left in the spool are sent");
                // Into our own file first: what dies in between is in both, and is stored once by its guard.
                state.file.append(&jobs)?;
                state.waiting.extend(jobs);
                self.tell(&state);
                self.news.notify_one();
            }
            left.remove()?;
        }
        Ok(())
    }

    fn end(self) {
        let state = self.state.into_inner();
        match state.waiting.len() {
            0 => {
                if let Err(error) = state.file.remove() {
                    tracing::warn!(%error, "the spool's empty file cannot be removed");
                }
            }
            jobs => {
                let file = state.file.path().display();
                tracing::warn!(jobs, %file, "jobs stay in the spool; the next process that uses its folder sends them");
            }
        }
    }
}

/// With a guard, so that it can be sent again.
fn guarded(mut job: NewJob) -> NewJob {
    if job.guard.is_none() {
        // The client has checked that it is one; the stand-in for an id is the same for the same bytes.
        let jid =
            Payload::parse(job.payload.as_bytes()).map_or_else(|_| job.payload.clone(), |job| job.jid().to_string());
        job.guard = Some(Guard { key: format!("jid:{jid}"), ttl: GUARDED, jid });
    }
    job
}

/// Whether the same job will be refused again for a reason of its own.
fn is_for_ever(error: &BrokerError) -> bool {
    matches!(error, BrokerError::Refused { code, .. } if code == "WRONGTYPE")
}
