//! One worker process's hold on its jobs: fetch, settle, give back, reclaim.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::{Pipeline, Value};

use crate::broker::{
    Consumer, DEAD_SET_AGE, DEAD_SET_LIMIT, Identity, Reclaimed, Settled, Settlement, Slot, UnitOfWork,
};
use crate::clock::Clock;
use crate::error::BrokerError;
use crate::job::BoxFuture;
use crate::job::recovered::as_suspect;

use super::held::Held;
use super::link::{Link, LinkError, Target};
use super::wake::Wake;
use super::{Faults, keys, reply, scripts, text};

/// The most queues one fetch takes from, so that a call has a fixed number of batches.
const BATCHES: usize = 2;

/// How long a day's counters are kept, in seconds: five years, as Sidekiq's.
const DAY_TTL: u32 = 157_680_000;

#[derive(Debug)]
pub(super) struct RedisConsumer {
    pub(super) identity: Identity,
    clock: Clock,
    /// Fetches and settles.
    pub(super) link: Link,
    /// Beats: on its own, so that a long answer there cannot delay it.
    pub(super) pulse: Link,
    wake: Wake,
    held: Held,
    next_batch: AtomicU64,
    /// The number of the next acknowledgement; stays the same until it is known to be carried out.
    next_ack: AtomicU64,
    faults: Faults,
    /// The last heartbeat's round trip, in microseconds.
    pub(super) round_trip: AtomicU64,
}

impl RedisConsumer {
    pub(super) fn new(target: &Arc<Target>, identity: Identity, clock: Clock) -> Self {
        RedisConsumer {
            identity,
            clock,
            link: Link::new(target),
            pulse: Link::new(target),
            wake: Wake::new(target),
            held: Held::default(),
            next_batch: AtomicU64::new(0),
            next_ack: AtomicU64::new(1),
            faults: Faults::default(),
            round_trip: AtomicU64::new(0),
        }
    }

    pub(super) fn me(&self) -> &str {
        self.identity.as_str()
    }

    async fn take(&self, queues: &[String], want: usize) -> Result<Vec<UnitOfWork>, LinkError> {
        let first = self.next_batch.fetch_add(BATCHES as u64, Ordering::Relaxed);
        let ids: [Arc<str>; BATCHES] = [first.to_string().into(), (first + 1).to_string().into()];
        let batches = ids.clone().map(|id| keys::batch(self.me(), &id));
        let mut script_keys = vec![keys::lease(self.me()), keys::index(self.me())];
        script_keys.extend(batches.iter().cloned());
        script_keys.extend(queues.iter().map(|queue| keys::queue(queue)));
        let mut call = scripts::fetch(&script_keys).arg(want);
        for id in &ids {
            call = call.arg(&**id);
        }
        let reads = batches.map(|batch| {
            let mut read = redis::cmd("LRANGE");
            read.arg(batch).arg(0).arg(-1);
            read
        });
        // From here on the batches are known, so that nobody takes them for lost while the answer is under way.
        let expected = self.held.expect(ids);
        let answers = call.arg(queues).send(&self.link, &reads).await?;
        let mut answers = answers.into_iter().map(|answer| self.link.checked(answer));
        let mut next = || answers.next().unwrap_or_else(|| Err(self.link.surprised()));
        let notes = next()?;
        let contents = [next()?, next()?];
        let (batches, units) = self.read_notes(&notes, &contents);
        expected.arrived(batches);
        Ok(units)
    }

