//! Hearing of a job without asking again and again.
//!
//! `BLMOVE q q RIGHT RIGHT` blocks until the queue has a job and then moves its tail onto itself: it takes nothing, so it may
//! be cut off at any instant, and one that is left blocked does no harm. Each queue has a connection of its own for it,
//! because a connection that blocks answers nobody else. The price: a push wakes one waiter of every idle process, not of
//! one.
//!
//! All capsules of a process share one waiter a queue, and each is woken for its own queues only.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::error::BrokerError;

use super::keys;
use super::link::{Link, LinkError, Target};

/// How long the server blocks before it says that there is nothing. Shorter than what idle connections survive in most
/// networks.
const BLOCK: Duration = Duration::from_secs(30);

/// Beyond its block time a connection is given this much before it counts as broken.
const GRACE: Duration = Duration::from_secs(5);

/// Queues that are waited for in this way; with more of them all are asked again and again instead.
const MOST_QUEUES: usize = 16;

/// How often to ask where waiting is not possible.
const POLL: Duration = Duration::from_millis(500);

/// The waiters of one process.
#[derive(Debug)]
pub(super) struct Wake {
    target: Arc<Target>,
    waiters: Mutex<HashMap<String, Waiter>>,
    /// Told each time a waiter has heard something.
    heard: Arc<Notify>,
}

#[derive(Debug)]
struct Waiter {
    link: Arc<Link>,
    task: AbortHandle,
    news: Arc<OnceLock<News>>,
}

/// What a waiter has heard.
#[derive(Debug)]
enum News {
    /// The queue has a job.
    Job,
    /// The server does not let us wait; asking again and again still works.
    Refused,
    /// No answer; taken by the first who looks.
    Fault(Mutex<Option<BrokerError>>),
}

impl Wake {
    pub(super) fn new(target: &Arc<Target>) -> Self {
        Wake { target: Arc::clone(target), waiters: Mutex::default(), heard: Arc::default() }
    }

    /// Returns when one of the queues may have a job, or after `patience`.
    pub(super) async fn wait(&self, queues: &[String], patience: Duration) -> Result<(), BrokerError> {
        let runtime = Handle::try_current().map_err(|_| BrokerError::NoRuntime)?;
        if queues.len() > MOST_QUEUES {
            tokio::time::sleep(patience.min(POLL)).await;
            return Ok(());
        }
        let news = self.arm(queues, &runtime);
        let hear = async {
            loop {
                // Listening starts before looking, so that what comes in between is heard.
                let mut heard = pin!(self.heard.notified());
                heard.as_mut().enable();
                let mut refused = 0;
                for news in news.iter().filter_map(|news| news.get()) {
                    match news {
                        News::Job => return Ok(()),
                        News::Refused => refused += 1,
                        News::Fault(fault) => return lock(fault).take().map_or(Ok(()), Err),
                    }
                }
                // A job in a queue that cannot be waited for makes no sound.
                if refused == 0 {
                    heard.await;
                } else if tokio::time::timeout(POLL, heard).await.is_err() {
                    return Ok(());
                }
            }
        };
        // Running out of patience is an answer too.
        tokio::time::timeout(patience, hear).await.unwrap_or(Ok(()))
    }

    /// A waiter at work for each of the queues. What one heard before is asked again: it may be long gone.
    fn arm(&self, queues: &[String], runtime: &Handle) -> Vec<Arc<OnceLock<News>>> {
        let mut waiters = lock(&self.waiters);
        let mut armed = Vec::with_capacity(queues.len());
        for queue in queues {
            let waiter = match waiters.get(queue) {
                Some(waiter) if waiter.news.get().is_none() && !waiter.task.is_finished() => waiter,
                other => {
                    let link = match other {
                        Some(waiter) => Arc::clone(&waiter.link),
                        None => Arc::new(Link::with_patience(&self.target, BLOCK + GRACE)),
                    };
                    let news = Arc::<OnceLock<News>>::default();
                    let listen =
                        listen(Arc::clone(&link), keys::queue(queue), Arc::clone(&news), Arc::clone(&self.heard));
                    let task = runtime.spawn(listen).abort_handle();
                    waiters.entry(queue.clone()).insert_entry(Waiter { link, task, news }).into_mut()
                }
            };
            armed.push(Arc::clone(&waiter.news));
        }
        armed
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        for waiter in lock(&self.waiters).values() {
            waiter.task.abort();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for one queue until it has a job or something goes wrong.
async fn listen(link: Arc<Link>, key: String, news: Arc<OnceLock<News>>, heard: Arc<Notify>) {
    let found = loop {
        let mut wait = redis::cmd("BLMOVE");
        wait.arg(&key).arg(&key).arg("RIGHT").arg("RIGHT").arg(BLOCK.as_secs());
        match link.ask(wait).await {
            Ok(redis::Value::Nil) => {}
            Ok(_) => break News::Job,
            // A full server refuses to move even onto itself, and a user may lack the right.
            Err(LinkError { error: BrokerError::Refused { code, .. }, .. })
                if matches!(code.as_str(), "OOM" | "NOPERM" | "WRONGTYPE") =>
            {
                break News::Refused;
            }
            Err(failed) => break News::Fault(Mutex::new(Some(failed.error))),
        }
    };
    // Nobody else sets it.
    let _ = news.set(found);
    heard.notify_waiters();
}
