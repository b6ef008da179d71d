//! The reading side.

use redis::{Pipeline, Value};

use crate::broker::browse::{Browse, Entry, JobSet, QueueSize, Stats};
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::link::LinkError;
use super::{RedisBroker, keys, reply, scripts, text};

impl RedisBroker {
    async fn queue_sizes(&self) -> Result<Vec<QueueSize>, LinkError> {
        let mut members = redis::cmd("SMEMBERS");
        members.arg(keys::QUEUES);
        let names = names(&self.link.ask(members).await?);
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut lengths = Pipeline::with_capacity(names.len());
        for name in &names {
            lengths.cmd("LLEN").arg(keys::queue(name));
        }
        let sizes = self.link.send(&lengths).await?;
        // A queue of the wrong type has no jobs, and must not hide the others.
        Ok(names.into_iter().zip(sizes).map(|(name, size)| QueueSize { name, size: reply::count(&size) }).collect())
    }

    /// All totals of one instant.
    async fn totals(&self) -> Result<Stats, LinkError> {
        let script_keys = [
            keys::QUEUES,
            keys::PROCESSES,
            keys::OWNERS,
            keys::SCHEDULE,
            keys::RETRY,
            keys::DEAD,
            keys::PROCESSED,
            keys::FAILED,
        ];
        let call = scripts::census(&script_keys.map(str::to_owned)).arg(keys::QUEUE).arg(keys::INDEX).arg(keys::BATCH);
        let answer = call.send(&self.link, &[]).await?.pop().ok_or_else(|| self.link.surprised())?;
        let answer = self.link.checked(answer)?;
        let [processed, failed, enqueued, in_flight, scheduled, retries, dead, processes] = reply::list(&answer) else {
            return Err(self.link.surprised());
        };
        let total = |counter| reply::int(counter).and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
        Ok(Stats {
            processed: total(processed),
            failed: total(failed),
            enqueued: reply::count(enqueued),
            in_flight: reply::count(in_flight),
            scheduled: reply::count(scheduled),
            retries: reply::count(retries),
            dead: reply::count(dead),
            processes: reply::count(processes),
        })
    }
}

/// The members of a set, in order.
fn names(answer: &Value) -> Vec<String> {
    let mut names: Vec<String> = reply::list(answer).iter().filter_map(text).collect();
    names.sort_unstable();
    names
}

impl Browse for RedisBroker {
    fn stats(&self) -> BoxFuture<'_, Result<Stats, BrokerError>> {
        Box::pin(async move { Ok(self.totals().await?) })
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueSize>, BrokerError>> {
        Box::pin(async move { Ok(self.queue_sizes().await?) })
    }

    fn queue_page<'a>(
        &'a self,
        queue: &'a str,
        skip: usize,
        take: usize,
    ) -> BoxFuture<'a, Result<Vec<Vec<u8>>, BrokerError>> {
        Box::pin(async move {
            if take == 0 {
                return Ok(Vec::new());
            }
            // The tail runs next: count from there.
            let (first, last) = (-(as_index(skip) + 1), -(as_index(skip.saturating_add(take))));
            let mut range = redis::cmd("LRANGE");
            range.arg(keys::queue(queue)).arg(last).arg(first);
            let answer = self.link.ask(range).await?;
            Ok(reply::list(&answer).iter().rev().filter_map(reply::bytes).map(<[u8]>::to_vec).collect())
        })
    }

    fn set_page(&self, set: JobSet, skip: usize, take: usize) -> BoxFuture<'_, Result<Vec<Entry>, BrokerError>> {
        Box::pin(async move {
            if take == 0 {
                return Ok(Vec::new());
            }
            let mut range = redis::cmd("ZRANGE");
            range
                .arg(keys::set(set))
                .arg(as_index(skip))
                .arg(as_index(skip.saturating_add(take)) - 1)
                .arg("WITHSCORES");
            let answer = self.link.ask(range).await?;
            let entries = reply::pairs(&answer).into_iter().filter_map(|(payload, score)| {
                Some(Entry { at: reply::score(score)?, payload: reply::bytes(payload)?.to_vec() })
            });
            Ok(entries.collect())
        })
    }
}

/// A position no list of Redis reaches stands for those beyond.
fn as_index(position: usize) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX / 2).min(i64::MAX / 2)
}