    /// The batches a fetch made, with their sizes, and the jobs in them.
    fn read_notes(&self, notes: &Value, contents: &[Value]) -> (Vec<(Arc<str>, usize)>, Vec<UnitOfWork>) {
        let (mut batches, mut units) = (Vec::with_capacity(BATCHES), Vec::new());
        let mut contents = contents.iter();
        let mut notes = reply::list(notes).iter().map(|note| text(note).unwrap_or_default());
        while let Some(note) = notes.next() {
            if note != "batch" {
                let (queue, error) = (notes.next().unwrap_or_default(), notes.next().unwrap_or_default());
                self.faults.report(&keys::queue(&queue), &error);
                continue;
            }
            let (id, queue, _) = (notes.next(), notes.next(), notes.next());
            let (batch, queue): (Arc<str>, Arc<str>) =
                (id.unwrap_or_default().into(), queue.unwrap_or_default().into());
            let jobs = contents.next().map(reply::list).unwrap_or_default();
            units.reserve(jobs.len());
            let payloads = jobs.iter().enumerate().filter_map(|(at, job)| Some((jobs.len() - at, reply::bytes(job)?)));
            units.extend(payloads.map(|(index, payload)| UnitOfWork {
                queue: Arc::clone(&queue),
                payload: payload.into(),
                slot: Slot { batch: Arc::clone(&batch), index },
            }));
            batches.push((batch, jobs.len()));
        }
        (batches, units)
    }

    /// Acknowledges jobs that succeeded. Answers for each whether it was still this process's.
    async fn acknowledge(&self, units: &[UnitOfWork]) -> Result<Vec<Settled>, LinkError> {
        let shares = self.held.shares(units);
        let date = self.clock.now().utc_date();
        let mut script_keys =
            vec![keys::index(self.me()), keys::PROCESSED.to_owned(), keys::on_day(keys::PROCESSED, &date)];
        script_keys.extend(shares.iter().map(|share| keys::batch(self.me(), &share.batch)));
        let number = self.next_ack.load(Ordering::Relaxed);
        let mut call = scripts::ack(&script_keys).arg(number).arg(keys::TOMBSTONE).arg(DAY_TTL);
        for share in &shares {
            call = call.arg(&*share.batch).arg(share.jobs).arg(share.keep).arg(share.among_kept.len());
            for position in &share.among_kept {
                call = call.arg(from_end(*position));
            }
        }
        let answer = call.send(&self.link, &[]).await?.pop().ok_or_else(|| self.link.surprised())?;
        let answer = self.link.checked(answer)?;
        self.next_ack.store(number + 1, Ordering::Relaxed);
        self.held.acknowledged(units, &shares);
        let held = reply::list(&answer);
        let gone: Vec<&Arc<str>> = shares
            .iter()
            .zip(held)
            .filter_map(|(share, held)| (reply::int(held) == Some(0)).then_some(&share.batch))
            .collect();
        let settled = |unit: &UnitOfWork| match gone.contains(&&unit.slot.batch) {
            true => Settled::Stale,
            false => Settled::Applied { trimmed: 0 },
        };
        Ok(units.iter().map(settled).collect())
    }

    async fn end(&self, slot: &Slot, end: &Settlement) -> Result<Settled, LinkError> {
        let now = self.clock.now();
        let date = now.utc_date();
        let (kind, set, at, payload) = match end {
            Settlement::Done => ("done", keys::DEAD, now, ""),
            Settlement::Retry { payload, at } => ("retry", keys::RETRY, *at, payload.as_str()),
            Settlement::Dead { payload, at } => ("dead", keys::DEAD, *at, payload.as_str()),
            Settlement::Discarded => ("discarded", keys::DEAD, now, ""),
            Settlement::NotAJob { at } => ("bad", keys::DEAD, *at, ""),
        };
        let script_keys = [
            keys::batch(self.me(), &slot.batch),
            keys::index(self.me()),
            set.to_owned(),
            keys::PROCESSED.to_owned(),
            keys::on_day(keys::PROCESSED, &date),
            keys::FAILED.to_owned(),
            keys::on_day(keys::FAILED, &date),
        ];
        let call =
            scripts::settle(&script_keys).arg(&*slot.batch).arg(from_end(slot.index)).arg(keys::TOMBSTONE).arg(kind);
        let call = call.arg(at.to_score()).arg(payload);
        let call = call.arg((now - DEAD_SET_AGE).to_score()).arg(DEAD_SET_LIMIT).arg(DAY_TTL);
        let answer = self.number(call).await?;
        self.held.let_go(slot);
        Ok(usize::try_from(answer).map_or(Settled::Stale, |trimmed| Settled::Applied { trimmed }))
    }

