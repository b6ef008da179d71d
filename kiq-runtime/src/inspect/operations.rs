//! What people do to jobs: begun once, carried out in the background, seen by all, and taken back.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::broker::logbook::UNDO_AGE;
use crate::broker::manage::MOST_MOVES;
use crate::broker::{JobSet, Logged, Mark, Place, Restore, Restored};
use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::Jid;

use super::act::check;
use super::selection::Reader;
use super::{Act, ActError, Found, Inspector, Outcome, Selection};

/// The most jobs of an operation that can be taken back.
pub const MOST_UNDO: usize = 1000;

/// The most bytes of jobs that are kept for that.
pub const MOST_UNDO_BYTES: usize = 16 * 1024 * 1024;

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// An operation that runs and has not said so for longer was perhaps left by its program.
const SILENT: Duration = Duration::from_secs(30);

/// The id of an operation: 24 hex digits.
///
/// # Examples
/// ```
/// use kiq::inspect::OperationId;
///
/// let id = OperationId::random();
/// assert_eq!(id.to_string().parse(), Ok(id));
/// assert!("../retries".parse::<OperationId>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OperationId(String);

impl OperationId {
    /// A new one.
    pub fn random() -> Self {
        OperationId(Jid::random().as_str().to_owned())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no operation's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of an operation has 24 hex digits")]
pub struct NotAnOperationId;

impl FromStr for OperationId {
    type Err = NotAnOperationId;

    fn from_str(text: &str) -> Result<Self, NotAnOperationId> {
        let is_id = text.len() == 24 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_id.then(|| OperationId(text.to_owned())).ok_or(NotAnOperationId)
    }
}

/// Who does something, and why.
///
/// # Examples
/// ```
/// let by = kiq::inspect::By::new("ann").because("the provider is back");
/// assert_eq!((by.who(), by.reason()), ("ann", "the provider is back"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct By {
    who: String,
    reason: String,
}

impl By {
    /// By a name that colleagues know.
    pub fn new(who: impl Into<String>) -> Self {
        By { who: one_line(&who.into()), reason: String::new() }
    }

    /// Why, in one line: 500 characters are kept.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = one_line(&reason.into());
        self
    }

    /// The name.
    pub fn who(&self) -> &str {
        &self.who
    }

    /// The reason; empty for none.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Whatever is read line by line must not be told a second line by it.
fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_REASON).collect();
    line.trim().to_owned()
}

/// What somebody did, or does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// Who, and why.
    pub by: By,
    /// What: `retry`, `pause`.
    pub verb: String,
    /// Where to, if the verb does not say it: `to mail`.
    pub detail: String,
    /// The place whose jobs it is about; `None` if it is about none.
    pub place: Option<Place>,
    /// Which of them, or what else: a filter, `3 jobs`, a process.
    pub target: String,
    /// Jobs that failed or came later are left alone.
    pub as_of: Option<Timestamp>,
    /// So many at most.
    pub limit: Option<usize>,
    /// How many were counted before.
    pub expected: Option<usize>,
    /// When it began.
    pub began_at: Timestamp,
    /// When it was last told of.
    pub updated_at: Timestamp,
    /// How it is.
    pub state: OperationState,
    /// What was done up to now.
    pub outcome: Outcome,
    /// Jobs that can be put back, until ten minutes after they were moved.
    pub undoable: usize,
    /// Who took it back.
    pub undone: Option<Undone>,
}

/// How an operation is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OperationState {
    /// It runs.
    Running,
    /// Its program has not told of it for half a minute, and has perhaps ended. What was done is done; the same can be begun
    /// again.
    Silent,
    /// It was asked to stop, and will.
    Stopping,
    /// Somebody stopped it.
    Stopped,
    /// It is done.
    Done,
    /// The store refused, or did not answer. What was done is done.
    Failed(String),
}

impl OperationState {
    /// Whether it has come to an end.
    pub fn is_over(&self) -> bool {
        matches!(self, OperationState::Stopped | OperationState::Done | OperationState::Failed(_))
    }
}

