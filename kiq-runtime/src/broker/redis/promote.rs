//! Due jobs back to their queues, in two steps: read and rewrite here, move in one script.
//!
//! Not one script for all, because the payload must get a new `enqueued_at`, and Lua's JSON would spoil its numbers. Not pop
//! and push, because a kill in between loses the job (Sidekiq's poller: 13 of 24 kills).

use std::collections::HashMap;

use crate::broker::{JobSet, Promotion};
use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::Payload;
use crate::job::options::{DEFAULT_QUEUE, queue_name_fault};

use super::link::LinkError;
use super::{RedisBroker, keys, reply, scripts, text};

/// What has jobs for later.
const SETS: [JobSet; 2] = [JobSet::Retry, JobSet::Scheduled];

impl RedisBroker {
    pub(super) async fn promote_due(&self, limit: usize) -> Result<Promotion, LinkError> {
        let mut promotion = Promotion::default();
        let (now, mut first) = self.look_at_first().await?;
        // As a rule nothing is due, and that was all.
        let mut any = false;
        for (set, at) in SETS.into_iter().zip(first) {
            if at.is_some_and(|at| at <= now) {
                let (moved, buried) = self.promote_from(keys::set(set), now, limit).await?;
                promotion.moved += moved;
                promotion.buried += buried;
                any = true;
            }
        }
        if any {
            (_, first) = self.look_at_first().await?;
        }
        promotion.next_in = first.into_iter().flatten().min().map(|at| at.since(now));
        Ok(promotion)
    }

    /// The time by which jobs are due (the server's, so that a wrong clock on a client makes nothing early or late), and when
    /// the first of each set is.
    async fn look_at_first(&self) -> Result<(Timestamp, [Option<Timestamp>; 2]), LinkError> {
        let mut look = redis::Pipeline::with_capacity(3);
        for set in SETS {
            look.cmd("ZRANGE").arg(keys::set(set)).arg(0).arg(0).arg("WITHSCORES");
        }
        look.cmd("TIME");
        let answers = self.link.send(&look).await?;
        let [retry, scheduled, time] = <[_; 3]>::try_from(answers).map_err(|_| self.link.surprised())?;
        let now = match self.clock.is_manual() {
            true => self.clock.now(),
            false => reply::time(&self.link.checked(time)?).ok_or_else(|| self.link.surprised())?,
        };
        let mut first = [None; 2];
        for ((set, first), answer) in SETS.into_iter().zip(&mut first).zip([retry, scheduled]) {
            match self.link.checked(answer) {
                Ok(answer) => *first = reply::pairs(&answer).first().and_then(|(_, score)| reply::score(score)),
                // What should be a sorted set is none; the other must not wait for it.
                Err(LinkError { error: BrokerError::Refused { code, reason, .. }, .. }) if code == "WRONGTYPE" => {
                    self.faults.report(keys::set(set), &reason);
                }
                Err(failed) => return Err(failed),
            }
        }
        Ok((now, first))
    }

    async fn promote_from(&self, set: &str, now: Timestamp, limit: usize) -> Result<(usize, usize), LinkError> {
        let mut due = redis::cmd("ZRANGE");
        due.arg(set).arg("-inf").arg(now.to_score()).arg("BYSCORE").arg("LIMIT").arg(0).arg(limit);
        let due = self.link.ask(due).await?;
        let entries: Vec<&[u8]> = reply::list(&due).iter().filter_map(reply::bytes).collect();
        if entries.is_empty() {
            return Ok((0, 0));
        }
        let mut script_keys: Vec<String> = [set, keys::QUEUES, keys::DEAD].map(str::to_owned).to_vec();
        let mut queues: HashMap<String, usize> = HashMap::new();
        let mut moves = Vec::with_capacity(entries.len());
        for old in entries {
            moves.push(match Payload::parse(old) {
                Ok(mut job) => {
                    job.remove("at");
                    job.set_time("enqueued_at", now);
                    let queue = job.queue().filter(|queue| queue_name_fault(queue).is_none());
                    let key = keys::queue(&queue.unwrap_or_else(|| DEFAULT_QUEUE.to_owned()));
                    let number = *queues.entry(key).or_insert_with_key(|key| {
                        script_keys.push(key.clone());
                        script_keys.len()
                    });
                    (old, "queue", number, job.to_string())
                }
                // The third of the keys is the dead set.
                Err(_) => (old, "dead", 3, String::new()),
            });
        }
        let mut call = scripts::promote(&script_keys).arg(now.to_score());
        for (old, kind, key, new) in moves {
            call = call.arg(old).arg(kind).arg(key).arg(new);
        }
        let answer = call.send(&self.link, &[]).await?.pop().ok_or_else(|| self.link.surprised())?;
        match reply::list(&self.link.checked(answer)?) {
            [moved, buried, faults] => {
                for (key, error) in reply::pairs(faults) {
                    self.faults.report(&text(key).unwrap_or_default(), &text(error).unwrap_or_default());
                }
                Ok((reply::count(moved), reply::count(buried)))
            }
            _ => Err(self.link.surprised()),
        }
    }
}