    /// Batch by batch, the newest first, so that the oldest job ends nearest to the tail.
    async fn put_back(&self, units: &[UnitOfWork]) -> Result<usize, LinkError> {
        let mut batches: BTreeMap<u64, Vec<&UnitOfWork>> = BTreeMap::new();
        for unit in units {
            batches.entry(unit.slot.batch.parse().unwrap_or(0)).or_default().push(unit);
        }
        let mut back = 0;
        for mut units in batches.into_values().rev() {
            units.sort_by_key(|unit| unit.slot.index);
            let Some(UnitOfWork { queue, slot: Slot { batch, .. }, .. }) = units.first() else { continue };
            let script_keys =
                [keys::batch(self.me(), batch), keys::index(self.me()), keys::QUEUES.to_owned(), keys::queue(queue)];
            let mut call = scripts::give_back(&script_keys).arg(&**batch).arg(&**queue).arg(keys::TOMBSTONE);
            for unit in &units {
                call = call.arg(from_end(unit.slot.index));
            }
            back += usize::try_from(self.number(call).await?).unwrap_or(0);
            units.iter().for_each(|unit| self.held.let_go(&unit.slot));
        }
        Ok(back)
    }

    async fn reclaim_all(&self) -> Result<Vec<Reclaimed>, LinkError> {
        // Ours first: handed out, and the answer lost.
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
        batches.sort_by_key(|(id, _)| std::cmp::Reverse(id.parse::<u64>().unwrap_or(0)));
        Ok(batches)
    }

    pub(super) async fn release(
        &self,
        owner: &str,
        batches: Vec<(String, String)>,
        only_if_dead: bool,
    ) -> Result<Vec<Reclaimed>, LinkError> {
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
            call = call.arg(u8::from(only_if_dead));
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

    async fn rewrite(&self, slot: &Slot, payload: &str) -> Result<Settled, LinkError> {
        let call = scripts::mark(&[keys::batch(self.me(), &slot.batch)]).arg(from_end(slot.index));
        Ok(match self.number(call.arg(keys::TOMBSTONE).arg(payload)).await? {
            0 => Settled::Stale,
            _ => Settled::Applied { trimmed: 0 },
        })
    }

    /// The one number a script answers.
    async fn number(&self, call: scripts::Call) -> Result<i64, LinkError> {
        let answer = call.send(&self.link, &[]).await?.pop().ok_or_else(|| self.link.surprised())?;
        reply::int(&self.link.checked(answer)?).ok_or_else(|| self.link.surprised())
    }
}

/// A position counted from the end (1 is the last), as Redis takes it.
fn from_end(position: usize) -> i64 {
    i64::try_from(position).map_or(i64::MIN, |position| -position)
}

impl Consumer for RedisConsumer {
    fn fetch<'a>(&'a self, queues: &'a [String], want: usize) -> BoxFuture<'a, Result<Vec<UnitOfWork>, BrokerError>> {
        Box::pin(async move { Ok(self.take(queues, want).await?) })
    }

    fn wait<'a>(&'a self, queues: &'a [String], patience: Duration) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.wake.wait(queues, patience))
    }

    fn settle<'a>(&'a self, unit: &'a UnitOfWork, end: &'a Settlement) -> BoxFuture<'a, Result<Settled, BrokerError>> {
        Box::pin(async move { Ok(self.end(&unit.slot, end).await?) })
    }

    fn ack<'a>(&'a self, units: &'a [UnitOfWork]) -> BoxFuture<'a, Result<Vec<Settled>, BrokerError>> {
        Box::pin(async move { Ok(self.acknowledge(units).await?) })
    }

    fn mark<'a>(&'a self, unit: &'a UnitOfWork, payload: &'a str) -> BoxFuture<'a, Result<Settled, BrokerError>> {
        Box::pin(async move { Ok(self.rewrite(&unit.slot, payload).await?) })
    }

    fn give_back<'a>(&'a self, units: &'a [UnitOfWork]) -> BoxFuture<'a, Result<usize, BrokerError>> {
        Box::pin(async move { Ok(self.put_back(units).await?) })
    }

    fn reclaim(&self) -> BoxFuture<'_, Result<Vec<Reclaimed>, BrokerError>> {
        Box::pin(async move { Ok(self.reclaim_all().await?) })
    }
}
