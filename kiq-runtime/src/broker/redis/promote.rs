//! Due jobs back to their queues, in two steps: read and rewrite here, move in one script.
//!
//! Not one script for all, because the payload must get a new `enqueued_at`, and Lua's JSON would spoil its numbers. Not pop
//! and push, because a kill in between loses the job (Sidekiq's poller: 13 of 24 kills).

use std::collections::HashMap;

use crate::broker::{JobSet, Promotion};
use crate::clock::Timestamp;
use crate::job::Payload;
use crate::job::options::{DEFAULT_QUEUE, queue_name_fault};

use super::link::LinkError;
use super::{RedisBroker, keys, reply, scripts};

impl RedisBroker {
    pub(super) async fn promote_due(&self, limit: usize) -> Result<Promotion, LinkError> {
        let now = self.now().await?;
        let mut promotion = Promotion::default();
        for set in [JobSet::Retry, JobSet::Scheduled] {
            let (moved, buried) = self.promote_from(keys::set(set), now, limit).await?;
            promotion.moved += moved;
            promotion.buried += buried;
        }
        let mut first = redis::Pipeline::with_capacity(2);
        for set in [keys::RETRY, keys::SCHEDULE] {
            first.cmd("ZRANGE").arg(set).arg(0).arg(0).arg("WITHSCORES");
        }
        let mut next = None;
        for answer in self.link.send(&first).await? {
            let answer = self.link.checked(answer)?;
            let at = reply::pairs(&answer).first().and_then(|(_, score)| reply::score(score));
            next = [next, at].into_iter().flatten().min();
        }
        promotion.next_in = next.map(|at| at.since(now));
        Ok(promotion)
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
            [moved, buried] => Ok((reply::count(moved), reply::count(buried))),
            _ => Err(self.link.surprised()),
        }
    }
}
