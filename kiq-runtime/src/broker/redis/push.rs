//! Putting jobs in: one command for all of a queue, and one write for all that callers bring at the same time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, Pipeline, Value};
use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;

use crate::broker::{NewJob, PushError, Pushed, Replicas};
use crate::clock::Timestamp;
use crate::error::BrokerError;

use super::link::{Link, LinkError, PATIENCE, is_error};
use super::{keys, reply, scripts, text};

/// A push of at least so many jobs is sent by itself.
const MANY: usize = 16;

/// Jobs in one write of a group: others of the server wait meanwhile.
const MOST: usize = 1000;

/// Bytes in one write of a group.
const MOST_BYTES: usize = 1 << 20;

/// Bytes of payloads that may wait for their turn; more are refused. A server that hangs must not fill our memory.
const MOST_WAITING: usize = 64 << 20;

type Outcomes = Vec<Result<Pushed, PushError>>;

/// The way in. Small pushes that come while one is under way wait for it and then go together (a group commit): a hundred
/// web requests that enqueue a job each cost one round trip, not a hundred writes.
///
/// Each is answered within three times [`PATIENCE`]: so long it may wait for its turn, for a connection, and for the answer.
#[derive(Debug)]
pub(super) struct Pusher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    link: Arc<Link>,
    /// How many replicas must have what was pushed. Such a pusher has a link of its own: the wait blocks the connection.
    replicas: Option<Replicas>,
    /// What waits, by the runtime its callers are on; there is an entry as long as a task sends for that runtime. Not for
    /// all runtimes together: a task ends with its runtime, and others must not depend on that.
    waiting: Mutex<HashMap<Id, Vec<Waiting>>>,
    bytes_waiting: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Waiting {
    jobs: Vec<NewJob>,
    bytes: Bytes,
    ticket: Arc<Ticket>,
    done: oneshot::Sender<Outcomes>,
}

/// What a waiting push takes of [`MOST_WAITING`], until it is dropped.
#[derive(Debug)]
struct Bytes {
    count: usize,
    of: Arc<AtomicUsize>,
}

impl Drop for Bytes {
    fn drop(&mut self) {
        self.of.fetch_sub(self.count, Ordering::Relaxed);
    }
}

/// Settles between a caller who gives up and the task that sends whether a push goes out.
#[derive(Debug, Default)]
struct Ticket(AtomicU8);

impl Ticket {
    const WAITING: u8 = 0;
    const SENT: u8 = 1;
    const GIVEN_UP: u8 = 2;

    /// Whether this came first.
    fn turn(&self, to: u8) -> bool {
        self.0.compare_exchange(Self::WAITING, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Gives up when its caller is gone, so that a push that was dropped in time is not sent.
struct Caller(Arc<Ticket>);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.turn(Ticket::GIVEN_UP);
    }
}

impl Pusher {
    pub(super) fn new(link: &Arc<Link>) -> Self {
        Pusher::of(Arc::clone(link), None)
    }

    /// One that waits for replicas. The link must be used by nobody else.
    pub(super) fn durable(link: Link, replicas: Replicas) -> Self {
        Pusher::of(Arc::new(link), Some(replicas))
    }

    fn of(link: Arc<Link>, replicas: Option<Replicas>) -> Self {
        let inner = Inner { link, replicas, waiting: Mutex::default(), bytes_waiting: Arc::default() };
        Pusher { inner: Arc::new(inner) }
    }

