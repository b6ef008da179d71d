//! One worker process's hold on its jobs: fetch, settle, give back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redis::Value;

use crate::broker::dead::SharedLimits;
use crate::broker::{Consumer, Identity, RawPayload, Reclaimed, Settled, Settlement, Slot, UnitOfWork, Waiter};
use crate::clock::Clock;
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::held::Held;
use super::link::{Link, LinkError, Target};
use super::scripts::FetchBy;
use super::wake::{RedisWaiter, Wake};
use super::{Faults, keys, reply, scripts, text};

/// The most queues one fetch takes from, so that a call has a fixed number of batches.
const BATCHES: usize = 2;

/// How long a day's counters are kept, in seconds: five years, as Sidekiq's.
const DAY_TTL: u32 = 157_680_000;

#[derive(Debug)]
pub(super) struct RedisConsumer {
    pub(super) identity: Identity,
    pub(super) clock: Clock,
    dead: SharedLimits,
    fetch_by: Arc<FetchBy>,
    /// Fetches and settles.
    pub(super) link: Arc<Link>,
    /// Beats: on its own, so that a long answer there cannot delay it.
    pub(super) pulse: Link,
    wake: Arc<Wake>,
    pub(super) held: Arc<Held>,
    unanswered: Mutex<Vec<Unanswered>>,
    /// The number of the next acknowledgement; stays the same until it is known to be carried out.
    next_ack: AtomicU64,
    pub(super) faults: Faults,
    /// The last heartbeat's round trip, in microseconds.
    pub(super) round_trip: AtomicU64,
}

/// A fetch that the server may have carried out, though no answer came.
#[derive(Debug)]
struct Unanswered {
    ids: [Arc<str>; BATCHES],
    queues: Vec<String>,
}

impl RedisConsumer {
    pub(super) fn new(
        target: &Arc<Target>,
        identity: Identity,
        clock: Clock,
        dead: SharedLimits,
        fetch_by: Arc<FetchBy>,
    ) -> Self {
        let link = Arc::new(Link::new(target));
        let held = Arc::<Held>::default();
        RedisConsumer {
            wake: Arc::new(Wake::new(target, &identity, &link, &held)),
            identity,
            clock,
            dead,
            fetch_by,
            link,
            pulse: Link::new(target),
            held,
            unanswered: Mutex::default(),
            next_ack: AtomicU64::new(1),
            faults: Faults::default(),
            round_trip: AtomicU64::new(0),
        }
    }

    pub(super) fn me(&self) -> &str {
        self.identity.as_str()
    }

    async fn take(&self, queues: &[String], want: usize) -> Result<Vec<UnitOfWork>, LinkError> {
        let found = self.find_unanswered(queues).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        let ids: [Arc<str>; BATCHES] = std::array::from_fn(|_| self.held.next_number().to_string().into());
        let batches = ids.clone().map(|id| keys::batch(self.me(), &id));
        let mut script_keys = vec![keys::lease(self.me()), keys::index(self.me())];
        script_keys.extend(batches.iter().cloned());
        script_keys.extend(queues.iter().map(|queue| keys::queue(queue)));
        let mut call = scripts::fetch(&script_keys).arg(self.fetch_by.word()).arg(want);
        for id in &ids {
            call = call.arg(&**id);
        }
        let reads = batches.map(|batch| read_all(&batch));
        // From here on the batches are known, so that nobody takes them for lost while the answer is under way.
        let expected = self.held.expect(ids);
        let answers = match call.arg(queues).send(&self.link, &reads).await {
            Ok(answers) => answers,
            Err(failed) => {
                if failed.may_be_done {
                    let unanswered = Unanswered { ids: expected.unanswered(), queues: queues.to_vec() };
                    self.unanswered.lock().unwrap_or_else(PoisonError::into_inner).push(unanswered);
                }
                return Err(failed);
            }
        };
        let mut answers = answers.into_iter().map(|answer| self.link.checked(answer));
        let mut next = || answers.next().unwrap_or_else(|| Err(self.link.surprised()));
        let notes = next()?;
        let contents = [next()?, next()?];
        let (batches, units) = self.read_notes(&notes, contents);
        expected.arrived(batches);
        Ok(units)
    }

    /// What earlier fetches took of these queues without saying so, because the connection broke: it is ours, and read
    /// again. What they did not take they may yet, if they are still on their way; the next reclaim finds that.
    async fn find_unanswered(&self, queues: &[String]) -> Result<Vec<UnitOfWork>, LinkError> {
        // Of another capsule's queues another fetch will ask.
        let is_mine = |unanswered: &Unanswered| unanswered.queues.iter().all(|queue| queues.contains(queue));
        let asked: Vec<Unanswered> = {
            let mut all = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
            if all.is_empty() {
                return Ok(Vec::new());
            }
            all.extract_if(.., |unanswered| is_mine(unanswered)).collect()
        };
        // Found or not, or dropped: from the end of this on it is known only if it arrived.
        let asked = GivenUp { held: &self.held, ids: asked.into_iter().flat_map(|asked| asked.ids).collect() };
        let mut units = Vec::new();
        for id in &asked.ids {
            let mut read = redis::Pipeline::with_capacity(3);
            read.cmd("EXISTS").arg(keys::lease(self.me()));
            read.cmd("HGET").arg(keys::index(self.me())).arg(&**id);
            read.add_command(read_all(&keys::batch(self.me(), id)));
            let answers = self.link.send(&read).await?;
            let [lease, queue, jobs] = answers.as_slice() else { return Err(self.link.surprised()) };
            let jobs = reply::list(jobs);
            let (Some(1), Some(queue), false) = (reply::int(lease), text(queue), jobs.is_empty()) else { continue };
            self.held.arrived([(Arc::clone(id), jobs.len())]);
            units.extend(units_of(id, &queue.into(), jobs));
        }
        Ok(units)
    }

