//! Compares what a ledger says with what is in Redis: nothing lost, nothing twice, nothing in limbo, every number right.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use kiq_runtime::job::Payload;
use redis::{Commands as _, Connection};

use crate::ledger::{Entry, Run};

/// The longest that work may stand still after a mishap is over, in milliseconds.
const HEALS_WITHIN: u64 = 10_000;

/// Stands in a batch where a settled job was.
const TOMBSTONE: &[u8] = b"\xffkiq: settled";

/// Keys of kiq that hold no jobs: names of jobs, the log of operations, and copies that an operator may take back.
const NO_JOBS: [&str; 3] = ["kiq:known", "kiq:ops", "kiq:undo:"];

/// What a job was found to be, and where.
#[derive(Clone, Debug)]
struct Copy {
    key: String,
    /// How often it has failed, and whether it is poison.
    failures: u32,
    is_poison: bool,
}

/// All jobs in all keys of a Redis.
///
/// Every list and sorted set is read, whatever its name, so that a job in a key that nobody looks at is found, too.
#[derive(Debug, Default)]
pub struct Census {
    copies: BTreeMap<String, Vec<Copy>>,
    /// Entries that are no jobs, by key.
    others: Vec<(String, Vec<u8>)>,
    /// What is wrong with kiq's own keys.
    limbo: Vec<String>,
    in_flight: usize,
    waiting: usize,
    processed: u64,
    failed: u64,
}

impl Census {
    /// Reads everything. It is not atomic: at rest, or with the workers stopped, it is exact.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn take(redis: &mut Connection) -> redis::RedisResult<Self> {
        let mut census = Census::default();
        let mut keys: Vec<String> = redis.scan::<String>()?.collect::<redis::RedisResult<_>>()?;
        keys.sort();
        keys.dedup();
        let owners: HashSet<String> = redis.smembers("kiq:owners").unwrap_or_default();
        for key in &keys {
            if NO_JOBS.iter().any(|name| key.starts_with(name)) {
                continue;
            }
            let kind: String = redis::cmd("TYPE").arg(key).query(redis)?;
            let entries: Vec<Vec<u8>> = match kind.as_str() {
                "list" if !key.ends_with("-signals") => redis.lrange(key, 0, -1)?,
                "zset" => redis.zrange(key, 0, -1)?,
                _ => continue,
            };
            for entry in entries.into_iter().filter(|entry| entry != TOMBSTONE) {
                census.add(key, entry);
            }
            let Some((owner, batch)) = key.strip_prefix("kiq:b:").and_then(|rest| rest.rsplit_once(':')) else {
                continue;
            };
            if !owners.contains(owner) {
                census.limbo.push(format!("{key} belongs to nobody in kiq:owners"));
            }
            if !redis.hexists::<_, _, bool>(format!("kiq:idx:{owner}"), batch)? {
                census.limbo.push(format!("{key} is in nobody's index"));
            }
        }
        for owner in keys.iter().filter_map(|key| key.strip_prefix("kiq:idx:")) {
            if !owners.contains(owner) {
                census.limbo.push(format!("kiq:idx:{owner} belongs to nobody in kiq:owners"));
            }
        }
        for lease in keys.iter().filter(|key| key.starts_with("kiq:lease:")) {
            // -2: it has run out meanwhile.
            if redis.pttl::<_, i64>(lease)? == -1 {
                census.limbo.push(format!("{lease} never runs out"));
            }
        }
        let number = |count: Option<u64>| count.unwrap_or(0);
        census.processed = number(redis.get("stat:processed")?);
        census.failed = number(redis.get("stat:failed")?);
        Ok(census)
    }

    fn add(&mut self, key: &str, entry: Vec<u8>) {
        match key {
            "dead" => {}
            key if key.starts_with("kiq:") => self.in_flight += 1,
            _ => self.waiting += 1,
        }
        match Payload::parse(&entry) {
            Ok(job) => {
                let is_poison = job.get::<String>("error_class").as_deref() == Some("kiq::Poison");
                let copy = Copy { key: key.to_owned(), failures: job.failures(), is_poison };
                self.copies.entry(job.jid().as_str().to_owned()).or_default().push(copy);
            }
            Err(_) => self.others.push((key.to_owned(), entry)),
        }
    }

    /// Entries that are no jobs, each with its key.
    pub fn others(&self) -> &[(String, Vec<u8>)] {
        &self.others
    }

    /// The keys a job is in.
    pub fn places(&self, jid: &str) -> Vec<&str> {
        self.copies.get(jid).into_iter().flatten().map(|copy| copy.key.as_str()).collect()
    }

    /// Whether no job waits and none is in a process's hands.
    pub fn is_at_rest(&self) -> bool {
        self.waiting == 0 && self.in_flight == 0
    }
}

