//! The reading side.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use redis::{Pipeline, Value};

use crate::broker::browse::{
    Browse, Day, Entry, JobSet, Place, ProcessState, QueueState, Running, ScanFrom, Scanned, Span, Stats, StoreInfo,
};
use crate::broker::metrics::{Deploy, Durations, Step, StepRuns};
use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::link::LinkError;
use super::{RedisBroker, keys, reply, scripts, text};

impl RedisBroker {
    async fn queue_states(&self) -> Result<Vec<QueueState>, LinkError> {
        let mut members = Pipeline::with_capacity(2);
        members.cmd("SMEMBERS").arg(keys::QUEUES);
        members.cmd("SMEMBERS").arg(keys::PAUSED);
        let mut answers = self.link.send(&members).await?.into_iter();
        let mut next = || answers.next().ok_or_else(|| self.link.surprised());
        let (all, paused) = (names(&self.link.checked(next()?)?), next()?);
        let paused: HashSet<String> = reply::list(&paused).iter().filter_map(text).collect();
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let mut look = Pipeline::with_capacity(2 * all.len());
        for name in &all {
            look.cmd("LLEN").arg(keys::queue(name));
            look.cmd("LINDEX").arg(keys::queue(name)).arg(-1);
        }
        let looks = self.link.send(&look).await?;
        // A queue of the wrong type has no jobs, and must not hide the others.
        let states = all.into_iter().zip(looks.chunks(2)).map(|(name, look)| QueueState {
            is_paused: paused.contains(&name),
            size: look.first().map_or(0, reply::count),
            next: look.get(1).and_then(reply::bytes).map(<[u8]>::to_vec),
            name,
        });
        Ok(states.collect())
    }

    async fn days(&self, days: usize) -> Result<Vec<Day>, LinkError> {
        let today = self.clock.now();
        let day = Duration::from_secs(86_400);
        let dates: Vec<String> =
            (0..days).map(|ago| (today - day * u32::try_from(ago).unwrap_or(u32::MAX)).utc_date()).collect();
        if dates.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = redis::cmd("MGET");
        for counter in [keys::PROCESSED, keys::FAILED] {
            dates.iter().for_each(|date| {
                get.arg(keys::on_day(counter, date));
            });
        }
        let answer = self.link.ask(get).await?;
        let counts: Vec<u64> = reply::list(&answer).iter().map(|count| reply::count(count) as u64).collect();
        let (processed, failed) = counts.split_at(dates.len().min(counts.len()));
        let each = dates.into_iter().zip(processed.iter().zip(failed));
        Ok(each.map(|(date, (processed, failed))| Day { date, processed: *processed, failed: *failed }).collect())
    }

    async fn span(&self, set: JobSet, span: Span) -> Result<Vec<Entry>, LinkError> {
        if span.take == 0 {
            return Ok(Vec::new());
        }
        let mut range = redis::cmd("ZRANGE");
        range.arg(keys::set(set));
        let (skip, take) = (as_index(span.skip), as_index(span.take));
        if span.from.is_none() && span.to.is_none() {
            // By rank, which costs no more for a page far behind.
            range.arg(skip).arg(skip.saturating_add(take) - 1);
            if span.newest_first {
                range.arg("REV");
            }
        } else {
            let from = span.from.map_or("-inf".to_owned(), Timestamp::to_score);
            let to = span.to.map_or("+inf".to_owned(), Timestamp::to_score);
            match span.newest_first {
                true => range.arg(to).arg(from).arg("BYSCORE").arg("REV"),
                false => range.arg(from).arg(to).arg("BYSCORE"),
            };
            range.arg("LIMIT").arg(skip).arg(take);
        }
        let answer = self.link.ask(range.arg("WITHSCORES").clone()).await?;
        let entries = reply::pairs(&answer).into_iter().filter_map(|(payload, score)| {
            Some(Entry { at: reply::score(score)?, payload: reply::bytes(payload)?.to_vec() })
        });
        Ok(entries.collect())
    }

    /// A queue from its head, where jobs come in: what is pushed or fetched meanwhile moves nothing past us.
    async fn scan_queue(&self, name: &str, from: ScanFrom) -> Result<Scanned, LinkError> {
        let count = u64::try_from(from.count.max(1)).unwrap_or(u64::MAX);
        let mut range = redis::cmd("LRANGE");
        range.arg(keys::queue(name)).arg(from.position).arg(from.position + count - 1);
        let answer = self.link.ask(range).await?;
        let entries: Vec<_> =
            reply::list(&answer).iter().filter_map(reply::bytes).map(|job| (None, job.to_vec())).collect();
        let read = entries.len();
        let next = (read as u64 == count).then(|| from.position + count);
        Ok(Scanned { entries, read, next })
    }

