//! A failure → retry at a time, die, or be discarded. Arithmetic only: the caller brings the time and the dice.
//!
//! The steps are Sidekiq's (wire: `job_retry.rb`), field by field, so that Ruby can take over a job that failed here.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::job::options::{DEFAULT_RETRIES, queue_name_fault};
use crate::job::{Disposition, Failure, JobOptions, Payload, Retry, RetryIn};

/// What becomes of a job that failed.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is tried again.
    Retry {
        /// The payload with the failure written into it.
        payload: String,
        /// When.
        at: Timestamp,
    },
    /// It used up its retries and is kept among the dead.
    Dead {
        /// The payload with the failure written into it.
        payload: String,
    },
    /// It used up its retries and nothing of it is kept: `retry = false`, or `dead = false` at its end.
    Dropped,
    /// It is given up and nothing of it is kept: the error is one to discard, or `retry_in` said so.
    Discard,
}

/// How long to wait before the next try.
///
/// # Examples
/// ```
/// use kiq::Backoff;
/// use std::time::Duration;
///
/// assert_eq!(Backoff::Sidekiq.delay(3, |_| 0), Duration::from_secs(3 * 3 * 3 * 3 + 15));
/// let quick = Backoff::custom(|retry| Duration::from_millis(100) * (retry + 1));
/// assert_eq!(quick.delay(1, |_| 0), Duration::from_millis(200));
/// ```
#[derive(Clone, Default)]
pub enum Backoff {
    /// `retry⁴ + 15` seconds and a random 0 to `10 × (retry + 1) − 1` more: 25 retries take about 20 days. The formula and
    /// the jitter of Sidekiq 8.
    #[default]
    Sidekiq,
    /// A function of the number of retries so far (0 before the first); its answer is taken as it is.
    Custom(Arc<dyn Fn(u32) -> Duration + Send + Sync>),
}

impl Backoff {
    /// A function of the number of retries so far (0 before the first). Add your own jitter.
    pub fn custom(delay: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        Backoff::Custom(Arc::new(delay))
    }

    /// The wait before retry number `retry` (0 is the first). `below(n)` is a random whole number below `n`.
    pub fn delay(&self, retry: u32, below: impl FnOnce(u64) -> u64) -> Duration {
        match self {
            Backoff::Sidekiq => {
                let seconds = u64::from(retry).saturating_pow(4).saturating_add(15);
                Duration::from_secs(seconds).saturating_add(jitter(retry, below))
            }
            Backoff::Custom(delay) => match catch_unwind(AssertUnwindSafe(|| delay(retry))) {
                Ok(delay) => delay,
                Err(_) => {
                    tracing::error!(retry, "the worker's own back-off panicked; Sidekiq's is used instead");
                    Backoff::Sidekiq.delay(retry, below)
                }
            },
        }
    }
}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backoff::Sidekiq => "Sidekiq",
            Backoff::Custom(_) => "Custom",
        })
    }
}

/// As Sidekiq 8: added to every wait but that of a [`Backoff::Custom`].
fn jitter(retry: u32, below: impl FnOnce(u64) -> u64) -> Duration {
    Duration::from_secs(below(10 * (u64::from(retry) + 1)))
}

/// Judges one failure of a job that was taken from `queue`. `class` is what the job's definition says, for a payload that
/// says nothing of retries.
pub fn judge(
    job: &Payload,
    queue: &str,
    class: Option<&JobOptions>,
    failure: &Failure,
    backoff: &Backoff,
    now: Timestamp,
    below: impl FnOnce(u64) -> u64,
) -> Verdict {
    // A payload that says nothing of retries goes by its class in all that concerns them.
    let class = class.filter(|_| job.retry().is_none());
    // A job nobody here knows and that does not ask for retries: Ruby would drop it. Keep it instead.
    let policy = job.retry().or(class.map(|class| class.retry)).unwrap_or_default();
    if failure.disposition() == Disposition::Discard {
        return Verdict::Discard;
    }
    // A job that was never begun has not had the one run it asked for.
    let policy = match policy {
        Retry::Never if failure.has_begun() => return Verdict::Dropped,
        Retry::Never => Retry::Default,
        policy => policy,
    };
    let mut job = job.clone();
    job.clear_deaths();
    let retry_queue = job.get::<String>("retry_queue").filter(|name| queue_name_fault(name).is_none());
    let retry_queue = retry_queue.as_deref().or(class.and_then(|class| class.retry_queue));
    job.set("queue", retry_queue.unwrap_or(queue));
    job.set("error_message", &failure.message());
    job.set("error_class", failure.class());
    // The field is 0 after the first failure, and Sidekiq's pages may have set it to -1.
    let retry = job.failures();
    match job.retry_count() {
        Some(_) => job.set_time("retried_at", now),
        None => job.set_time("failed_at", now),
    }
    job.set("retry_count", &retry);
    let at = match failure.retry_in().unwrap_or_default() {
        _ if is_exhausted(&job, policy, retry, now) => None,
        RetryIn::Discard => return Verdict::Discard,
        RetryIn::Kill => None,
        RetryIn::Default => Some(now + backoff.delay(retry, below)),
        RetryIn::After(delay) => Some(now + delay + jitter(retry, below)),
    };
    match at {
        Some(at) => Verdict::Retry { payload: job.to_string(), at },
        None if job.dead() || !failure.has_begun() => Verdict::Dead { payload: job.to_string() },
        None => Verdict::Dropped,
    }
}

