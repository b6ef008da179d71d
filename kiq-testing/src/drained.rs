//! What ran in a drain, and how it ended.

use std::fmt;

use kiq_runtime::Timestamp;
use kiq_runtime::events::{Event, FailureReport, Next};
use kiq_runtime::job::{ArgsError, Jid, Job, Payload};

/// The runs of a drain, in order.
#[derive(Clone, Debug, Default)]
pub struct Drained {
    runs: Vec<Run>,
}

/// One run of one job.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run {
    /// When, by the test's clock.
    pub at: Timestamp,
    /// The queue it was taken from.
    pub queue: String,
    /// The job as it was taken; `None` when it was no job.
    pub payload: Option<Payload>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a run ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Well.
    Done,
    /// It failed, and is tried again.
    Retry {
        /// When.
        at: Timestamp,
        /// What failed.
        error: FailureReport,
    },
    /// It failed for good, and is kept among the dead.
    Dead {
        /// What failed.
        error: FailureReport,
    },
    /// It failed, and nothing of it is kept.
    Discarded {
        /// What failed.
        error: FailureReport,
    },
    /// It was not run: it was no job, or poison.
    NotRun {
        /// Why.
        reason: String,
    },
    /// Somebody else had it by then.
    TakenOver,
}

impl Outcome {
    /// What failed, if anything did.
    pub fn error(&self) -> Option<&FailureReport> {
        match self {
            Outcome::Retry { error, .. } | Outcome::Dead { error } | Outcome::Discarded { error } => Some(error),
            _ => None,
        }
    }
}

impl Run {
    pub(crate) fn new(at: Timestamp, queue: &str, bytes: &[u8], event: Option<Event>) -> Self {
        let outcome = match event {
            Some(Event::Done { .. }) => Outcome::Done,
            Some(Event::Failed { error, next: Next::Retry { at }, .. }) => Outcome::Retry { at, error },
            Some(Event::Failed { error, next: Next::Dead, .. }) => Outcome::Dead { error },
            Some(Event::Failed { error, next: Next::Discarded, .. }) => Outcome::Discarded { error },
            Some(Event::NotAJob { reason, .. }) => Outcome::NotRun { reason },
            Some(Event::Poison { .. }) => Outcome::NotRun { reason: "poison".to_owned() },
            _ => Outcome::TakenOver,
        };
        Run { at, queue: queue.to_owned(), payload: Payload::parse(bytes).ok(), outcome }
    }

    /// The job's class; empty when it was no job.
    pub fn class(&self) -> &str {
        self.payload.as_ref().map_or("", Payload::class)
    }

    /// The job's id.
    pub fn jid(&self) -> Option<&Jid> {
        self.payload.as_ref().map(Payload::jid)
    }

    /// Which try it was, from 1.
    pub fn attempt(&self) -> u32 {
        self.payload.as_ref().map_or(1, |payload| payload.failures().saturating_add(1))
    }

    /// The job as a value; `None` when it was no `J`.
    ///
    /// # Errors
    /// When its arguments do not fit `J`.
    pub fn job<J: Job>(&self) -> Result<Option<J>, ArgsError> {
        let of_class = self.payload.as_ref().filter(|payload| payload.class() == J::NAME);
        of_class.map(|payload| J::from_args(payload.args())).transpose()
    }
}

impl Drained {
    pub(crate) fn of(run: Run) -> Self {
        Drained { runs: vec![run] }
    }

    pub(crate) fn add(&mut self, run: Run) {
        self.runs.push(run);
    }

    /// All runs, in order.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// How many runs ended well.
    pub fn performed(&self) -> usize {
        self.runs.iter().filter(|run| matches!(run.outcome, Outcome::Done)).count()
    }

    /// How many runs of one kind there were, whatever their end.
    pub fn count<J: Job>(&self) -> usize {
        self.runs.iter().filter(|run| run.class() == J::NAME).count()
    }

    /// The runs that did not end well.
    pub fn failures(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| !matches!(run.outcome, Outcome::Done | Outcome::TakenOver))
    }

    pub(crate) fn told_as_failure(&self) -> String {
        let Some((last, before)) = self.runs.split_last() else { return "nothing ran".to_owned() };
        let more = match before.len() {
            0 => String::new(),
            count => format!("; {count} ran before it"),
        };
        format!("{last}{more}")
    }

    pub(crate) fn told_as_endless(&self, limit: usize) -> String {
        let mut kinds: Vec<(&str, usize)> = Vec::new();
        for run in self.runs.iter().rev().take(100) {
            match kinds.iter_mut().find(|(class, _)| *class == run.class()) {
                Some((_, count)) => *count += 1,
                None => kinds.push((run.class(), 1)),
            }
        }
        let kinds: Vec<String> = kinds.iter().map(|(class, count)| format!("{count} × {class}")).collect();
        format!(
            "{limit} jobs ran and there is no end: of the last 100 there were {}; does one enqueue itself for ever? (`.limit(…)` \
             allows more)",
            kinds.join(", ")
        )
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args = self.payload.as_ref().map_or("[]", |payload| payload.args().get());
        let args = args.strip_prefix('[').and_then(|args| args.strip_suffix(']')).unwrap_or(args);
        write!(f, "{}({args}), try {}, ", self.class(), self.attempt())?;
        match &self.outcome {
            Outcome::Done => write!(f, "done"),
            Outcome::Retry { at, error } => {
                write!(f, "failed: {}: {}; it would be tried again at {at}", error.class, error.message)
            }
            Outcome::Dead { error } => write!(f, "failed for good: {}: {}; it is dead", error.class, error.message),
            Outcome::Discarded { error } => write!(f, "failed: {}: {}; nothing is kept", error.class, error.message),
            Outcome::NotRun { reason } => write!(f, "was not run: {reason}"),
            Outcome::TakenOver => write!(f, "was taken over"),
        }
    }
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.runs.iter().try_for_each(|run| writeln!(f, "{} {run}", run.at))
    }
}