/// That an operation was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// By whom.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Jobs that are where they were, as they were.
    pub restored: usize,
    /// Jobs that had gone on.
    pub missed: usize,
}

impl Operation {
    /// What it did, in one line: `retry: 238 done, 2 already gone`.
    pub fn summary(&self) -> String {
        let mut text = format!("{}: {} done", self.verb, self.outcome.done);
        for (number, words) in
            [(self.outcome.gone, "already gone"), (self.outcome.not_jobs, "are no jobs, left as they are")]
        {
            if number > 0 {
                text.push_str(&format!(", {number} {words}"));
            }
        }
        text
    }

    /// Until when it can be taken back, if that was kept.
    pub fn undo_until(&self) -> Timestamp {
        self.updated_at + UNDO_AGE
    }

    fn from_logged(logged: Logged, now: Timestamp) -> Option<Self> {
        let record: Record = serde_json::from_str(&logged.record).ok()?;
        let time = Timestamp::from_micros;
        let updated_at = time(record.updated_at);
        let state = match record.state.as_str() {
            "done" => OperationState::Done,
            "stopped" => OperationState::Stopped,
            "failed" => OperationState::Failed(record.fault.clone()),
            _ if now.since(updated_at) > SILENT => OperationState::Silent,
            _ if logged.is_told_to_stop => OperationState::Stopping,
            _ => OperationState::Running,
        };
        let undone = logged.undone_by.map(|by| Undone {
            by,
            at: logged.undone_at.unwrap_or(updated_at),
            restored: logged.restored,
            missed: logged.missed,
        });
        Some(Operation {
            id: logged.id.parse().ok()?,
            place: record.place(),
            by: By { who: record.who, reason: record.reason },
            verb: record.verb,
            detail: record.detail,
            target: record.target,
            as_of: record.as_of.map(time),
            limit: record.limit,
            expected: record.expected,
            began_at: time(record.began_at),
            updated_at,
            state,
            outcome: Outcome {
                done: logged.done.max(record.done),
                gone: logged.gone,
                not_jobs: record.not_jobs,
                read: record.read,
            },
            undoable: logged.kept,
            undone,
        })
    }
}

/// What the log keeps. Fields come, and none go: programs of other versions read it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Record {
    who: String,
    reason: String,
    verb: String,
    detail: String,
    queue: Option<String>,
    set: Option<String>,
    target: String,
    as_of: Option<i64>,
    limit: Option<usize>,
    expected: Option<usize>,
    began_at: i64,
    updated_at: i64,
    state: String,
    fault: String,
    /// Of what is no move of jobs.
    done: usize,
    not_jobs: usize,
    read: usize,
}

impl Record {
    fn new(by: By, verb: &str, place: Option<&Place>, target: &str, now: Timestamp) -> Self {
        Record {
            who: by.who,
            reason: by.reason,
            verb: verb.to_owned(),
            queue: place.and_then(|place| if let Place::Queue(name) = place { Some(name.clone()) } else { None }),
            set: place.and_then(|place| if let Place::Set(_) = place { Some(place.to_string()) } else { None }),
            target: one_line(target),
            began_at: now.as_micros(),
            updated_at: now.as_micros(),
            state: "running".to_owned(),
            ..Record::default()
        }
    }

    fn place(&self) -> Option<Place> {
        let set = self.set.as_deref();
        let is = |known: &JobSet| set == Some(Place::Set(*known).to_string().as_str());
        let set = JobSet::ALL.into_iter().find(is).map(Place::Set);
        set.or_else(|| self.queue.clone().map(Place::Queue))
    }

