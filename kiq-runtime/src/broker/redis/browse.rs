//! The reading side.

use redis::Pipeline;

use crate::broker::browse::{Browse, Entry, JobSet, QueueSize, Stats};
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::link::LinkError;
use super::{RedisBroker, keys, reply, text};

impl RedisBroker {
    async fn queue_sizes(&self) -> Result<Vec<QueueSize>, LinkError> {
        let mut members = redis::cmd("SMEMBERS");
        members.arg(keys::QUEUES);
        let answer = self.link.ask(members).await?;
        let mut names: Vec<String> = reply::list(&answer).iter().filter_map(text).collect();
        names.sort_unstable();
        let mut lengths = Pipeline::with_capacity(names.len());
        for name in &names {
            lengths.cmd("LLEN").arg(keys::queue(name));
        }
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let sizes = self.link.send(&lengths).await?;
        // A queue of the wrong type has no jobs, and must not hide the others.
        Ok(names.into_iter().zip(sizes).map(|(name, size)| QueueSize { name, size: reply::count(&size) }).collect())
    }

    async fn totals(&self) -> Result<Stats, LinkError> {
        let mut questions = Pipeline::with_capacity(7);
        questions.cmd("GET").arg(keys::PROCESSED);
        questions.cmd("GET").arg(keys::FAILED);
        for set in [keys::SCHEDULE, keys::RETRY, keys::DEAD] {
            questions.cmd("ZCARD").arg(set);
        }
        questions.cmd("SCARD").arg(keys::PROCESSES);
        questions.cmd("SMEMBERS").arg(keys::OWNERS);
        let answers = self.link.send(&questions).await?;
        let [processed, failed, scheduled, retries, dead, processes, owners] = answers.as_slice() else {
            return Err(self.link.surprised());
        };
        let owners: Vec<String> = reply::list(owners).iter().filter_map(text).collect();
        let queues = self.queue_sizes().await?;
        Ok(Stats {
            processed: reply::int(processed).and_then(|count| u64::try_from(count).ok()).unwrap_or(0),
            failed: reply::int(failed).and_then(|count| u64::try_from(count).ok()).unwrap_or(0),
            enqueued: queues.iter().map(|queue| queue.size).sum(),
            in_flight: self.in_flight(&owners).await?,
            scheduled: reply::count(scheduled),
            retries: reply::count(retries),
            dead: reply::count(dead),
            processes: reply::count(processes),
        })
    }

    async fn in_flight(&self, owners: &[String]) -> Result<usize, LinkError> {
        if owners.is_empty() {
            return Ok(0);
        }
        let mut indexes = Pipeline::with_capacity(owners.len());
        for owner in owners {
            indexes.cmd("HGETALL").arg(keys::index(owner));
        }
        let answers = self.link.send(&indexes).await?;
        let fields = answers.iter().flat_map(reply::pairs);
        let left =
            fields.filter(|(field, _)| reply::bytes(field).is_some_and(|name| name.ends_with(keys::LEFT.as_bytes())));
        Ok(left.map(|(_, count)| reply::count(count)).sum())
    }
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
