//! A failure → retry at a time, die, or be discarded. Arithmetic only: the caller brings the time and the dice.
//!
//! The steps are Sidekiq's (wire: `job_retry.rb`), field by field, so that Ruby can take over a job that failed here.

mod backoff;

use std::time::Duration;

use crate::clock::Timestamp;
use crate::job::options::{DEFAULT_RETRIES, queue_name_fault};
use crate::job::{Disposition, Failure, JobOptions, Payload, Retry, RetryIn};

use backoff::jitter;
pub use backoff::{Backoff, Schedule, ScheduleRow};

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
    /// It was told to come later, which is no failure: it waits in the schedule.
    Later {
        /// The payload, with how often in a row that happened.
        payload: String,
        /// When.
        at: Timestamp,
    },
}

/// How often in a row a job may be told to come later, before that counts as a failure. As Sidekiq Enterprise reschedules.
pub const MAX_LIMITED: u32 = 20;

/// The longest wait that another side's `Retry-After` may ask for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(7 * 86_400);

/// The wait of a job that was told to come later and not when.
pub const LATER: Duration = Duration::from_secs(60);

/// The field with how often in a row a job was told to come later.
const LIMITED: &str = "kiq_limited";

/// What a worker does about failures when jobs do not say.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// The wait before a retry. Default: Sidekiq's formula.
    pub backoff: Backoff,
    /// The retries of a job with `retry = true`. Default: [`DEFAULT_RETRIES`].
    pub max_retries: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy { backoff: Backoff::Sidekiq, max_retries: DEFAULT_RETRIES }
    }
}

/// Judges one failure of a job that was taken from `queue`. `class` is what the job's definition says, for a payload that
/// says nothing of retries.
pub fn judge(
    job: &Payload,
    queue: &str,
    class: Option<&JobOptions>,
    failure: &Failure,
    policy: &RetryPolicy,
    now: Timestamp,
    below: impl FnOnce(u64) -> u64,
) -> Verdict {
    // A payload that says nothing of retries goes by its class in all that concerns them.
    let class = class.filter(|_| job.retry().is_none());
    // A job nobody here knows and that does not ask for retries: Ruby would drop it. Keep it instead.
    let retry = job.retry().or(class.map(|class| class.retry)).unwrap_or_default();
    let plan = failure.plan();
    let mut job = job.clone();
    job.clear_deaths();
    match plan.disposition() {
        Disposition::Discard => return Verdict::Discard,
        Disposition::RateLimited => {
            let times = job.get::<u32>(LIMITED).unwrap_or(0).saturating_add(1);
            // What the job itself says comes before what is said for all jobs.
            let wait = match failure.retry_in() {
                Some(RetryIn::Discard) => return Verdict::Discard,
                Some(RetryIn::Kill) => None,
                Some(RetryIn::After(wait)) => Some(wait),
                Some(RetryIn::Default) | None => {
                    Some(plan.retry_after().map_or(LATER, |wait| wait.min(MAX_RETRY_AFTER)))
                }
            };
            if let Some(wait) = wait
                && times <= MAX_LIMITED
            {
                job.set(LIMITED, &times);
                // Entries of the schedule have none (wire: 3.1).
                job.remove("enqueued_at");
                job.set("queue", queue);
                return Verdict::Later { payload: job.to_string(), at: now + wait + jitter(times - 1, below) };
            }
        }
        _ => {}
    }
    // A job that was never begun has not had the one run it asked for.
    let retry = match retry {
        Retry::Never if failure.has_begun() => return Verdict::Dropped,
        Retry::Never => Retry::Default,
        retry => retry,
    };
    let retry_queue = job.get::<String>("retry_queue").filter(|name| queue_name_fault(name).is_none());
    let retry_queue = retry_queue.as_deref().or(class.and_then(|class| class.retry_queue));
    job.set("queue", retry_queue.unwrap_or(queue));
    job.remove(LIMITED);
    job.remember_error();
    job.set("error_message", &failure.message());
    job.set("error_class", failure.class());
    job.set_error_causes(&failure.causes());
    // The field is 0 after the first failure, and Sidekiq's pages may have set it to -1.
    let count = job.failures();
    match job.retry_count() {
        Some(_) => job.set_time("retried_at", now),
        None => job.set_time("failed_at", now),
    }
    job.set("retry_count", &count);
    let asked = plan.retry_after().map(|wait| RetryIn::After(wait.min(MAX_RETRY_AFTER)));
    let own = failure.retry_in().filter(|own| *own != RetryIn::Default);
    let at = match own.or(asked).unwrap_or_default() {
        _ if plan.disposition() == Disposition::Fatal => None,
        _ if is_exhausted(&job, retry, policy.max_retries, count, now) => None,
        RetryIn::Discard => return Verdict::Discard,
        RetryIn::Kill => None,
        RetryIn::Default => Some(now + policy.backoff.delay(count, below)),
        RetryIn::After(delay) => Some(now + delay + jitter(count, below)),
    };
    match at {
        Some(at) => Verdict::Retry { payload: job.to_string(), at },
        None if job.dead() || !failure.has_begun() => Verdict::Dead { payload: job.to_string() },
        None => Verdict::Dropped,
    }
}