/// Why a job ran more often than it was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Its process died before the store heard of its end.
    Died,
    /// Its process was stopped or cut off for longer than its lease.
    Frozen,
    /// Its process was told to stop and gave it back.
    Stopped,
    /// The store went back to an older state.
    RolledBack,
    /// It was enqueued again under the same id.
    EnqueuedAgain,
}

/// The result of an audit; [`is_passed`](Audit::is_passed), and as text a report.
#[derive(Debug, Default)]
pub struct Audit {
    /// What is wrong; empty is a pass.
    pub faults: Vec<String>,
    /// How many jobs ran how often.
    pub histogram: BTreeMap<usize, usize>,
    /// How many runs too many there were, by cause.
    pub reruns: BTreeMap<Cause, usize>,
    /// How many jobs are certainly stored, perhaps stored, certainly not stored.
    pub enqueued: (usize, usize, usize),
    /// How many jobs are among the dead.
    pub dead: usize,
    /// The longest that a new job had to wait for its end after a mishap was over, in milliseconds.
    pub slowest_heal: u64,
    /// The longest that a process took to stop when it was told to, in milliseconds.
    pub slowest_exit: u64,
}

/// What the ledger says of one job.
#[derive(Debug, Default)]
struct Story<'a> {
    intents: Vec<u64>,
    stored: usize,
    unknown: usize,
    rejected: usize,
    starts: Vec<(&'a Run, u64)>,
    ends: HashSet<&'a Run>,
    succeeded: Option<u32>,
    acks: HashSet<&'a Run>,
}

impl Audit {
    /// Audits. `per_death`: at most so many jobs run again for one process that died: its concurrency and its
    /// `max_unacked`. `at_rest`: nothing shall wait or be in flight, and the counters be exact.
    ///
    /// A job that ended well must have an `End` entry that says so; one that did not must be among the dead. Jobs whose end
    /// leaves nothing (`discard`, `retry = false`) have no place in an audited run.
    pub fn of(entries: &[Entry], census: &Census, per_death: usize, at_rest: bool) -> Self {
        let mut audit = Audit::default();
        let mut stories: BTreeMap<&str, Story<'_>> = BTreeMap::new();
        let (mut killed, mut frozen, mut stopped, mut rolled_back) =
            (HashSet::new(), HashSet::new(), HashSet::new(), false);
        for entry in entries {
            match entry {
                Entry::Intent { jid, args } => stories.entry(jid).or_default().intents.push(*args),
                Entry::Stored { jid } => stories.entry(jid).or_default().stored += 1,
                Entry::Unknown { jid } => stories.entry(jid).or_default().unknown += 1,
                Entry::Rejected { jid } => stories.entry(jid).or_default().rejected += 1,
                Entry::Start { run, args } => stories.entry(&run.jid).or_default().starts.push((run, *args)),
                Entry::End { run, ok } => {
                    let story = stories.entry(&run.jid).or_default();
                    story.ends.insert(run);
                    if *ok {
                        story.succeeded = story.succeeded.max(Some(run.attempt));
                    }
                }
                Entry::Ack { run } => {
                    stories.entry(&run.jid).or_default().acks.insert(run);
                }
                Entry::Killed { pid } => {
                    killed.insert(*pid);
                }
                Entry::Frozen { pid } => {
                    frozen.insert(*pid);
                }
                Entry::Stopped { pid } => {
                    stopped.insert(*pid);
                }
                Entry::Exited { pid, code, millis, allowed } => {
                    if *code != Some(0) {
                        audit.faults.push(format!("I9 {pid} was told to stop and ended with {code:?}, not 0"));
                    }
                    if millis > allowed {
                        audit.faults.push(format!("I9 {pid} took {millis} ms to stop, of at most {allowed}"));
                    }
                    audit.slowest_exit = audit.slowest_exit.max(*millis);
                }
                Entry::Healed { millis } => {
                    if *millis > HEALS_WITHIN {
                        audit.faults.push(format!("I7 work stood still for {millis} ms after a mishap was over"));
                    }
                    audit.slowest_heal = audit.slowest_heal.max(*millis);
                }
                Entry::RolledBack => rolled_back = true,
            }
        }
        let mut of_deaths: HashMap<u32, usize> = HashMap::new();
        for (jid, story) in &stories {
            audit.truth(jid, story, census, at_rest);
            *audit.histogram.entry(story.starts.len()).or_default() += 1;
            let sent = story.stored + story.unknown;
            let mut without_cause: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            let mut tries: BTreeMap<u32, Vec<(u32, Cause)>> = BTreeMap::new();
            for (run, _) in &story.starts {
                let cause = if rolled_back {
                    Some(Cause::RolledBack)
                } else if sent > 1 {
                    Some(Cause::EnqueuedAgain)
                } else if frozen.contains(&run.pid) {
                    Some(Cause::Frozen)
                } else if story.acks.contains(run) {
                    // The store has confirmed its end: nothing may bring it back.
                    None
                } else if killed.contains(&run.pid) {
                    Some(Cause::Died)
                } else if stopped.contains(&run.pid) && !story.ends.contains(run) {
                    Some(Cause::Stopped)
                } else {
                    None
                };
                match cause {
                    Some(cause) => tries.entry(run.attempt).or_default().push((run.pid, cause)),
                    None => without_cause.entry(run.attempt).or_default().push(run.pid),
                }
            }
            for (attempt, pids) in &without_cause {
                if pids.len() > 1 {
                    audit
                        .faults
                        .push(format!("I3 {jid} ran {} times as try {attempt} for no reason: {pids:?}", pids.len()));
                }
            }
            for (attempt, runs) in &tries {
                let last_is_here = !without_cause.contains_key(attempt);
                for (pid, cause) in runs.iter().skip(usize::from(last_is_here)) {
                    *audit.reruns.entry(*cause).or_default() += 1;
                    if *cause == Cause::Died {
                        *of_deaths.entry(*pid).or_default() += 1;
                    }
                }
            }
        }
        for (pid, jobs) in of_deaths {
            if jobs > per_death {
                audit.faults.push(format!("I3 {jobs} jobs ran again because {pid} died, of at most {per_death}"));
            }
        }
        for (jid, copies) in &census.copies {
            audit.dead += copies.iter().filter(|copy| copy.key == "dead").count();
            let allowed = stories.get(jid.as_str()).map_or(1, |story| (story.stored + story.unknown).max(1));
            if copies.len() > allowed {
                let keys: Vec<&str> = copies.iter().map(|copy| copy.key.as_str()).collect();
                audit.faults.push(format!("I2 {jid} is in {} places: {keys:?}", copies.len()));
            }
        }
        audit.faults.extend(census.limbo.iter().map(|limbo| format!("I4 {limbo}")));
        if at_rest {
            if !census.is_at_rest() {
                let (waiting, in_flight) = (census.waiting, census.in_flight);
                audit.faults.push(format!("I4 at rest {waiting} jobs wait and {in_flight} are in flight"));
            }
            let is_exact = !rolled_back && stories.values().all(|story| story.stored + story.unknown <= 1);
            if is_exact {
                audit.numbers(&stories, census);
            }
        }
        audit
    }