    /// Fetches whose answers nobody has asked for again yet: from here on they count as lost.
    pub(super) fn give_up_unanswered(&self) {
        let all = std::mem::take(&mut *self.unanswered.lock().unwrap_or_else(PoisonError::into_inner));
        for unanswered in all {
            self.held.give_up(&unanswered.ids);
        }
    }

    /// The batches a fetch made, with their sizes, and the jobs in them.
    fn read_notes(&self, notes: &Value, contents: [Value; BATCHES]) -> (Vec<(Arc<str>, usize)>, Vec<UnitOfWork>) {
        let (mut batches, mut units) = (Vec::with_capacity(BATCHES), Vec::new());
        let mut contents = contents.iter().map(reply::list);
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
            let jobs = contents.next().unwrap_or_default();
            units.reserve(jobs.len());
            units.extend(units_of(&batch, &queue, jobs));
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
            call = call.arg(&*share.batch).arg(share.positions.len()).arg(share.keep).arg(share.among_kept.len());
            for position in &share.among_kept {
                call = call.arg(from_end(*position));
            }
        }
        let answer = call.send(&self.link, &[]).await?.pop().ok_or_else(|| self.link.surprised())?;
        let answer = self.link.checked(answer)?;
        self.next_ack.store(number + 1, Ordering::Relaxed);
        self.held.acknowledged(&shares);
        let held = reply::list(&answer);
        let gone: Vec<&Arc<str>> = shares
            .iter()
            .zip(held)
            .filter_map(|(share, held)| (reply::int(held) == Some(0)).then_some(&share.batch))
            .collect();
        if gone.is_empty() {
            return Ok(vec![Settled::Applied { trimmed: 0 }; units.len()]);
        }
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
            Settlement::Later { payload, at } => ("later", keys::SCHEDULE, *at, payload.as_str()),
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
        let dead = self.dead.now();
        let call = call.arg((now - dead.max_age()).to_score()).arg(dead.max_jobs()).arg(DAY_TTL);
        let answer = self.number(call).await?;
        self.held.let_go(slot);
        Ok(usize::try_from(answer).map_or(Settled::Stale, |trimmed| Settled::Applied { trimmed }))
    }

    /// Batch by batch, the newest first, so that the oldest job ends nearest to the tail.
    async fn put_back(&self, units: &[UnitOfWork]) -> Result<usize, LinkError> {
        let mut batches: BTreeMap<u64, Vec<&UnitOfWork>> = BTreeMap::new();
        for unit in units {
            batches.entry(keys::batch_number(&unit.slot.batch)).or_default().push(unit);
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

    async fn rewrite(&self, slot: &Slot, payload: &str) -> Result<Settled, LinkError> {
        let call = scripts::mark(&[keys::batch(self.me(), &slot.batch)]).arg(from_end(slot.index));
        Ok(match self.number(call.arg(keys::TOMBSTONE).arg(payload)).await? {
            0 => Settled::Stale,
            _ => Settled::Applied { trimmed: 0 },
        })
    }

    /// The one number a script answers.
    pub(super) async fn number(&self, call: scripts::Call) -> Result<i64, LinkError> {
        let answer = call.send(&self.link, &[]).await?.pop().ok_or_else(|| self.link.surprised())?;
        reply::int(&self.link.checked(answer)?).ok_or_else(|| self.link.surprised())
    }
}

/// Batches that are given up at the end of its life, unless they arrived.
struct GivenUp<'a> {
    held: &'a Held,
    ids: Vec<Arc<str>>,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        self.held.give_up(&self.ids);
    }
}

fn read_all(batch: &str) -> redis::Cmd {
    let mut read = redis::cmd("LRANGE");
    read.arg(batch).arg(0).arg(-1);
    read
}

/// The jobs of a batch as it was just made: parts of one buffer.
fn units_of<'a>(
    batch: &'a Arc<str>,
    queue: &'a Arc<str>,
    jobs: &'a [Value],
) -> impl Iterator<Item = UnitOfWork> + use<'a> {
    let payloads = || jobs.iter().map(reply::bytes);
    let mut buffer = Vec::with_capacity(payloads().flatten().map(<[u8]>::len).sum());
    payloads().flatten().for_each(|payload| buffer.extend_from_slice(payload));
    let cut = RawPayload::cut(buffer);
    let mut from = 0;
    payloads().enumerate().filter_map(move |(at, payload)| {
        let part = from..from + payload?.len();
        from = part.end;
        let slot = Slot { batch: Arc::clone(batch), index: jobs.len() - at };
        Some(UnitOfWork { queue: Arc::clone(queue), payload: cut(part), slot })
    })
}

/// A position counted from the end (1 is the last), as Redis takes it.
fn from_end(position: usize) -> i64 {
    i64::try_from(position).map_or(i64::MIN, |position| -position)
}

impl Consumer for RedisConsumer {
    fn fetch<'a>(&'a self, queues: &'a [String], want: usize) -> BoxFuture<'a, Result<Vec<UnitOfWork>, BrokerError>> {
        Box::pin(async move { Ok(self.take(queues, want).await?) })
    }

    fn waiter(&self) -> Box<dyn Waiter> {
        Box::new(RedisWaiter::new(&self.wake))
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