/// As Sidekiq 8.1: with `retry_for` the time since the first failure decides and the count does not.
fn is_exhausted(job: &Payload, policy: Retry, retry: u32, now: Timestamp) -> bool {
    match (policy, job.time("failed_at")) {
        (Retry::For(patience), Some(failed_at)) => failed_at + patience < now,
        (Retry::Max(limit), _) => retry >= limit,
        (Retry::Never, _) => true,
        (Retry::Default | Retry::For(_), _) => retry >= DEFAULT_RETRIES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_795_452_509_500_000);

    fn job(fields: &str) -> Payload {
        let text = format!(r#"{{"class":"A","args":[1.10],"jid":"x","queue":"q","created_at":1795452000.5{fields}}}"#);
        Payload::parse(text.as_bytes()).unwrap()
    }

    fn fail(job: &Payload) -> Verdict {
        judge(job, "q", None, &Failure::new("E", "boom"), &Backoff::Sidekiq, NOW, |_| 0)
    }

    #[test]
    fn the_first_failure_is_written_as_sidekiq_writes_it() {
        let Verdict::Retry { payload, at } = fail(&job(r#","retry":true"#)) else { panic!() };

        assert_eq!(at, NOW + Duration::from_secs(15));
        assert_eq!(
            payload,
            r#"{"class":"A","args":[1.10],"jid":"x","queue":"q","created_at":1795452000.5,"retry":true,"error_message":"boom","error_class":"E","failed_at":1795452509.500000,"retry_count":0}"#
        );
    }

    #[test]
    fn a_later_failure_keeps_when_it_failed_first() {
        let again = job(r#","retry":true,"failed_at":1795452100.5,"retry_count":2"#);

        let Verdict::Retry { payload, at } = fail(&again) else { panic!() };

        assert_eq!(at, NOW + Duration::from_secs(81 + 15));
        let payload = Payload::parse(payload.as_bytes()).unwrap();
        assert_eq!(payload.get::<u32>("retry_count"), Some(3));
        assert_eq!(payload.raw("failed_at").unwrap().get(), "1795452100.5");
        assert_eq!(payload.time("retried_at"), Some(NOW));
    }

    #[test]
    fn n_retries_are_n_plus_one_runs() {
        let mut current = job(r#","retry":3"#);
        let mut runs = 1;
        while let Verdict::Retry { payload, .. } = fail(&current) {
            current = Payload::parse(payload.as_bytes()).unwrap();
            runs += 1;
        }
        assert_eq!(runs, 4);
        assert!(matches!(fail(&current), Verdict::Dead { .. }));
    }

    #[test]
    fn zero_is_death_and_false_is_nothing() {
        assert!(matches!(fail(&job(r#","retry":0"#)), Verdict::Dead { .. }));
        assert!(matches!(fail(&job(r#","retry":false"#)), Verdict::Dropped));
        assert!(matches!(fail(&job(r#","retry":0,"dead":false"#)), Verdict::Dropped));
    }

    #[test]
    fn a_payload_that_does_not_say_goes_by_its_class() {
        let failure = Failure::new("E", "boom");
        let verdict = |fields, class: Option<JobOptions>| {
            judge(&job(fields), "q", class.as_ref(), &failure, &Backoff::Sidekiq, NOW, |_| 0)
        };
        let options = JobOptions::new().retry_queue("later");
        assert!(matches!(verdict("", Some(options.retry(Retry::Never))), Verdict::Dropped));
        assert!(matches!(verdict("", Some(options.retry(Retry::Max(0)))), Verdict::Dead { .. }));
        let old = r#","failed_at":1795452000.5,"retry_count":0"#;
        assert!(matches!(verdict(old, Some(options.retry(Retry::For(Duration::from_secs(60))))), Verdict::Dead { .. }));
        let queue = |fields| match verdict(fields, Some(options)) {
            Verdict::Retry { payload, .. } => Payload::parse(payload.as_bytes()).unwrap().queue(),
            other => panic!("{other:?}"),
        };
        assert_eq!(queue("").as_deref(), Some("later"));
        assert_eq!(queue(r#","retry":true"#).as_deref(), Some("q"));
        assert!(matches!(verdict("", None), Verdict::Retry { .. }));
    }

    #[test]
    fn absurd_counts_neither_overflow_nor_loop() {
        assert!(matches!(fail(&job(r#","retry":true,"retry_count":1e30"#)), Verdict::Dead { .. }));
        let Verdict::Retry { payload, .. } = fail(&job(r#","retry":true,"retry_count":-5"#)) else { panic!() };
        assert!(payload.contains(r#""retry_count":0"#));
        let Verdict::Retry { payload, .. } = fail(&job(r#","retry":true,"retry_count":"x""#)) else { panic!() };
        assert!(payload.contains(r#""retry_count":1"#));
        assert_eq!(Backoff::Sidekiq.delay(u32::MAX, |_| 0), Duration::from_secs(u64::MAX));
    }

    #[test]
    fn retry_for_counts_time_and_not_tries() {
        let recent = job(r#","retry":1,"retry_for":3600,"failed_at":1795452000.5,"retry_count":40"#);
        assert!(matches!(fail(&recent), Verdict::Retry { .. }));
        let old = job(r#","retry":true,"retry_for":60,"failed_at":1795452000.5,"retry_count":1"#);
        assert!(matches!(fail(&old), Verdict::Dead { .. }));
    }

    #[test]
    fn the_retry_goes_to_the_retry_queue_or_where_it_came_from() {
        let failed = |fields: &str| match fail(&job(fields)) {
            Verdict::Retry { payload, .. } => Payload::parse(payload.as_bytes()).unwrap().queue(),
            other => panic!("{other:?}"),
        };
        assert_eq!(failed(r#","retry_queue":"later""#).as_deref(), Some("later"));
        assert_eq!(failed(r#","retry_queue":"no good""#).as_deref(), Some("q"));
        assert_eq!(failed(r#","queue":"elsewhere""#).as_deref(), Some("q"));
    }

    #[test]
    fn a_discarded_error_ends_the_job_whatever_its_retries() {
        let failure = Failure::new("E", "boom").with_disposition(Disposition::Discard);
        let verdict = judge(&job(r#","retry":true"#), "q", None, &failure, &Backoff::Sidekiq, NOW, |_| 0);
        assert!(matches!(verdict, Verdict::Discard));
    }

    #[test]
    fn what_retry_in_says_counts_until_the_retries_are_used_up() {
        let verdict = |fields: &str, answer| {
            let failure = Failure::new("E", "boom").with_retry_in(answer);
            judge(&job(fields), "q", None, &failure, &Backoff::Sidekiq, NOW, |n| n - 1)
        };
        let minute = Duration::from_secs(60);

        let Verdict::Retry { at, .. } = verdict(r#","retry":true"#, RetryIn::After(minute)) else { panic!() };
        assert_eq!(at, NOW + minute + Duration::from_secs(9));
        let Verdict::Retry { at, .. } = verdict(r#","retry":true"#, RetryIn::Default) else { panic!() };
        assert_eq!(at, NOW + Duration::from_secs(15 + 9));
        let Verdict::Retry { .. } = verdict(r#","retry":true"#, RetryIn::After(Duration::MAX)) else { panic!() };
        assert!(matches!(verdict(r#","retry":true"#, RetryIn::Kill), Verdict::Dead { .. }));
        assert!(matches!(verdict(r#","retry":true,"dead":false"#, RetryIn::Kill), Verdict::Dropped));
        assert!(matches!(verdict(r#","retry":true"#, RetryIn::Discard), Verdict::Discard));
        for answer in [RetryIn::After(minute), RetryIn::Discard] {
            assert!(matches!(verdict(r#","retry":0"#, answer), Verdict::Dead { .. }));
        }
    }

    #[test]
    fn twenty_five_retries_take_about_twenty_days() {
        let days = |below: fn(u64) -> u64| {
            let total: Duration = (0..25).map(|retry| Backoff::Sidekiq.delay(retry, below)).sum();
            total.as_secs() / 86_400
        };
        assert_eq!(days(|_| 0), 20);
        assert_eq!(days(|n| n - 1), 20);
    }
}