    pub(super) async fn push(&self, jobs: &[NewJob]) -> Outcomes {
        let Ok(runtime) = Handle::try_current() else {
            return rejected(jobs, || BrokerError::NoRuntime);
        };
        // One that waits for replicas takes its turn whatever its size: its connection answers nobody meanwhile.
        if jobs.len() >= MANY && self.inner.replicas.is_none() {
            return self.inner.send(jobs).await;
        }
        let count = jobs.iter().map(|job| job.payload.len()).sum();
        let bytes = Bytes { count, of: Arc::clone(&self.inner.bytes_waiting) };
        let before = bytes.of.fetch_add(count, Ordering::Relaxed);
        if before > 0 && before + count > MOST_WAITING {
            let reason = format!("{before} bytes of jobs wait to be sent, and {MOST_WAITING} is the most");
            return rejected(jobs, || self.inner.unavailable(&reason));
        }
        let caller = Caller(Arc::default());
        let (done, mut outcomes) = oneshot::channel();
        let is_first = {
            let mut waiting = self.inner.waiting();
            let is_first = !waiting.contains_key(&runtime.id());
            let ticket = Arc::clone(&caller.0);
            waiting.entry(runtime.id()).or_default().push(Waiting { jobs: jobs.to_vec(), bytes, ticket, done });
            is_first
        };
        if is_first {
            let mut turn = Turn { inner: Arc::clone(&self.inner), runtime: runtime.id(), is_over: false };
            runtime.spawn(async move { while turn.send_some().await {} });
        }
        let patience = PATIENCE + self.inner.replicas.map_or(Duration::ZERO, Replicas::patience);
        let answer = match tokio::time::timeout(patience, &mut outcomes).await {
            Ok(answer) => answer,
            Err(_) if caller.0.turn(Ticket::GIVEN_UP) => {
                let reason = format!("those before it got no answer, and its turn did not come within {patience:?}");
                return rejected(jobs, || self.inner.unavailable(&reason));
            }
            // It is on its way, where waiting has its own bounds.
            Err(_) => outcomes.await,
        };
        answer.unwrap_or_else(|_| {
            // The runtime is going down with the task that sent.
            let ended = || self.inner.unavailable("the tokio runtime ended while the job was being pushed");
            match caller.0.turn(Ticket::GIVEN_UP) {
                true => rejected(jobs, ended),
                false => jobs.iter().map(|_| Err(PushError::Unknown(ended()))).collect(),
            }
        })
    }
}

/// None of them was sent.
fn rejected(jobs: &[NewJob], error: impl Fn() -> BrokerError) -> Outcomes {
    jobs.iter().map(|_| Err(PushError::Rejected(error()))).collect()
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
            if waiting.ticket.turn(Ticket::SENT) {
                callers.push((waiting.jobs.len(), waiting.done, waiting.bytes));
                jobs.append(&mut waiting.jobs);
            }
        }
        let mut outcomes = self.inner.send(&jobs).await.into_iter();
        for (count, done, bytes) in callers {
            drop(bytes);
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

    fn unavailable(&self, reason: &str) -> BrokerError {
        BrokerError::Unavailable { server: self.link.place().to_owned(), source: reason.into() }
    }

    /// Groups the jobs by where they go, and sends one command a group (and one to list each queue) in a single write. Each
    /// command is atomic by itself and answers for its own jobs.
    async fn send(&self, jobs: &[NewJob]) -> Outcomes {
        if jobs.is_empty() {
            return Vec::new();
        }
        let mut groups: Vec<Group<'_>> = Vec::new();
        for (at, job) in jobs.iter().enumerate() {
            match groups.iter_mut().find(|group| group.goes_with(job)) {
                Some(group) => group.members.push((at, job)),
                None => groups.push(Group { first: job, members: vec![(at, job)] }),
            }
        }
        let mut answers = self.ask(groups.iter()).await;
        let unheard = |answer: &Answer| answer.stored.as_ref().is_ok_and(|value| is_error(value, "NOSCRIPT"));
        if answers.iter().any(unheard) {
            // A server that does not know the script (it restarted, failed over, or was told to forget) has done nothing.
            let again: Vec<usize> = (0..answers.len()).filter(|at| answers.get(*at).is_some_and(unheard)).collect();
            let repeated = match scripts::push(&[]).load(&self.link).await {
                Ok(()) => self.ask(again.iter().filter_map(|at| groups.get(*at))).await,
                Err(failed) => again.iter().map(|_| Answer { stored: Err(not_sent(&failed)), copies: None }).collect(),
            };
            for (at, answer) in again.into_iter().zip(repeated) {
                if let Some(slot) = answers.get_mut(at) {
                    *slot = answer;
                }
            }
        }
        let mut outcomes: Vec<Option<Result<Pushed, PushError>>> = jobs.iter().map(|_| None).collect();
        for (group, answer) in groups.iter().zip(answers) {
            for ((at, _), outcome) in group.members.iter().zip(self.judge(group, answer)) {
                if let Some(slot) = outcomes.get_mut(*at) {
                    *slot = Some(outcome);
                }
            }
        }
        let unheard_of = || Err(PushError::Unknown(self.link.surprised().error));
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(unheard_of)).collect()
    }