    /// I1, I6 and I10 of one job.
    fn truth(&mut self, jid: &str, story: &Story<'_>, census: &Census, at_rest: bool) {
        let copies = census.copies.get(jid).map_or(&[][..], Vec::as_slice);
        let is_dead = copies.iter().any(|copy| copy.key == "dead");
        let is_somewhere = is_dead || (!at_rest && !copies.is_empty());
        match story {
            Story { stored: 1.., .. } => self.enqueued.0 += 1,
            Story { unknown: 1.., .. } => self.enqueued.1 += 1,
            Story { rejected: 1.., .. } => self.enqueued.2 += 1,
            // Its producer was killed before it heard.
            _ => {}
        }
        if story.stored > 0 && story.succeeded.is_none() && !is_somewhere {
            self.faults.push(format!("I1 {jid} is lost: it was stored, and ran {} times", story.starts.len()));
        }
        let was_sent = story.stored + story.unknown > 0;
        if story.rejected > 0 && !was_sent && !(story.starts.is_empty() && copies.is_empty()) {
            self.faults.push(format!("I10 {jid} was rejected, and is there all the same"));
        }
        for (run, args) in &story.starts {
            if !story.intents.is_empty() && !story.intents.contains(args) {
                self.faults.push(format!("I6 {jid} got other arguments than it was given, as try {}", run.attempt));
            }
        }
    }

    /// I5: each try that was recorded counts once, and each that failed.
    fn numbers(&mut self, stories: &BTreeMap<&str, Story<'_>>, census: &Census) {
        let (mut processed, mut failed) = (0, 0);
        for (jid, story) in stories {
            let dead = census.copies.get(*jid).into_iter().flatten().find(|copy| copy.key == "dead");
            let (runs, failures) = match (dead, story.succeeded) {
                (Some(dead), _) => {
                    let runs = u64::from(dead.failures) + u64::from(dead.is_poison);
                    (runs, runs)
                }
                (None, Some(attempt)) => (u64::from(attempt), u64::from(attempt) - 1),
                (None, None) => (0, 0),
            };
            processed += runs;
            failed += failures;
        }
        if (processed, failed) != (census.processed, census.failed) {
            let found = (census.processed, census.failed);
            self.faults
                .push(format!("I5 counted (processed, failed) = {found:?}, and it was {:?}", (processed, failed)));
        }
    }

    /// Whether nothing is wrong.
    pub fn is_passed(&self) -> bool {
        self.faults.is_empty()
    }

