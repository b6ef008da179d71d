//! What processes were asked to do from here, until they have done it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kiq_runtime::Timestamp;
use kiq_runtime::inspect::{ProcessState, Signal};

use crate::view::span;

/// A process hears of it with its next heartbeat, 10 s at most; one that has not by then does not hear.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was done is told for so long.
const REMEMBERED: Duration = Duration::from_secs(600);

/// What processes were asked to do from here.
#[derive(Default)]
pub(crate) struct Asked(Mutex<BTreeMap<String, (Signal, Timestamp)>>);

/// How far a process is with what it was asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// `quiet asked 3 s ago …`
    pub(crate) text: String,
    /// It should have been done by now.
    pub(crate) is_late: bool,
}

impl Asked {
    pub(crate) fn note(&self, identity: &str, signal: Signal, at: Timestamp) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, (_, asked_at)| at.since(*asked_at) < REMEMBERED);
        asked.insert(identity.to_owned(), (signal, at));
    }

    /// Of a process that is there.
    pub(crate) fn progress(&self, process: &ProcessState, now: Timestamp) -> Option<Progress> {
        let asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (signal, at) = *asked.get(&process.identity)?;
        let since = now.since(at);
        let verb = if signal == Signal::Stop { "stop" } else { "quiet" };
        let progress = |text, is_late| Some(Progress { text, is_late });
        match signal {
            _ if since > REMEMBERED => None,
            Signal::Quiet if process.is_quiet => progress(format!("quiet ✓ asked {} ago", span(since)), false),
            // A process that stops is quiet first, and ends its jobs.
            Signal::Stop if process.is_quiet => progress(format!("stopping, asked {} ago …", span(since)), false),
            _ if since > PATIENCE => progress(format!("{verb} asked {} ago, no answer ▲", span(since)), true),
            _ => progress(format!("{verb} asked {} ago …", span(since)), false),
        }
    }

    /// Of those that were asked to stop and are gone.
    pub(crate) fn stopped(&self, processes: &[ProcessState], now: Timestamp) -> Vec<String> {
        let asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = asked.iter().filter(|(identity, (signal, at))| {
            *signal == Signal::Stop
                && now.since(*at) < REMEMBERED
                && processes.iter().all(|process| process.identity != **identity)
        });
        gone.map(|(identity, (_, at))| format!("{identity} stopped ✓ asked {} ago", span(now.since(*at)))).collect()
    }
}
