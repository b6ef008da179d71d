//! What producers, workers and whoever kills them write down, in files of this machine and never in Redis.

use std::collections::hash_map::DefaultHasher;
use std::fs::{File, OpenOptions};
use std::hash::{Hash as _, Hasher as _};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

/// How long a test waits for an entry before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// One line of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entry {
    /// A producer is about to enqueue a job whose arguments have that [`digest`](Ledger::digest).
    Intent {
        /// The job.
        jid: String,
        /// Its arguments.
        args: u64,
    },
    /// It is stored.
    Stored {
        /// The job.
        jid: String,
    },
    /// It is certainly not stored.
    Rejected {
        /// The job.
        jid: String,
    },
    /// Nobody knows whether it is stored.
    Unknown {
        /// The job.
        jid: String,
    },
    /// A run has begun.
    Start {
        /// The run.
        run: Run,
        /// The arguments it was given.
        args: u64,
    },
    /// The job's function has ended.
    End {
        /// The run.
        run: Run,
        /// Whether it succeeded.
        ok: bool,
    },
    /// The store has confirmed what became of it.
    Ack {
        /// The run.
        run: Run,
    },
    /// A process was killed, or killed itself.
    Killed {
        /// The process.
        pid: u32,
    },
    /// A process was stopped, starved or cut off for longer than its lease.
    Frozen {
        /// The process.
        pid: u32,
    },
    /// A process was told to stop and has given back what still ran.
    Stopped {
        /// The process.
        pid: u32,
    },
    /// A process was told to stop, and ended by itself.
    Exited {
        /// The process.
        pid: u32,
        /// Its exit code; `None` when a signal ended it.
        code: Option<i32>,
        /// Milliseconds from the signal to its end.
        millis: u64,
        /// The most it may have taken.
        allowed: u64,
    },
    /// A mishap was over, and a job enqueued then was done.
    Healed {
        /// Milliseconds from the end of the mishap to the end of that job.
        millis: u64,
    },
    /// The store went back to an older state.
    RolledBack,
}

/// One run of a job.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Run {
    /// The job.
    pub jid: String,
    /// Which try it is, from 1.
    pub attempt: u32,
    /// The process.
    pub pid: u32,
}

impl Run {
    /// A run in this process.
    pub fn here(jid: &str, attempt: u32) -> Self {
        Run { jid: jid.to_owned(), attempt, pid: std::process::id() }
    }
}

impl Entry {
    fn to_line(&self) -> String {
        let of = |run: &Run| format!("{} {} {}", run.jid, run.attempt, run.pid);
        match self {
            Entry::Intent { jid, args } => format!("INTENT {jid} {args}\n"),
            Entry::Stored { jid } => format!("STORED {jid}\n"),
            Entry::Rejected { jid } => format!("REJECTED {jid}\n"),
            Entry::Unknown { jid } => format!("UNKNOWN {jid}\n"),
            Entry::Start { run, args } => format!("START {} {args}\n", of(run)),
            Entry::End { run, ok } => format!("END {} {ok}\n", of(run)),
            Entry::Ack { run } => format!("ACK {}\n", of(run)),
            Entry::Killed { pid } => format!("KILLED {pid}\n"),
            Entry::Frozen { pid } => format!("FROZEN {pid}\n"),
            Entry::Stopped { pid } => format!("STOPPED {pid}\n"),
            Entry::Exited { pid, code, millis, allowed } => {
                format!("EXITED {pid} {} {millis} {allowed}\n", code.map_or("-".to_owned(), |code| code.to_string()))
            }
            Entry::Healed { millis } => format!("HEALED {millis}\n"),
            Entry::RolledBack => "ROLLEDBACK\n".to_owned(),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let run = |jid: &str, attempt: &str, pid: &str| {
            Some(Run { jid: jid.to_owned(), attempt: attempt.parse().ok()?, pid: pid.parse().ok()? })
        };
        Some(match words.as_slice() {
            ["INTENT", jid, args] => Entry::Intent { jid: (*jid).to_owned(), args: args.parse().ok()? },
            ["STORED", jid] => Entry::Stored { jid: (*jid).to_owned() },
            ["REJECTED", jid] => Entry::Rejected { jid: (*jid).to_owned() },
            ["UNKNOWN", jid] => Entry::Unknown { jid: (*jid).to_owned() },
            ["START", jid, attempt, pid, args] => {
                Entry::Start { run: run(jid, attempt, pid)?, args: args.parse().ok()? }
            }
            ["END", jid, attempt, pid, ok] => Entry::End { run: run(jid, attempt, pid)?, ok: ok.parse().ok()? },
            ["ACK", jid, attempt, pid] => Entry::Ack { run: run(jid, attempt, pid)? },
            ["KILLED", pid] => Entry::Killed { pid: pid.parse().ok()? },
            ["FROZEN", pid] => Entry::Frozen { pid: pid.parse().ok()? },
            ["STOPPED", pid] => Entry::Stopped { pid: pid.parse().ok()? },
            ["EXITED", pid, code, millis, allowed] => Entry::Exited {
                pid: pid.parse().ok()?,
                code: if *code == "-" { None } else { Some(code.parse().ok()?) },
                millis: millis.parse().ok()?,
                allowed: allowed.parse().ok()?,
            },
            ["HEALED", millis] => Entry::Healed { millis: millis.parse().ok()? },
            ["ROLLEDBACK"] => Entry::RolledBack,
            _ => return None,
        })
    }
}

/// A file that any number of processes append to. Each entry is one `write`, so a process that is killed leaves whole lines,
/// and what it wrote before it died is there.
///
/// # Examples
/// ```
/// use kiq_testing::{Entry, Ledger};
///
/// let folder = tempfile::tempdir()?;
/// let ledger = Ledger::open(&folder.path().join("ledger"));
/// ledger.note(&Entry::Stored { jid: "a1".to_owned() });
/// assert_eq!(ledger.entries(), [Entry::Stored { jid: "a1".to_owned() }]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Ledger {
    file: File,
    path: std::path::PathBuf,
}

