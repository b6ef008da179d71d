//! What `#[job(…)]` may set, and the defaults.

use std::time::Duration;

/// Retries when a job does not say: as Sidekiq's `max_retries`, about 20 days.
pub const DEFAULT_RETRIES: u32 = 25;

/// The most retries a job may ask for. The back-off of the thousandth is some 31,000 years away.
pub const MAX_RETRIES: u32 = 1000;

/// The queue of a job that names none.
pub const DEFAULT_QUEUE: &str = "default";

/// The longest time a job may ask to be retried for: Sidekiq refuses more as "not a relative time".
pub const MAX_RETRY_FOR: Duration = Duration::from_secs(1_000_000_000);

/// The longest queue name, in bytes.
pub const MAX_QUEUE_NAME: usize = 128;

/// How often, or how long, a failed job is tried again. On the wire these are the fields `retry` and `retry_for`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// `true`: as many times as the worker's default says ([`DEFAULT_RETRIES`]).
    #[default]
    Default,
    /// A count: `n` retries, so `n + 1` runs. `Max(0)` sends the first failure to the dead set.
    Max(u32),
    /// `false`: the first failure ends the job, and it leaves nothing in Redis.
    Never,
    /// As often as fits into this time after the first failure, whatever the count: whole seconds, up to
    /// [`MAX_RETRY_FOR`].
    For(Duration),
}

/// What becomes of a job whose stored arguments do not fit its function: too few or too many, or of another type. It was
/// never begun and spends no side effect, so what it says of `retry = false` and `dead = false` does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnArgError {
    /// It is retried like after any failure: a deploy may be under way, and another process may know the arguments.
    #[default]
    Retry,
    /// It goes to the dead set at once, for a human: where no deploy ever changes the arguments, waiting helps nobody.
    Dead,
}

/// The options fixed where the job is defined. An enqueue may override some of them.
///
/// # Examples
/// ```
/// use kiq::{JobOptions, Retry};
///
/// const OPTIONS: JobOptions = JobOptions::new().queue("high").retry(Retry::Max(20));
/// assert_eq!(OPTIONS.queue, "high");
/// assert!(OPTIONS.dead);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobOptions {
    /// The queue. Default: `"default"`.
    pub queue: &'static str,
    /// The retries. Default: [`Retry::Default`].
    pub retry: Retry,
    /// The queue that retries go to. Default: the one the job was taken from.
    pub retry_queue: Option<&'static str>,
    /// Whether a job that used up its retries is kept in the dead set. Default: `true`.
    pub dead: bool,
    /// What becomes of a job whose stored arguments do not fit. Default: [`OnArgError::Retry`].
    pub on_arg_error: OnArgError,
    /// How long one run may take; a longer one is stopped and counts as a failure. Default: no limit.
    pub timeout: Option<Duration>,
    /// Labels shown beside the job. Default: none.
    pub tags: &'static [&'static str],
}

impl JobOptions {
    /// The defaults: queue `default`, 25 retries (also of arguments that do not fit), kept when dead, no time limit, no tags.
    pub const fn new() -> Self {
        JobOptions {
            queue: DEFAULT_QUEUE,
            retry: Retry::Default,
            retry_queue: None,
            dead: true,
            on_arg_error: OnArgError::Retry,
            timeout: None,
            tags: &[],
        }
    }

    /// Sets the queue.
    ///
    /// # Panics
    /// When the name breaks [`queue_name_fault`]'s rule; in a `const`, that is a compile error.
    #[must_use]
    #[expect(clippy::panic, reason = "runs in a const: the panic is the compile error the user reads")]
    pub const fn queue(mut self, queue: &'static str) -> Self {
        if let Some(fault) = queue_name_fault(queue) {
            panic!("{}", fault)
        }
        self.queue = queue;
        self
    }

    /// Sets the retries.
    ///
    /// # Panics
    /// When a [`Retry::For`] is longer than [`MAX_RETRY_FOR`] or not in whole seconds; in a `const`, that is a compile
    /// error.
    #[must_use]
    #[expect(clippy::panic, reason = "runs in a const: the panic is the compile error the user reads")]
    pub const fn retry(mut self, retry: Retry) -> Self {
        if let Retry::For(time) = retry
            && let Some(fault) = retry_for_fault(time)
        {
            panic!("{}", fault)
        }
        self.retry = retry;
        self
    }

    /// Sets the queue that retries go to.
    ///
    /// # Panics
    /// As [`queue`](Self::queue).
    #[must_use]
    #[expect(clippy::panic, reason = "runs in a const: the panic is the compile error the user reads")]
    pub const fn retry_queue(mut self, queue: &'static str) -> Self {
        if let Some(fault) = queue_name_fault(queue) {
            panic!("{}", fault)
        }
        self.retry_queue = Some(queue);
        self
    }

    /// Sets whether the job is kept in the dead set at its end.
    #[must_use]
    pub const fn dead(mut self, dead: bool) -> Self {
        self.dead = dead;
        self
    }

    /// Sets what becomes of a job whose stored arguments do not fit.
    #[must_use]
    pub const fn on_arg_error(mut self, choice: OnArgError) -> Self {
        self.on_arg_error = choice;
        self
    }

    /// Sets the time limit of one run.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the labels.
    #[must_use]
    pub const fn tags(mut self, tags: &'static [&'static str]) -> Self {
        self.tags = tags;
        self
    }
}

impl Default for JobOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What is wrong with a queue name, or `None`: 1 to 128 of the characters `A-Z a-z 0-9 _ . : -`.
///
/// Those are the names Sidekiq's pages have URLs for (wire: others answer 404).
pub const fn queue_name_fault(name: &str) -> Option<&'static str> {
    let bytes = name.as_bytes();
    if bytes.is_empty() {
        return Some("queue name must not be empty");
    }
    if bytes.len() > MAX_QUEUE_NAME {
        return Some("queue name must not be longer than 128 bytes");
    }
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        match first {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b':' | b'-' => rest = tail,
            b' ' => return Some("queue name must not contain ' '"),
            _ => return Some("queue name may only hold letters, digits and the characters _ . : -"),
        }
    }
    None
}

/// What is wrong with a time to retry for, or `None`: whole seconds, 1 to 1,000,000,000.
pub const fn retry_for_fault(time: Duration) -> Option<&'static str> {
    if time.is_zero() {
        return Some("`retry_for` must be longer than zero");
    }
    if time.subsec_nanos() != 0 {
        return Some("`retry_for` counts whole seconds");
    }
    if time.as_secs() > MAX_RETRY_FOR.as_secs() {
        return Some("`retry_for` may be at most 1000000000 seconds");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_names_follow_what_sidekiqs_pages_can_show() {
        for good in ["default", "high", "a", "A-Z_0.9:x", &"q".repeat(128)] {
            assert_eq!(queue_name_fault(good), None, "{good}");
        }
        for bad in ["", "very high", "a/b", "naïve", "a\n", &"q".repeat(129)] {
            assert!(queue_name_fault(bad).is_some(), "{bad}");
        }
    }
}