    /// # Panics
    /// When something is wrong; the message is the report.
    #[expect(clippy::panic, reason = "a test that does not pass its audit has failed")]
    pub fn assert_passed(&self) {
        if !self.is_passed() {
            panic!("{self}");
        }
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stored, unknown, rejected) = self.enqueued;
        writeln!(f, "stored {stored}, unknown {unknown}, rejected {rejected}, dead {}", self.dead)?;
        let histogram: Vec<String> = self.histogram.iter().map(|(runs, jobs)| format!("{runs}x {jobs}")).collect();
        writeln!(f, "runs of a job: {}", histogram.join(", "))?;
        writeln!(f, "runs too many, by cause: {:?}", self.reruns)?;
        writeln!(f, "slowest heal {} ms, slowest exit {} ms", self.slowest_heal, self.slowest_exit)?;
        for fault in self.faults.iter().take(20) {
            writeln!(f, "FAULT {fault}")?;
        }
        match self.faults.len() {
            0 => write!(f, "passed"),
            faults => write!(f, "FAILED: {faults} faults"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(attempt: u32, pid: u32) -> Run {
        Run { jid: "a".to_owned(), attempt, pid }
    }

    fn stored() -> Entry {
        Entry::Stored { jid: "a".to_owned() }
    }

    fn start(pid: u32) -> Entry {
        Entry::Start { run: run(1, pid), args: 7 }
    }

    /// What an audit finds of a job that ran well in process 1, with more entries, and with a store that counted one run.
    fn faults(more: Vec<Entry>, change: impl FnOnce(&mut Census)) -> Vec<String> {
        let mut entries = vec![
            Entry::Intent { jid: "a".to_owned(), args: 7 },
            stored(),
            start(1),
            Entry::End { run: run(1, 1), ok: true },
            Entry::Ack { run: run(1, 1) },
        ];
        entries.extend(more);
        let mut census = Census { processed: 1, ..Census::default() };
        change(&mut census);
        Audit::of(&entries, &census, 0, true).faults
    }

    #[test]
    fn what_is_in_order_passes() {
        assert_eq!(faults(Vec::new(), |_| {}), [""; 0]);
    }

    /// Each invariant (I1 to I10), broken.
    #[test]
    fn every_planted_fault_is_found() {
        let found = |name: &str, more: Vec<Entry>, change: fn(&mut Census)| {
            let faults = faults(more, change);
            let [fault] = faults.as_slice() else { panic!("{name}: {faults:?}") };
            assert!(fault.starts_with(&format!("{name} ")), "{name}: {fault}");
        };
        let of_b = |entry: fn(String) -> Entry| vec![entry("b".to_owned())];
        found("I1", of_b(|jid| Entry::Stored { jid }), |_| {});
        found("I2", Vec::new(), |census| {
            for _ in 0..2 {
                census.copies.entry("c".to_owned()).or_default().push(Copy {
                    key: "dead".to_owned(),
                    failures: 0,
                    is_poison: false,
                });
            }
        });
        found("I3", vec![start(2)], |_| {});
        // It is known why, but the process was allowed none.
        found("I3", vec![start(2), Entry::Killed { pid: 2 }], |_| {});
        found("I4", Vec::new(), |census| census.limbo.push("planted".to_owned()));
        found("I4", Vec::new(), |census| census.waiting = 1);
        found("I5", Vec::new(), |census| census.processed = 2);
        found("I6", vec![Entry::Start { run: run(1, 1), args: 8 }, Entry::Frozen { pid: 1 }], |_| {});
        found("I7", vec![Entry::Healed { millis: HEALS_WITHIN + 1 }], |_| {});
        let exit = |code, millis| vec![Entry::Exited { pid: 1, code, millis, allowed: 1500 }];
        found("I9", exit(Some(0), 1501), |_| {});
        found("I9", exit(Some(1), 1500), |_| {});
        found("I9", exit(None, 1500), |_| {});
        let rejected = Entry::Rejected { jid: "b".to_owned() };
        let started = Entry::Start { run: Run { jid: "b".to_owned(), attempt: 1, pid: 1 }, args: 7 };
        found("I10", vec![rejected, started], |_| {});
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = crate::Ledger::open(&folder.path().join("ledger"));
        let entries = [
            Entry::Exited { pid: 1, code: Some(-3), millis: 4, allowed: 5 },
            Entry::Exited { pid: 1, code: None, millis: 4, allowed: 5 },
            Entry::Healed { millis: 6 },
            Entry::RolledBack,
        ];
        assert!(ledger.is_empty());
        entries.iter().for_each(|entry| ledger.note(entry));
        assert_eq!(ledger.entries(), entries);
        let len = ledger.len();
        ledger.note(&entries[2]);
        assert_eq!(ledger.entries_since(len), entries[2..3]);
    }
}
