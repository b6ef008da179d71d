//! The reading side.

use redis::{Pipeline, Value};

use crate::broker::browse::{Browse, Entry, JobSet, QueueSize, Stats};
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::link::LinkError;
use super::{RedisBroker, keys, reply, text};

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

    /// All totals of one instant, so that a job which moves meanwhile is counted once: a program that stops when nothing is
    /// left must not miss one on its way from the retries to a queue.
    ///
    /// Which keys to count is itself in Redis, so they are looked up first, and again in the transaction; if a queue or a
    /// process came in between, the count is repeated.
    async fn totals(&self) -> Result<Stats, LinkError> {
        let mut known = Census::default();
        loop {
            let (census, stats) = self.count(&known).await?;
            if census.is_covered_by(&known) {
                return Ok(stats);
            }
            known = census;
        }
    }

    async fn count(&self, known: &Census) -> Result<(Census, Stats), LinkError> {
        let mut questions = Pipeline::new();
        questions.atomic();
        for names in Census::KEYS {
            questions.cmd("SMEMBERS").arg(names);
        }
        for counter in [keys::PROCESSED, keys::FAILED] {
            questions.cmd("GET").arg(counter);
        }
        for set in [keys::SCHEDULE, keys::RETRY, keys::DEAD] {
            questions.cmd("ZCARD").arg(set);
        }
        for queue in &known.queues {
            questions.cmd("LLEN").arg(keys::queue(queue));
        }
        // Sidekiq's readers remove the names of processes that have no record, but only now and then.
        for process in &known.processes {
            questions.cmd("HEXISTS").arg(keys::process(process)).arg("info");
        }
        for owner in &known.owners {
            questions.cmd("HGETALL").arg(keys::index(owner));
        }
        let answers = match self.link.transact(&questions).await {
            // A full server refuses every transaction, even one that only reads. Then the same without one: a job that
            // moves meanwhile may be missed or counted twice.
            Err(LinkError { error: BrokerError::Refused { code, .. }, .. }) if code == "EXECABORT" => {
                let mut plain = Pipeline::with_capacity(questions.len());
                for question in questions.cmd_iter() {
                    plain.add_command(question.clone());
                }
                self.link.send(&plain).await?
            }
            answers => answers?,
        };
        let [queues, processes, owners, processed, failed, scheduled, retries, dead, counts @ ..] = answers.as_slice()
        else {
            return Err(self.link.surprised());
        };
        let census = Census { queues: names(queues), processes: names(processes), owners: names(owners) };
        let (lengths, counts) = counts.split_at_checked(known.queues.len()).unwrap_or_default();
        let (records, indexes) = counts.split_at_checked(known.processes.len()).unwrap_or_default();
        let left = indexes
            .iter()
            .flat_map(reply::pairs)
            .filter(|(field, _)| reply::bytes(field).is_some_and(|name| name.ends_with(keys::LEFT.as_bytes())));
        let total = |counter| reply::int(counter).and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
        let stats = Stats {
            processed: total(processed),
            failed: total(failed),
            enqueued: lengths.iter().map(reply::count).sum(),
            in_flight: left.map(|(_, count)| reply::count(count)).sum(),
            scheduled: reply::count(scheduled),
            retries: reply::count(retries),
            dead: reply::count(dead),
            processes: records.iter().map(reply::count).sum(),
        };
        Ok((census, stats))
    }
}

/// The names whose keys a count has to look at.
#[derive(Debug, Default)]
struct Census {
    queues: Vec<String>,
    processes: Vec<String>,
    owners: Vec<String>,
}

impl Census {
    const KEYS: [&str; 3] = [keys::QUEUES, keys::PROCESSES, keys::OWNERS];

    /// Whether `known` has all of these names; it may have more, which count as nothing.
    fn is_covered_by(&self, known: &Census) -> bool {
        let covers = |known: &[String], names: &[String]| names.iter().all(|name| known.binary_search(name).is_ok());
        covers(&known.queues, &self.queues)
            && covers(&known.processes, &self.processes)
            && covers(&known.owners, &self.owners)
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
