//! Putting back what nobody performs: the batches of processes that are gone, and our own whose handing out we never heard
//! of.

use redis::{Pipeline, Value};

use crate::broker::Reclaimed;
use crate::error::BrokerError;
use crate::job::recovered::as_suspect;

use super::consumer::RedisConsumer;
use super::link::LinkError;
use super::wake::SURE;
use super::{keys, reply, scripts, text};

impl RedisConsumer {
    pub(super) async fn reclaim_all(&self) -> Result<Vec<Reclaimed>, LinkError> {
        // Ours first: handed out, and the answer lost.
        self.give_up_unanswered();
        let lost = self.index_of(self.me()).await?;
        let lost = lost.into_iter().filter(|(id, _)| !self.held.contains(id)).collect();
        let mut reclaimed = self.release(self.me(), lost, false).await?;

        let mut owners = redis::cmd("SMEMBERS");
        owners.arg(keys::OWNERS);
        let owners = self.link.ask(owners).await?;
        let owners: Vec<String> =
            reply::list(&owners).iter().filter_map(text).filter(|owner| owner != self.me()).collect();
        if owners.is_empty() {
            return Ok(reclaimed);
        }
        let mut leases = Pipeline::with_capacity(owners.len());
        for owner in &owners {
            leases.cmd("EXISTS").arg(keys::lease(owner));
        }
        let leases = self.link.send(&leases).await?;
        for (owner, lease) in owners.iter().zip(leases) {
            if reply::int(&self.link.checked(lease)?) != Some(0) {
                continue;
            }
            let batches = self.index_of(owner).await?;
            reclaimed.extend(self.release(owner, batches, true).await?);
            self.forget(owner).await?;
        }
        Ok(reclaimed)
    }

    /// The end of an owner without a lease that owns nothing any more.
    pub(super) async fn forget(&self, owner: &str) -> Result<(), LinkError> {
        let script_keys = [
            keys::lease(owner),
            keys::index(owner),
            keys::OWNERS.to_owned(),
            keys::PROCESSES.to_owned(),
            keys::process(owner),
            keys::work(owner),
        ];
        self.number(scripts::forget(&script_keys).arg(owner)).await?;
        Ok(())
    }

    /// The batches of an owner with their queues, the newest first.
    pub(super) async fn index_of(&self, owner: &str) -> Result<Vec<(String, String)>, LinkError> {
        let mut all = redis::cmd("HGETALL");
        all.arg(keys::index(owner));
        let answer = self.link.ask(all).await?;
        let fields = reply::pairs(&answer).into_iter().filter_map(|(field, value)| Some((text(field)?, text(value)?)));
        let mut batches: Vec<_> = fields.filter(|(field, _)| !field.contains('/')).collect();
        batches.sort_by_key(|(id, _)| std::cmp::Reverse(keys::batch_number(id)));
        Ok(batches)
    }

    pub(super) async fn release(
        &self,
        owner: &str,
        batches: Vec<(String, String)>,
        only_if_dead: bool,
    ) -> Result<Vec<Reclaimed>, LinkError> {
        // A clock set by hand also decides what is long ago; otherwise the server's does.
        let now = if self.clock.is_manual() { self.clock.now().as_micros() / 1000 } else { 0 };
        let mut reclaimed = Vec::new();
        for (id, queue) in batches {
            let script_keys = [
                keys::lease(owner),
                keys::index(owner),
                keys::batch(owner, &id),
                keys::QUEUES.to_owned(),
                keys::queue(&queue),
            ];
            let mut call = scripts::release(&script_keys).arg(&id).arg(&queue).arg(keys::TOMBSTONE);
            call = call.arg(u8::from(only_if_dead)).arg(SURE.as_millis() as u64).arg(now);
            if only_if_dead {
                // Its process died, and it may be the job that killed it.
                for suspect in self.suspects_of(&keys::batch(owner, &id)).await? {
                    call = call.arg(suspect);
                }
            }
            match self.number(call).await {
                // 0: settled meanwhile, or never taken; below: the owner is back.
                Ok(jobs) => {
                    if let Some(jobs) = usize::try_from(jobs).ok().filter(|jobs| *jobs > 0) {
                        reclaimed.push(Reclaimed { owner: owner.to_owned(), queue, jobs });
                    }
                }
                // Where it should go is no list. It stays in its batch, and the others must not wait for it.
                Err(LinkError { error: BrokerError::Refused { code, reason, .. }, .. }) if code == "WRONGTYPE" => {
                    self.faults.report(&keys::queue(&queue), &reason);
                }
                Err(failed) => return Err(failed),
            }
        }
        Ok(reclaimed)
    }

    /// What comes back of a dead process's batch, entry by entry; an empty text for one as it is.
    async fn suspects_of(&self, batch: &str) -> Result<Vec<String>, LinkError> {
        let mut all = redis::cmd("LRANGE");
        all.arg(batch).arg(0).arg(-1);
        let answer = self.link.ask(all).await?;
        let now = self.clock.now();
        let suspect = |entry: &Value| reply::bytes(entry).and_then(|bytes| as_suspect(bytes, now)).unwrap_or_default();
        Ok(reply::list(&answer).iter().map(suspect).collect())
    }
}
