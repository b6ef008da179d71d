//! Putting jobs in: one command for all of a queue, and one write for all that callers bring at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::{Cmd, Pipeline};
use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;

use crate::broker::{NewJob, PushError};
use crate::clock::Timestamp;
use crate::error::BrokerError;

use super::keys;
use super::link::{Link, LinkError};

/// A push of at least so many jobs is sent by itself.
const MANY: usize = 16;

/// Jobs in one write of a group: others of the server wait meanwhile.
const MOST: usize = 1000;

/// Bytes in one write of a group.
const MOST_BYTES: usize = 1 << 20;

type Outcomes = Vec<Result<(), PushError>>;

/// The way in. Small pushes that come while one is under way wait for it and then go together (a group commit): a hundred
/// web requests that enqueue a job each cost one round trip, not a hundred writes.
#[derive(Debug)]
pub(super) struct Pusher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    link: Arc<Link>,
    /// What waits, by the runtime its callers are on; there is an entry as long as a task sends for that runtime. Not for
    /// all runtimes together: a task ends with its runtime, and others must not depend on that.
    waiting: Mutex<HashMap<Id, Vec<Waiting>>>,
}

#[derive(Debug)]
struct Waiting {
    jobs: Vec<NewJob>,
    done: oneshot::Sender<Outcomes>,
}

impl Pusher {
    pub(super) fn new(link: &Arc<Link>) -> Self {
        Pusher { inner: Arc::new(Inner { link: Arc::clone(link), waiting: Mutex::default() }) }
    }

    pub(super) async fn push(&self, jobs: &[NewJob]) -> Outcomes {
        let Ok(runtime) = Handle::try_current() else {
            return jobs.iter().map(|_| Err(PushError::Rejected(BrokerError::NoRuntime))).collect();
        };
        if jobs.len() >= MANY {
            return self.inner.send(jobs).await;
        }
        let (done, outcomes) = oneshot::channel();
        let is_first = {
            let mut waiting = self.inner.waiting();
            let is_first = !waiting.contains_key(&runtime.id());
            waiting.entry(runtime.id()).or_default().push(Waiting { jobs: jobs.to_vec(), done });
            is_first
        };
        if is_first {
            let mut turn = Turn { inner: Arc::clone(&self.inner), runtime: runtime.id(), is_over: false };
            runtime.spawn(async move { while turn.send_some().await {} });
        }
        match outcomes.await {
            Ok(outcomes) => outcomes,
            // The runtime is going down with the task that sent.
            Err(_) => {
                let unknown = |_: &NewJob| {
                    let source = "the tokio runtime ended while the job was being pushed".into();
                    let server = self.inner.link.place().to_owned();
                    Err(PushError::Unknown(BrokerError::Unavailable { server, source }))
                };
                jobs.iter().map(unknown).collect()
            }
        }
    }
}

/// One runtime's turn at sending. However its task ends, the next push begins a new one.
struct Turn {
    inner: Arc<Inner>,
    runtime: Id,
    /// Another may have begun since.
    is_over: bool,
}

impl Turn {
    /// Sends what waits, up to a bound. False when nothing did, and the turn is over.
    async fn send_some(&mut self) -> bool {
        let mut taken = Vec::new();
        {
            let mut all = self.inner.waiting();
            let Some(waiting) = all.get_mut(&self.runtime) else { return false };
            if waiting.is_empty() {
                all.remove(&self.runtime);
                self.is_over = true;
                return false;
            }
            let (mut jobs, mut bytes) = (0, 0);
            let fits = |next: &Waiting| {
                let fits = jobs == 0 || (jobs + next.jobs.len() <= MOST && bytes <= MOST_BYTES);
                jobs += next.jobs.len();
                bytes += next.jobs.iter().map(|job| job.payload.len()).sum::<usize>();
                fits
            };
            let count = waiting.iter().map(fits).take_while(|fits| *fits).count();
            taken.extend(waiting.drain(..count));
        }
        let (mut jobs, mut callers) = (Vec::new(), Vec::with_capacity(taken.len()));
        for mut waiting in taken {
            callers.push((waiting.jobs.len(), waiting.done));
            jobs.append(&mut waiting.jobs);
        }
        let mut outcomes = self.inner.send(&jobs).await.into_iter();
        for (count, done) in callers {
            // A caller that is gone does not care.
            let _ = done.send(outcomes.by_ref().take(count).collect());
        }
        true
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over {
            // Those who still wait hear that their sender is gone.
            self.inner.waiting().remove(&self.runtime);
        }
    }
}

