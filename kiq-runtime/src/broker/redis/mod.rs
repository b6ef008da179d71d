//! Jobs in Redis, in Sidekiq's format.
//!
//! Only this folder names the `redis` crate or a Redis key. Each change of state is one script of `lua/`.

mod address;
mod browse;
mod check;
mod consumer;
mod held;
mod keys;
mod link;
mod presence;
mod promote;
mod reply;
mod scripts;
mod wake;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use redis::{Cmd, Pipeline, Value};

use crate::clock::{Clock, Timestamp};
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::{Broker, Consumer, Identity, NewJob, Promotion, PushError};

use consumer::RedisConsumer;
use link::{Link, LinkError, Target};

/// A Redis server (7.0 or newer, not a cluster) as the place of jobs.
///
/// # Examples
/// ```
/// use kiq::{Client, Clock, RedisBroker};
/// use std::sync::Arc;
///
/// let broker = RedisBroker::open("redis://:secret@127.0.0.1:6379/0", Clock::system())?;
/// let client = Client::new(Arc::new(broker)); // the same as Client::connect(url)
/// assert_eq!(format!("{client:?}"), "Client(redis://127.0.0.1:6379/0)");
/// # Ok::<(), kiq::BrokerError>(())
/// ```
pub struct RedisBroker {
    target: Arc<Target>,
    /// For clients and readers.
    link: Link,
    clock: Clock,
    faults: Faults,
}

impl RedisBroker {
    /// Takes the address apart; connects when it is first used. A clock set by hand also decides what is due, instead of the
    /// server's.
    ///
    /// # Errors
    /// When `url` is no address of the form `redis://[user:password@]host[:port][/database]` or `unix:///path`.
    pub fn open(url: &str, clock: Clock) -> Result<Self, BrokerError> {
        let info = address::parse(url)?;
        let place = address::place(&info);
        let client = redis::Client::open(info).map_err(|_| BrokerError::InvalidUrl {
            url: place.clone(),
            reason: "the address cannot be used".to_owned(),
        })?;
        let target = Arc::new(Target { client, place });
        Ok(RedisBroker { link: Link::new(&target), target, clock, faults: Faults::default() })
    }

    /// The time by which jobs are due: the server's, so that a wrong clock on a client makes nothing early or late.
    async fn now(&self) -> Result<Timestamp, LinkError> {
        if self.clock.is_manual() {
            return Ok(self.clock.now());
        }
        let answer = self.link.ask(redis::cmd("TIME")).await?;
        reply::time(&answer).ok_or_else(|| self.link.surprised())
    }

    /// Groups the jobs by where they go, and sends one command a group (and one to list each queue) in a single write. Each
    /// command is atomic by itself and answers for its own jobs.
    async fn push_groups(&self, jobs: &[NewJob]) -> Vec<Result<(), PushError>> {
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
        let server = self.target.place.clone();
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

impl fmt::Debug for RedisBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisBroker({})", self.target.place)
    }
}

impl Broker for RedisBroker {
    fn push<'a>(&'a self, jobs: &'a [NewJob]) -> BoxFuture<'a, Vec<Result<(), PushError>>> {
        Box::pin(self.push_groups(jobs))
    }

    fn promote(&self, limit: usize) -> BoxFuture<'_, Result<Promotion, BrokerError>> {
        Box::pin(async move { Ok(self.promote_due(limit).await?) })
    }

    fn attach(&self, identity: Identity) -> Arc<dyn Consumer> {
        Arc::new(RedisConsumer::new(&self.target, identity, self.clock.clone()))
    }

    fn check(&self) -> BoxFuture<'_, Result<Vec<String>, BrokerError>> {
        Box::pin(self.check_server())
    }

    fn place(&self) -> String {
        self.target.place.clone()
    }
}

/// Keys that hold something else than kiq's, each of which is told of once: they are met with every poll.
#[derive(Debug, Default)]
struct Faults(Mutex<HashSet<String>>);

impl Faults {
    fn report(&self, key: &str, error: &str) {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned()) {
            tracing::error!(key, error, "this key cannot be used, so its jobs wait; all others go on");
        }
    }
}

/// A value that is text, or nothing.
fn text(value: &Value) -> Option<String> {
    reply::bytes(value).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}