/// As Sidekiq 8.1: with `retry_for` the time since the first failure decides and the count does not.
fn is_exhausted(job: &Payload, retry: Retry, max_retries: u32, count: u32, now: Timestamp) -> bool {
    match (retry, job.time("failed_at")) {
        (Retry::For(patience), Some(failed_at)) => failed_at + patience < now,
        (Retry::Max(limit), _) => count >= limit,
        (Retry::Never, _) => true,
        (Retry::Default | Retry::For(_), _) => count >= max_retries,
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
        judge(job, "q", None, &Failure::new("E", "boom"), &RetryPolicy::default(), NOW, |_| 0)
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
            judge(&job(fields), "q", class.as_ref(), &failure, &RetryPolicy::default(), NOW, |_| 0)
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
        let verdict = judge(&job(r#","retry":true"#), "q", None, &failure, &RetryPolicy::default(), NOW, |_| 0);
        assert!(matches!(verdict, Verdict::Discard));
    }

    #[test]
    fn what_retry_in_says_counts_until_the_retries_are_used_up() {
        let verdict = |fields: &str, answer| {
            let failure = Failure::new("E", "boom").with_retry_in(answer);
            judge(&job(fields), "q", None, &failure, &RetryPolicy::default(), NOW, |n| n - 1)
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
    fn a_fatal_error_is_death_whatever_retries_are_left() {
        let verdict = |fields: &str| {
            let failure = Failure::new("E", "boom").with_disposition(Disposition::Fatal);
            judge(&job(fields), "q", None, &failure, &RetryPolicy::default(), NOW, |_| 0)
        };
        assert!(matches!(verdict(r#","retry":true"#), Verdict::Dead { .. }));
        assert!(matches!(verdict(r#","retry":true,"dead":false"#), Verdict::Dropped));
        assert!(matches!(verdict(r#","retry":false"#), Verdict::Dropped));
    }

    #[test]
    fn a_rate_limit_spends_no_retry_until_it_was_met_twenty_times_in_a_row() {
        let limited = |job: &Payload, wait: Option<Duration>| {
            let failure = Failure::new("E", "429").with_plan(crate::job::Plan::rate_limited().after(wait));
            judge(job, "q", None, &failure, &RetryPolicy::default(), NOW, |_| 0)
        };
        let mut current = job(r#","retry":true,"retry_count":3,"failed_at":1795452100.5,"enqueued_at":1795452100.5"#);
        for times in 1..=MAX_LIMITED {
            let Verdict::Later { payload, at } = limited(&current, None) else { panic!() };
            assert_eq!(at, NOW + LATER);
            current = Payload::parse(payload.as_bytes()).unwrap();
            assert_eq!((current.get(LIMITED), current.get("retry_count")), (Some(times), Some(3)));
            assert!(current.raw("enqueued_at").is_none() && current.raw("error_class").is_none());
        }
        let Verdict::Retry { payload, .. } = limited(&current, None) else { panic!() };
        let failed = Payload::parse(payload.as_bytes()).unwrap();
        assert_eq!((failed.get::<u32>("retry_count"), failed.raw(LIMITED).is_none()), (Some(4), true));

        let Verdict::Later { at, .. } = limited(&failed, Some(Duration::from_secs(600))) else { panic!() };
        assert_eq!(at, NOW + Duration::from_secs(600));
        let Verdict::Later { at, .. } = limited(&failed, Some(Duration::MAX)) else { panic!() };
        assert_eq!(at, NOW + MAX_RETRY_AFTER);
    }

    #[test]
    fn what_the_job_says_of_a_rate_limit_comes_before_what_all_say() {
        let verdict = |own: RetryIn| {
            let plan = crate::job::Plan::rate_limited().after(Duration::from_secs(5));
            let failure = Failure::new("E", "429").with_plan(plan).with_retry_in(own);
            judge(&job(r#","retry":true"#), "q", None, &failure, &RetryPolicy::default(), NOW, |_| 0)
        };
        let hour = Duration::from_secs(3600);
        let Verdict::Later { at, .. } = verdict(RetryIn::After(hour)) else { panic!() };
        assert_eq!(at, NOW + hour);
        let Verdict::Later { at, .. } = verdict(RetryIn::Default) else { panic!() };
        assert_eq!(at, NOW + Duration::from_secs(5));
        assert!(matches!(verdict(RetryIn::Kill), Verdict::Dead { .. }));
        assert!(matches!(verdict(RetryIn::Discard), Verdict::Discard));
    }

    #[test]
    fn a_retry_after_takes_the_place_of_the_back_off_and_retry_in_that_of_both() {
        let plan = crate::job::Plan::transient().after(Duration::from_secs(300));
        let failure = || Failure::new("E", "503").with_plan(plan);
        let at = |failure: Failure| {
            let verdict = judge(&job(r#","retry":true"#), "q", None, &failure, &RetryPolicy::default(), NOW, |_| 0);
            let Verdict::Retry { at, .. } = verdict else { panic!() };
            at.since(NOW).as_secs()
        };
        assert_eq!(at(failure()), 300);
        assert_eq!(at(failure().with_retry_in(RetryIn::Default)), 300);
        assert_eq!(at(failure().with_retry_in(RetryIn::After(Duration::from_secs(7)))), 7);
    }

    #[test]
    fn the_worker_says_how_many_retries_the_default_is() {
        let policy = RetryPolicy { max_retries: 2, ..RetryPolicy::default() };
        let verdict = |fields: &str| judge(&job(fields), "q", None, &Failure::new("E", "x"), &policy, NOW, |_| 0);
        assert!(matches!(verdict(r#","retry":true,"retry_count":0"#), Verdict::Retry { .. }));
        assert!(matches!(verdict(r#","retry":true,"retry_count":1"#), Verdict::Dead { .. }));
        assert!(matches!(verdict(r#","retry":3,"retry_count":1"#), Verdict::Retry { .. }));
    }
}