    async fn scan_set(&self, set: JobSet, from: ScanFrom, containing: Option<&str>) -> Result<Scanned, LinkError> {
        let mut scan = redis::cmd("ZSCAN");
        scan.arg(keys::set(set)).arg(from.position);
        if let Some(text) = containing {
            scan.arg("MATCH").arg(as_pattern(text));
        }
        let answer = self.link.ask(scan.arg("COUNT").arg(from.count.max(1)).clone()).await?;
        let [position, pairs] = reply::list(&answer) else { return Err(self.link.surprised()) };
        let entries: Vec<_> = reply::pairs(pairs)
            .into_iter()
            .filter_map(|(payload, score)| Some((Some(reply::score(score)?), reply::bytes(payload)?.to_vec())))
            .collect();
        // A position is any number of 64 bits.
        let position = text(position).and_then(|position| position.parse().ok()).unwrap_or(0);
        let read = match containing {
            None => entries.len(),
            // The server does not say how many it left out. Of a set that was done in one step it is the rest.
            Some(_) if from.position == 0 && position == 0 => {
                let mut size = redis::cmd("ZCARD");
                reply::count(&self.link.ask(size.arg(keys::set(set)).clone()).await?)
            }
            Some(_) => from.count.max(entries.len()),
        };
        Ok(Scanned { entries, read, next: (position != 0).then_some(position) })
    }

    async fn info(&self) -> Result<StoreInfo, LinkError> {
        let info = text(&self.link.ask(redis::cmd("INFO")).await?).unwrap_or_default();
        let fields: HashMap<&str, &str> = info.lines().filter_map(|line| line.split_once(':')).collect();
        let number = |name: &str| fields.get(name).and_then(|value| value.trim().parse::<u64>().ok());
        let version = ["valkey_version", "redis_version"].into_iter().find_map(|name| fields.get(name));
        Ok(StoreInfo {
            version: version.map(|version| version.trim().to_owned()),
            used_memory: number("used_memory"),
            peak_memory: number("used_memory_peak"),
            max_memory: number("maxmemory").filter(|bytes| *bytes > 0),
            clients: number("connected_clients"),
            max_clients: number("maxclients"),
            uptime: number("uptime_in_seconds").map(Duration::from_secs),
            has_append_only_file: number("aof_enabled").map(|enabled| enabled == 1),
            replicas: number("connected_slaves"),
        })
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

    fn history(&self, days: usize) -> BoxFuture<'_, Result<Vec<Day>, BrokerError>> {
        Box::pin(async move { Ok(self.days(days).await?) })
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueState>, BrokerError>> {
        Box::pin(async move { Ok(self.queue_states().await?) })
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
        let span = Span { from: None, to: None, newest_first: false, skip, take };
        Box::pin(async move { Ok(self.span(set, span).await?) })
    }

    fn set_span(&self, set: JobSet, span: Span) -> BoxFuture<'_, Result<Vec<Entry>, BrokerError>> {
        Box::pin(async move { Ok(self.span(set, span).await?) })
    }

    fn scan<'a>(
        &'a self,
        place: &'a Place,
        from: ScanFrom,
        containing: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Scanned, BrokerError>> {
        Box::pin(async move {
            Ok(match place {
                Place::Queue(name) => self.scan_queue(name, from).await?,
                Place::Set(set) => self.scan_set(*set, from, containing).await?,
            })
        })
    }

    fn processes(&self) -> BoxFuture<'_, Result<Vec<ProcessState>, BrokerError>> {
        Box::pin(async move { Ok(self.read_processes().await?) })
    }

    fn running(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Running>, BrokerError>> {
        Box::pin(async move { Ok(self.read_running(limit).await?) })
    }

    fn runs(&self, from: Timestamp, to: Timestamp, step: Step) -> BoxFuture<'_, Result<Vec<StepRuns>, BrokerError>> {
        Box::pin(async move { Ok(self.read_runs(from, to, step).await?) })
    }

    fn durations<'a>(
        &'a self,
        minutes: &'a [(&'a str, Timestamp)],
    ) -> BoxFuture<'a, Result<Vec<Durations>, BrokerError>> {
        Box::pin(async move { Ok(self.read_durations(minutes).await?) })
    }

    fn deploys(&self, from: Timestamp, to: Timestamp) -> BoxFuture<'_, Result<Vec<Deploy>, BrokerError>> {
        Box::pin(async move { Ok(self.read_deploys(from, to).await?) })
    }

    fn known_jobs(&self) -> BoxFuture<'_, Result<Vec<(String, Timestamp)>, BrokerError>> {
        Box::pin(async move { Ok(self.read_known().await?) })
    }

    fn store_info(&self) -> BoxFuture<'_, Result<StoreInfo, BrokerError>> {
        Box::pin(async move { Ok(self.info().await?) })
    }
}

/// A pattern of Redis for whatever contains the text: nothing in the text means anything but itself.
fn as_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('*');
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('*');
    pattern
}

/// A position no list of Redis reaches stands for those beyond.
fn as_index(position: usize) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX / 2).min(i64::MAX / 2)
}
