//! Hearing of a job without asking again and again.
//!
//! `BLMOVE q q RIGHT RIGHT` blocks until the queue has a job and then moves its tail onto itself: it takes nothing, so it may
//! be cut off at any instant. Each queue has a connection of its own for it, because a connection that blocks answers nobody
//! else. The price: a push wakes one waiter of every idle process, not of one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::error::BrokerError;

use super::keys;
use super::link::{Link, Target};

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
    news: Arc<News>,
}

#[derive(Debug)]
struct Waiter {
    link: Arc<Link>,
    task: Option<AbortHandle>,
}

/// What the waiters have heard since the last look.
#[derive(Debug, Default)]
struct News {
    heard: Notify,
    fault: Mutex<Option<BrokerError>>,
}

impl Wake {
    pub(super) fn new(target: &Arc<Target>) -> Self {
        Wake { target: Arc::clone(target), waiters: Mutex::default(), news: Arc::default() }
    }

    /// Returns when one of the queues may have a job, or after `patience`.
    pub(super) async fn wait(&self, queues: &[String], patience: Duration) -> Result<(), BrokerError> {
        if queues.len() > MOST_QUEUES {
            tokio::time::sleep(patience.min(POLL)).await;
            return Ok(());
        }
        self.arm(queues);
        // Running out of patience is an answer too. Something heard before this call counts.
        let _ = tokio::time::timeout(patience, self.news.heard.notified()).await;
        let fault = self.news.fault.lock().unwrap_or_else(PoisonError::into_inner).take();
        match fault {
            // A full server refuses to move even onto itself, and a user may lack the right: ask again and again.
            Some(BrokerError::Refused { code, .. }) if matches!(code.as_str(), "OOM" | "NOPERM" | "WRONGTYPE") => {
                tokio::time::sleep(patience.min(POLL)).await;
                Ok(())
            }
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Starts a waiter for each queue that has none at work. They go on between two waits.
    fn arm(&self, queues: &[String]) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        for queue in queues {
            let waiter = waiters.entry(queue.clone()).or_insert_with(|| Waiter {
                link: Arc::new(Link::with_patience(&self.target, BLOCK + GRACE)),
                task: None,
            });
            if waiter.task.as_ref().is_none_or(AbortHandle::is_finished) {
                let (link, news, key) = (Arc::clone(&waiter.link), Arc::clone(&self.news), keys::queue(queue));
                waiter.task = Some(tokio::spawn(listen(link, key, news)).abort_handle());
            }
        }
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        let waiters = self.waiters.get_mut().unwrap_or_else(PoisonError::into_inner);
        for task in waiters.values_mut().filter_map(|waiter| waiter.task.take()) {
            task.abort();
        }
    }
}

/// Waits for one queue until it has a job or something goes wrong.
async fn listen(link: Arc<Link>, key: String, news: Arc<News>) {
    loop {
        let mut wait = redis::cmd("BLMOVE");
        wait.arg(&key).arg(&key).arg("RIGHT").arg("RIGHT").arg(BLOCK.as_secs());
        match link.ask(wait).await {
            Ok(redis::Value::Nil) => {}
            Ok(_) => break,
            Err(failed) => {
                *news.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(failed.error);
                break;
            }
        }
    }
    news.heard.notify_one();
}