    /// Sends the groups' commands, and waits for the replicas if that is asked for. Answers for each of them.
    async fn ask<'g>(&self, groups: impl Iterator<Item = &'g Group<'g>> + Clone) -> Vec<Answer> {
        let mut pipeline = Pipeline::new();
        for group in groups.clone() {
            if group.is_listed() {
                pipeline.cmd("SADD").arg(keys::QUEUES).arg(&group.first.queue);
            }
            pipeline.add_command(group.command());
        }
        if let Some(replicas) = self.replicas {
            pipeline.cmd("WAIT").arg(replicas.count()).arg(replicas.patience().as_millis() as u64);
        }
        let mut values = match self.link.send(&pipeline).await {
            Ok(values) => values,
            Err(failed) => {
                return groups.map(|_| Answer { stored: Err(again(&failed)), copies: None }).collect();
            }
        };
        let copies = self
            .replicas
            .map(|_| values.pop().ok_or_else(|| self.link.surprised()).and_then(|value| self.link.checked(value)));
        let mut values = values.into_iter();
        let answer = |group: &Group<'_>| {
            if group.is_listed() {
                // A queue that cannot be listed still has its jobs; the next push lists it.
                let _ = values.next();
            }
            let copies = copies.as_ref().map(|copies| match copies {
                Ok(count) => Ok(reply::count(count)),
                Err(failed) => Err(failed.error.repeated()),
            });
            Answer { stored: values.next().ok_or_else(|| self.link.surprised()), copies }
        };
        groups.map(answer).collect()
    }

    /// What an answer means for each of the group's jobs.
    fn judge(&self, group: &Group<'_>, answer: Answer) -> Outcomes {
        let stored = match answer.stored.and_then(|value| self.link.checked(value)) {
            Ok(value) => value,
            Err(failed) => {
                let outcome = |_| match again(&failed) {
                    LinkError { error, may_be_done: true } => Err(PushError::Unknown(error)),
                    LinkError { error, may_be_done: false } => Err(PushError::Rejected(error)),
                };
                return group.members.iter().map(outcome).collect();
            }
        };
        let mut each = reply::list(&stored).iter();
        let outcome = |(_, job): &(usize, &NewJob)| {
            let pushed = match job.guard {
                None => Pushed::New,
                Some(_) => match each.next().and_then(text) {
                    Some(jid) if jid.is_empty() => Pushed::New,
                    Some(jid) => Pushed::Already { jid },
                    None => return Err(PushError::Unknown(self.link.surprised().error)),
                },
            };
            match (self.replicas, &answer.copies) {
                (Some(replicas), Some(Ok(copies))) if *copies < replicas.count() as usize => {
                    Err(PushError::Unknown(BrokerError::NotReplicated {
                        server: self.link.place().to_owned(),
                        acknowledged: u32::try_from(*copies).unwrap_or(u32::MAX),
                        wanted: replicas.count(),
                    }))
                }
                (Some(_), Some(Err(error))) => Err(PushError::Unknown(error.repeated())),
                _ => Ok(pushed),
            }
        };
        group.members.iter().map(outcome).collect()
    }
}

/// What the server said of one group.
struct Answer {
    stored: Result<Value, LinkError>,
    /// How many replicas have it, where that was asked.
    copies: Option<Result<usize, BrokerError>>,
}

/// The same failure for another job of the same push.
fn again(failed: &LinkError) -> LinkError {
    LinkError { error: failed.error.repeated(), may_be_done: failed.may_be_done }
}

/// The script could not be given to the server, so the push was not sent.
fn not_sent(failed: &LinkError) -> LinkError {
    LinkError { error: failed.error.repeated(), may_be_done: false }
}

/// Jobs that one command stores, with their places among all.
struct Group<'a> {
    first: &'a NewJob,
    members: Vec<(usize, &'a NewJob)>,
}

impl Group<'_> {
    fn goes_with(&self, job: &NewJob) -> bool {
        let same_place = match (self.first.at, job.at) {
            (None, None) => self.first.queue == job.queue,
            (Some(_), Some(_)) => true,
            _ => false,
        };
        same_place && self.first.guard.is_some() == job.guard.is_some()
    }

    /// Whether the queue is listed by a command of its own: the script does it itself.
    fn is_listed(&self) -> bool {
        self.first.at.is_none() && self.first.guard.is_none()
    }

    fn command(&self) -> Cmd {
        let members = self.members.iter().map(|(_, job)| *job);
        if self.first.guard.is_some() {
            return self.guarded();
        }
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

    fn guarded(&self) -> Cmd {
        let jobs = || self.members.iter().filter_map(|(_, job)| job.guard.as_ref().map(|guard| (*job, guard)));
        let (goes_to, queue) = match self.first.at {
            Some(_) => (keys::SCHEDULE.to_owned(), ""),
            None => (keys::queue(&self.first.queue), self.first.queue.as_str()),
        };
        let mut script_keys = vec![goes_to, keys::QUEUES.to_owned()];
        script_keys.extend(jobs().map(|(_, guard)| keys::guard(&guard.key)));
        let mut call = scripts::push(&script_keys).arg(queue);
        for (job, guard) in jobs() {
            let score = job.at.map(Timestamp::to_score).unwrap_or_default();
            call = call.arg(&guard.jid).arg(guard.ttl.as_millis() as u64).arg(score).arg(&job.payload);
        }
        call.into_command()
    }
}
