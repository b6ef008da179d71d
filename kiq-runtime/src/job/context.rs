//! What a run is told: which job it is, which try, the shared state, and whether the worker is stopping.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::watch;

use super::jid::Jid;
use super::payload::Payload;
use super::state::State;
use super::{ArgsError, Job, args};

/// One run of a job. Cheap to clone; a parameter `cx: &JobContext` (or `cx: JobContext`) receives it.
///
/// # Examples
/// ```
/// use kiq::JobContext;
///
/// async fn reindex(cx: &JobContext) {
///     for page in 0..10_000 {
///         if cx.is_stopping() {
///             return; // a deploy: what is left is for another run
///         }
///         # let _ = page; break;
///     }
/// }
/// # let cx = JobContext::detached();
/// # drop(reindex(&cx));
/// ```
#[derive(Clone)]
pub struct JobContext(Arc<Run>);

struct Run {
    payload: Payload,
    queue: Arc<str>,
    state: State,
    timeout: Option<Duration>,
    stopping: watch::Receiver<bool>,
}

impl JobContext {
    /// The context of one run. `stopping` turns true when the worker stops taking jobs and waits for this one.
    pub fn new(
        payload: Payload,
        queue: impl Into<Arc<str>>,
        state: State,
        timeout: Option<Duration>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        JobContext(Arc::new(Run { payload, queue: queue.into(), state, timeout, stopping }))
    }

    /// A context of no worker, for a test that calls the job's function itself: class `Detached`, no arguments, no state,
    /// never stopping.
    pub fn detached() -> Self {
        let args = RawValue::from_string("[]".to_owned()).unwrap_or_default();
        let payload =
            Payload::new("Detached", &args, "default", Jid::random(), crate::clock::Timestamp::from_micros(0));
        JobContext::new(payload, "default", State::new(), None, watch::channel(false).1)
    }

    /// The job's id: the same on every try.
    pub fn jid(&self) -> &Jid {
        self.0.payload.jid()
    }

    /// The job's name.
    pub fn class(&self) -> &str {
        self.0.payload.class()
    }

    /// The queue it was taken from.
    pub fn queue(&self) -> &str {
        &self.0.queue
    }

    /// Which try this is, from 1. Runs that were interrupted (a deploy, a lost process) are not counted.
    pub fn attempt(&self) -> u32 {
        self.0.payload.failures().saturating_add(1)
    }

    /// The whole record of the job.
    pub fn payload(&self) -> &Payload {
        &self.0.payload
    }

    /// The worker's shared state.
    pub fn state(&self) -> &State {
        &self.0.state
    }

    /// How long this run may take, if there is a limit.
    pub fn timeout(&self) -> Option<Duration> {
        self.0.timeout
    }

    /// Whether the worker is stopping. A long job may then return early; one that is still running at the deadline is
    /// dropped where it awaits, and runs again from its start elsewhere.
    pub fn is_stopping(&self) -> bool {
        *self.0.stopping.borrow()
    }

    /// A key for an action of the outside world that must take effect once, to be sent along with it (Stripe's
    /// `Idempotency-Key` and its like): `CompleteOrder-order-1234`.
    ///
    /// It is the same in every attempt, and in every other job of this name that is about the same thing, so that one that was
    /// enqueued twice by mistake acts once. `about` and `id` together must tell the action apart: put the amount or a counter into
    /// `id` if the same thing is to happen more than once. Without a thing to name, the job's own id is one that is stable
    /// over retries: `cx.idempotency_key("job", cx.jid())`. The name is the one the job was stored under: while jobs of a former
    /// name (`aliases`) are still about, one and the same thing has a key under each.
    ///
    /// What is not a letter, a digit or one of `_ . : -` is written as `~` and two hex digits for each byte, so that no two ids
    /// make one key.
    ///
    /// # Examples
    /// ```
    /// use kiq::JobContext;
    ///
    /// let cx = JobContext::detached();
    /// assert_eq!(cx.idempotency_key("order", 1234), "Detached-order-1234");
    /// assert_eq!(cx.idempotency_key("mail", "ann@example.com"), "Detached-mail-ann~40example.com");
    /// ```
    pub fn idempotency_key(&self, about: &str, id: impl fmt::Display) -> String {
        let mut key = String::new();
        let id = id.to_string();
        for (at, part) in [self.class(), about, &id].into_iter().enumerate() {
            // A `-` within the first two would shift where the next begins.
            let may_hold_dash = at == 2;
            if at > 0 {
                key.push('-');
            }
            for byte in part.bytes() {
                match byte {
                    b'-' if !may_hold_dash => key.push_str("~2d"),
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b':' | b'-' => key.push(char::from(byte)),
                    other => key.push_str(&format!("~{other:02x}")),
                }
            }
        }
        key
    }

    /// Waits until the worker is stopping.
    ///
    /// # Cancel safety
    /// Nothing is lost when this is dropped.
    pub async fn stopping(&self) {
        let mut stopping = self.0.stopping.clone();
        if stopping.wait_for(|stopping| *stopping).await.is_err() {
            // Nobody is left to say so.
            std::future::pending::<()>().await;
        }
    }

    /// Whether it is a `J`, by its name. A payload stored under a former name (`aliases`) is not seen as one here.
    pub fn is<J: Job>(&self) -> bool {
        self.class() == J::NAME
    }

    /// The job as a value. If Rails enqueued it through ActiveJob, its arguments are those inside of the wrapper.
    ///
    /// # Errors
    /// When the stored arguments do not fit `J`.
    pub fn job<J: Job>(&self) -> Result<J, ArgsError> {
        match self.0.payload.wrapped().map(|job| job.plain()) {
            None => args::read(self.0.payload.args_text()),
            Some(Ok(args)) => J::from_args(&args),
            Some(Err(reason)) => Err(ArgsError::wrapped(J::NAME, reason)),
        }
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext")
            .field("class", &self.class())
            .field("jid", self.jid())
            .field("queue", &self.queue())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_things_have_different_keys() {
        let cx = JobContext::detached();
        let keys = [
            cx.idempotency_key("order", "1-2"),
            cx.idempotency_key("order-1", "2"),
            cx.idempotency_key("order", "1~2d2"),
            cx.idempotency_key("order", "ä"),
            cx.idempotency_key("order", "~c3~a4"),
            cx.idempotency_key("", "order-1-2"),
        ];
        let distinct: std::collections::HashSet<&String> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len(), "{keys:?}");
    }
}