    fn as_json(&self) -> String {
        // A record of numbers and texts has a JSON.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What came of the wish to begin.
#[derive(Debug)]
pub enum Begun {
    /// It is in the log; whoever [finishes](Run::finish) it carries it out.
    New(Box<Run>),
    /// One of that id was begun before.
    Already(Box<Operation>),
}

/// An operation to be carried out: usually in a task of its own.
#[derive(Debug)]
#[must_use = "nothing is done before `finish`"]
pub struct Run {
    id: OperationId,
    act: Act,
    jobs: Jobs,
    record: Record,
    outcome: Outcome,
    /// Bytes of jobs that may yet be kept; `None` if it cannot be taken back.
    undo_bytes: Option<usize>,
    /// Whether jobs of a queue are met as they run, and not as they came.
    is_next_first: bool,
}

#[derive(Debug)]
enum Jobs {
    Matching(Selection),
    These(Inspector, Place, Vec<Found>),
}

impl Selection {
    /// Writes an operation on all these jobs into the log, for whoever finishes it. With the same `id` it is begun once. Up to
    /// 1,000 jobs and 16 MiB of them can be taken back for ten minutes: say how many were counted. In Redis: one script, O(1);
    /// if there is one of that id, two commands more.
    ///
    /// # Errors
    /// When it cannot be done there, or the store does not answer.
    pub async fn begin(&self, id: &OperationId, act: Act, by: By, expected: Option<usize>) -> Result<Begun, ActError> {
        check(&act, &self.place)?;
        let mut record = Record::new(by, act.verb(), Some(&self.place), &self.filter.to_string(), self.inspector.now());
        record.as_of = Some(self.as_of.as_micros());
        record.limit = (self.limit != usize::MAX).then_some(self.limit);
        record.expected = expected;
        begin(Jobs::Matching(self.clone()), id, act, record).await
    }
}

impl Inspector {
    /// The same on jobs that were found, all in one place: those that somebody ticked.
    ///
    /// # Errors
    /// As [`Selection::begin`].
    pub async fn begin_on(&self, id: &OperationId, found: Vec<Found>, act: Act, by: By) -> Result<Begun, ActError> {
        let place = found.first().map_or_else(|| Place::Queue(String::new()), |first| first.place.clone());
        if !found.is_empty() {
            check(&act, &place)?;
        }
        let target = match found.as_slice() {
            [only] if !only.jid().is_empty() => format!("{} {}", only.class(), only.jid()),
            several => format!("{} chosen jobs", several.len()),
        };
        let mut record = Record::new(by, act.verb(), Some(&place), &target, self.now());
        record.expected = Some(found.len());
        let found = found.into_iter().filter(|found| found.place == place).collect();
        begin(Jobs::These(self.clone(), place, found), id, act, record).await
    }

    /// Writes into the log what is no move of jobs: `pause`, of `queue mail`, and how many jobs it was done to. In Redis: one
    /// script, O(1).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn note(
        &self,
        by: By,
        verb: &str,
        place: Option<&Place>,
        target: &str,
        done: usize,
    ) -> Result<OperationId, BrokerError> {
        let id = OperationId::random();
        let mut record = Record::new(by, verb, place, target, self.now());
        (record.state, record.done) = ("done".to_owned(), done);
        self.broker.begin_operation(id.as_str(), self.now(), &record.as_json()).await?;
        Ok(id)
    }

    /// The newest operations, the last first; the log has 1,000 of the last 30 days. In Redis: one command and two for each,
    /// O(1) each.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn operations(&self, limit: usize) -> Result<Vec<Operation>, BrokerError> {
        let now = self.now();
        let logged = self.broker.operations(limit).await?;
        Ok(logged.into_iter().filter_map(|logged| Operation::from_logged(logged, now)).collect())
    }