impl Ledger {
    /// Opens the file at `path`, or makes it.
    ///
    /// # Panics
    /// When it cannot be written.
    #[expect(clippy::panic, reason = "a test without its ledger has failed")]
    pub fn open(path: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.unwrap_or_else(|error| panic!("no ledger at {}: {error}", path.display()));
        Ledger { file, path: path.to_owned() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one entry.
    ///
    /// # Panics
    /// When it cannot be written.
    #[expect(clippy::panic, reason = "a test without its ledger has failed")]
    pub fn note(&self, entry: &Entry) {
        // Append mode: one write is one line, whoever else writes.
        if let Err(error) = (&self.file).write_all(entry.to_line().as_bytes()) {
            panic!("the ledger {} cannot be written: {error}", self.path.display());
        }
    }

    /// Everything in it, in the order it was written, whoever wrote it.
    ///
    /// # Panics
    /// When it cannot be read, or holds what is no entry.
    pub fn entries(&self) -> Vec<Entry> {
        self.entries_since(0)
    }

    /// How long the file is, in bytes: where the next entry will begin.
    ///
    /// # Panics
    /// When it cannot be read.
    #[expect(clippy::panic, reason = "a test without its ledger has failed")]
    pub fn len(&self) -> u64 {
        let found = self.file.metadata();
        found.unwrap_or_else(|error| panic!("the ledger {} cannot be read: {error}", self.path.display())).len()
    }

    /// Whether nothing was written yet.
    ///
    /// # Panics
    /// As [`len`](Ledger::len).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was written after it was so [long](Ledger::len).
    ///
    /// # Panics
    /// As [`entries`](Ledger::entries).
    #[expect(clippy::panic, reason = "a test without its ledger has failed")]
    pub fn entries_since(&self, len: u64) -> Vec<Entry> {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(len))?;
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            Ok(text)
        };
        let text = read().unwrap_or_else(|error| panic!("the ledger {} cannot be read: {error}", self.path.display()));
        // A line without its end is being written.
        let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
        let parse = |line: &str| Entry::parse(line).unwrap_or_else(|| panic!("no entry of a ledger: {line:?}"));
        whole.lines().map(parse).collect()
    }

    /// Returns when `enough` says so of what is in it, which it answers.
    ///
    /// # Panics
    /// When that does not come to be within a minute.
    #[expect(clippy::panic, reason = "a test that waits in vain has failed")]
    pub async fn until(&self, enough: impl Fn(&[Entry]) -> bool) -> Vec<Entry> {
        let come = async {
            loop {
                let entries = self.entries();
                if enough(&entries) {
                    return entries;
                }
                // Another process writes it, and there is nothing to wait on but the file.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, come).await {
            Ok(entries) => entries,
            Err(_) => {
                let entries = self.entries();
                let last = entries.get(entries.len().saturating_sub(20)..);
                panic!("the ledger did not come to it within {PATIENCE:?}; its last entries: {last:#?}");
            }
        }
    }

    /// A number for the text of arguments, the same in every process of one program.
    pub fn digest(args: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        args.hash(&mut hasher);
        hasher.finish()
    }
}