impl Inner {
    fn waiting(&self) -> MutexGuard<'_, HashMap<Id, Vec<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Groups the jobs by where they go, and sends one command a group (and one to list each queue) in a single write. Each
    /// command is atomic by itself and answers for its own jobs.
    async fn send(&self, jobs: &[NewJob]) -> Vec<Result<(), PushError>> {
        if jobs.is_empty() {
            return Vec::new();
        }
        let mut groups: Vec<Group<'_>> = Vec::new();
        for (at, job) in jobs.iter().enumerate() {
            let goes_to = |group: &&mut Group<'_>| group.goes_to(job);
            match groups.iter_mut().find(goes_to) {
                Some(group) => group.members.push(at),
                None => groups.push(Group { first: job, members: vec![at] }),
            }
        }
        let mut pipeline = Pipeline::new();
        for group in &groups {
            if group.first.at.is_none() {
                pipeline.cmd("SADD").arg(keys::QUEUES).arg(&group.first.queue);
            }
            pipeline.add_command(group.command(jobs));
        }
        let mut outcomes: Vec<Result<(), PushError>> = jobs.iter().map(|_| Ok(())).collect();
        let sent = self.link.send(&pipeline).await;
        let mut answers = sent.map(Vec::into_iter);
        for group in groups {
            let stored = match &mut answers {
                Ok(answers) => {
                    if group.first.at.is_none() {
                        // A queue that cannot be listed still has its jobs; the next push lists it.
                        let _ = answers.next();
                    }
                    answers.next().ok_or_else(|| self.link.surprised()).and_then(|answer| self.link.checked(answer))
                }
                Err(failed) => Err(self.again(failed)),
            };
            let Err(failed) = stored else { continue };
            for at in group.members {
                if let Some(outcome) = outcomes.get_mut(at) {
                    let error = self.again(&failed);
                    *outcome = Err(if error.may_be_done {
                        PushError::Unknown(error.error)
                    } else {
                        PushError::Rejected(error.error)
                    });
                }
            }
        }
        outcomes
    }

    /// The same failure for another job of the same push.
    fn again(&self, failed: &LinkError) -> LinkError {
        let server = self.link.place().to_owned();
        let error = match &failed.error {
            BrokerError::Refused { code, reason, .. } => {
                BrokerError::Refused { server, code: code.clone(), reason: reason.clone() }
            }
            BrokerError::Unavailable { source, .. } => {
                BrokerError::Unavailable { server, source: source.to_string().into() }
            }
            BrokerError::NoRuntime => BrokerError::NoRuntime,
            other => BrokerError::Unavailable { server, source: other.to_string().into() },
        };
        LinkError { error, may_be_done: failed.may_be_done }
    }
}

/// Jobs that one command stores.
struct Group<'a> {
    first: &'a NewJob,
    members: Vec<usize>,
}

impl Group<'_> {
    fn goes_to(&self, job: &NewJob) -> bool {
        match (self.first.at, job.at) {
            (None, None) => self.first.queue == job.queue,
            (Some(_), Some(_)) => true,
            _ => false,
        }
    }

    fn command(&self, jobs: &[NewJob]) -> Cmd {
        let members = self.members.iter().filter_map(|at| jobs.get(*at));
        if self.first.at.is_some() {
            let mut add = redis::cmd("ZADD");
            add.arg(keys::SCHEDULE);
            for job in members {
                add.arg(job.at.map(Timestamp::to_score)).arg(&job.payload);
            }
            return add;
        }
        // The first job becomes the one nearest to the tail, so it runs first.
        let mut push = redis::cmd("LPUSH");
        push.arg(keys::queue(&self.first.queue));
        for job in members {
            push.arg(&job.payload);
        }
        push
    }
}