    /// One operation; `None` if it is not in the log, or not any more. In Redis: two commands, O(1).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn operation(&self, id: &OperationId) -> Result<Option<Operation>, BrokerError> {
        let now = self.now();
        Ok(self.broker.operation(id.as_str()).await?.and_then(|logged| Operation::from_logged(logged, now)))
    }

    /// Has an operation stop within the next 500 entries. Answers `false` if there is none. In Redis: one script, O(1).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn stop_operation(&self, id: &OperationId) -> Result<bool, BrokerError> {
        self.broker.stop_operation(id.as_str()).await
    }

    /// Puts back what an operation moved, as it was and where it was: sets get the same bytes with the same times, a queue's jobs
    /// come to its end, where they are taken next. What has gone on meanwhile (a retried job that runs, say) stays where it is. Two who
    /// do this at once put each job back once. In Redis: two commands, and one script for each 100 jobs, O(jobs · log size); a
    /// job that went to a queue is looked for there, O(size).
    ///
    /// # Errors
    /// When there is nothing to take back, or the store does not answer.
    pub async fn undo(&self, id: &OperationId, who: &str) -> Result<Undone, UndoError> {
        let operation = self.operation(id).await?.ok_or(UndoError::Unknown)?;
        let place = operation.place.ok_or(UndoError::Nothing)?;
        if matches!(operation.state, OperationState::Running | OperationState::Stopping) {
            return Err(UndoError::Runs);
        }
        if operation.undoable == 0 {
            return Err(if operation.undone.is_some() { UndoError::Already } else { UndoError::Nothing });
        }
        let who = one_line(who);
        let mut undone = Undone { by: who.clone(), at: self.now(), restored: 0, missed: 0 };
        loop {
            let restore =
                Restore { operation: id.as_str(), place: &place, limit: MOST_MOVES, by: &who, at: self.now() };
            let Restored { restored, missed, left } = self.broker.restore(restore).await?;
            undone.restored += restored;
            undone.missed += missed;
            if left == 0 || restored + missed == 0 {
                return Ok(undone);
            }
        }
    }
}

/// An operation cannot be taken back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// It is not in the log.
    #[error("there is no such operation, or it is too long ago")]
    Unknown,
    /// It runs.
    #[error("it still runs; stop it first")]
    Runs,
    /// Nothing was kept of it.
    #[error(
        "nothing of it can be taken back: it moved no jobs, or more than 1,000, or that was more than ten minutes ago"
    )]
    Nothing,
    /// It was taken back.
    #[error("it was taken back already")]
    Already,
    /// The store did not answer; what was put back is back.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

async fn begin(jobs: Jobs, id: &OperationId, act: Act, mut record: Record) -> Result<Begun, ActError> {
    record.detail = act.detail();
    let inspector = jobs.inspector();
    if !inspector.broker.begin_operation(id.as_str(), inspector.now(), &record.as_json()).await? {
        // One that has left the log between the two questions is begun by nobody: that is said as what it is.
        return match inspector.operation(id).await? {
            Some(operation) => Ok(Begun::Already(Box::new(operation))),
            None => Err(ActError::Broker(BrokerError::Unsupported {
                server: inspector.store(),
                reason: format!("the operation {id} is in the log and cannot be read; choose the jobs once more"),
            })),
        };
    }
    let is_few = record.expected.is_none_or(|jobs| jobs <= MOST_UNDO);
    let undo_bytes = (is_few && act.has_undo()).then_some(MOST_UNDO_BYTES);
    let is_next_first = record.limit.is_some() || matches!(jobs, Jobs::These(..));
    let run = Run { id: id.clone(), act, jobs, record, outcome: Outcome::default(), undo_bytes, is_next_first };
    Ok(Begun::New(Box::new(run)))
}

impl Jobs {
    fn inspector(&self) -> &Inspector {
        match self {
            Jobs::Matching(selection) => &selection.inspector,
            Jobs::These(inspector, ..) => inspector,
        }
    }
}

impl Run {
    /// Its id.
    pub fn id(&self) -> &OperationId {
        &self.id
    }

    /// Carries it out. In Redis: reading as for [`Selection::count`], one script for each 100 jobs, each O(jobs · log size), for a
    /// queue O(jobs · size); and three commands for 500 entries that are read, O(1).
    ///
    /// What was done is counted and kept in the same step as it is done: if the program ends before, the log tells how far it
    /// came, and each job is in one place.
    ///
    /// # Errors
    /// When the store does not answer; the log says so, if it can.
    ///
    /// # Cancel safety
    /// What was done up to then is done.
    pub async fn finish(self) -> Result<Operation, ActError> {
        self.finish_telling(|_| {}).await
    }

    /// The same, and tells after each 500 entries how far it is.
    ///
    /// # Errors
    /// As [`finish`](Run::finish).
    pub async fn finish_telling(mut self, mut tell: impl FnMut(&Outcome)) -> Result<Operation, ActError> {
        let inspector = self.jobs.inspector().clone();
        let state = match self.carry_out(&inspector, &mut tell).await {
            Ok(true) => "done",
            Ok(false) => "stopped",
            Err(error) => {
                (self.record.state, self.record.fault) = ("failed".to_owned(), error.to_string());
                // If this fails too, the operation falls silent, and its page says so.
                let _ = self.update(&inspector).await;
                return Err(error.into());
            }
        };
        self.record.state = state.to_owned();
        self.update(&inspector).await?;
        tracing::info!(
            target: "kiq::audit", operation = self.id.as_str(), operator = self.record.who, verb = self.record.verb,
            on = self.record.target, reason = self.record.reason, state, done = self.outcome.done, gone = self.outcome.gone,
            "an operation has ended"
        );
        let known = inspector.operation(&self.id).await?;
        known.ok_or_else(|| {
            let reason = format!("operation {} was removed from the log while it ran", self.id);
            ActError::Broker(BrokerError::Unsupported { server: inspector.store(), reason })
        })
    }

    /// Answers `false` if somebody has stopped it.
    async fn carry_out(&mut self, inspector: &Inspector, tell: &mut impl FnMut(&Outcome)) -> Result<bool, BrokerError> {
        match std::mem::replace(&mut self.jobs, Jobs::These(inspector.clone(), Place::Queue(String::new()), Vec::new()))
        {
            Jobs::These(_, place, found) => {
                self.do_some(inspector, &place, &found, usize::MAX).await?;
                tell(&self.outcome);
                Ok(true)
            }
            Jobs::Matching(selection) => {
                let mut reader = Reader::new(&selection);
                while self.outcome.done < selection.limit {
                    if !self.update(inspector).await? {
                        return Ok(false);
                    }
                    let Some(found) = reader.next().await? else { break };
                    let before = self.outcome.done;
                    self.do_some(inspector, &selection.place, &found, selection.limit).await?;
                    reader.removed(self.outcome.done - before);
                    self.outcome.read = reader.read;
                    tell(&self.outcome);
                }
                Ok(true)
            }
        }
    }

    /// By the hundred, until `limit` are done.
    async fn do_some(
        &mut self,
        inspector: &Inspector,
        place: &Place,
        found: &[Found],
        limit: usize,
    ) -> Result<(), BrokerError> {
        for some in found.chunks(MOST_MOVES) {
            let left = limit.saturating_sub(self.outcome.done);
            let mut some = some.get(..left.min(some.len())).unwrap_or_default().to_vec();
            if self.is_next_first && matches!(place, Place::Queue(_)) {
                // They are kept as they lie in the queue, so that they come back as they lay.
                some.reverse();
            }
            self.spend_undo(inspector, &some).await?;
            let mark = Mark { operation: self.id.as_str(), keeps_undo: self.undo_bytes.is_some() };
            let acted = inspector.act_on(place, &some, &self.act, Some(mark)).await?;
            self.outcome.add(&acted);
        }
        Ok(())
    }

    /// What cannot be taken back as a whole is not kept in part.
    async fn spend_undo(&mut self, inspector: &Inspector, some: &[Found]) -> Result<(), BrokerError> {
        let Some(left) = self.undo_bytes else { return Ok(()) };
        let bytes: usize = some.iter().map(|found| found.bytes.len()).sum();
        let is_few = self.outcome.done + some.len() <= MOST_UNDO;
        self.undo_bytes = left.checked_sub(bytes).filter(|_| is_few);
        match self.undo_bytes {
            Some(_) => Ok(()),
            None => inspector.broker.forget_undo(self.id.as_str()).await,
        }
    }

    /// Answers `false` if somebody wants it stopped.
    async fn update(&mut self, inspector: &Inspector) -> Result<bool, BrokerError> {
        self.record.updated_at = inspector.now().as_micros();
        (self.record.not_jobs, self.record.read) = (self.outcome.not_jobs, self.outcome.read);
        inspector.broker.update_operation(self.id.as_str(), &self.record.as_json()).await
    }
}
