//! What becomes of a job by the kind of its error.

use std::time::Duration;

use kiq::rules::{self, HttpAnswer};
use kiq::{App, Event, JobSet, Next, Plan, Timestamp};
use kiq_testing::Events;

use crate::jobs::{
    ByHand, FailByHand, FailsWithBoxedText, FailsWithText, HttpError, NotWritten, NotWrittenBoxed, Patient, Plain,
    Shop, ShopBoxed, ShopBrokenRule, ShopOwnRule, ShopWrapped,
};
use crate::setup::{START, on_every_broker};

/// The test's back-off: a minute before the first retry.
const BACKOFF: Next = Next::Retry { at: Timestamp::from_micros(START.as_micros() + 60_000_000) };

/// What became of the job that failed next, and whether its error counted as transient.
async fn next(events: &mut Events, class: &str) -> (Next, bool) {
    let Event::Failed { next, error, .. } = events.failed(class).await else { unreachable!() };
    (next, error.is_transient)
}

/// A wait that luck was added to.
fn is_after(next: Next, seconds: u64) -> bool {
    let (Next::Retry { at } | Next::Later { at }) = next else { return false };
    (seconds..seconds + 10).contains(&at.since(START).as_secs())
}

fn app() -> App {
    let answer = |error: &HttpError| Some(HttpAnswer { status: error.status, retry_after: error.retry_after });
    App::new().rule(rules::io).rule(rules::timeouts).rule(rules::http(answer))
}

on_every_broker! {
    /// A67: a job that is not written is a permanent failure, which says where it stands, and waits among the dead for its author.
    async fn a_job_that_is_not_written_fails_for_good_and_says_where(s: Setup) {
        let _ = NotWritten::enqueue(7, "now").on(&s.client).await.unwrap();
        let _ = NotWrittenBoxed::enqueue().on(&s.client).await.unwrap();

        s.run(s.worker().concurrency(1), async |events| {
            let Event::Failed { next, error, .. } = events.failed("NotWritten").await else { unreachable!() };
            assert_eq!(next, Next::Dead);
            assert!(error.message.starts_with("this job is not written yet: write it in place of"), "{}", error.message);
            assert!(error.message.contains("tests/failures/jobs.rs:"), "{}", error.message);
            assert_eq!(self::next(events, "NotWrittenBoxed").await, (Next::Dead, false));
        }).await;

        assert_eq!(s.inspector().set(JobSet::Dead, 0, 10).await.unwrap().len(), 2);
    }

    /// A25, A22: the error's own type decides, wherever in the chain it stands.
    async fn an_errors_type_decides_what_becomes_of_the_job(s: Setup) {
        macro_rules! check {
            ($($job:ident)*) => {$(
                for which in ["unreachable", "refused", "gone", "wrong key", "busy", "too many", "too many, no word when"] {
                    let _ = $job::enqueue(which).on(&s.client).await.unwrap();
                }
                s.run(s.worker().concurrency(1), async |events| {
                    let class = <$job as kiq::Job>::NAME;
                    assert_eq!(next(events, class).await, (BACKOFF, true), "unreachable");
                    assert_eq!(next(events, class).await, (BACKOFF, false), "refused");
                    assert_eq!(next(events, class).await, (Next::Discarded, false), "gone");
                    assert_eq!(next(events, class).await, (Next::Dead, false), "wrong key");
                    let (busy, is_transient) = next(events, class).await;
                    assert!(is_transient && is_after(busy, 300), "{busy:?}");
                    let (limited, _) = next(events, class).await;
                    assert!(matches!(limited, Next::Later { .. }) && is_after(limited, 600), "{limited:?}");
                    let (limited, _) = next(events, class).await;
                    assert!(matches!(limited, Next::Later { .. }) && is_after(limited, 60), "{limited:?}");
                }).await;
            )*};
        }
        check!(Shop ShopWrapped ShopBoxed);

        let stats = s.inspector().stats().await.unwrap();
        assert_eq!((stats.retries, stats.scheduled, stats.dead), (9, 6, 3));
        // A rate limit is a run, and no failure.
        assert_eq!((stats.processed, stats.failed), (21, 15));
    }

    /// A25: a rate limit spends no attempt, and the job runs when its time comes.
    async fn a_rate_limited_job_comes_back_with_all_its_attempts(s: Setup) {
        let _ = Shop::enqueue("too many").retry(0).on(&s.client).await.unwrap();

        s.run(s.worker(), async |events| {
            for _ in 0..3 {
                let Event::Failed { next, job, .. } = events.failed("Shop").await else { unreachable!() };
                assert!(matches!(next, Next::Later { .. }));
                assert_eq!(job.attempt(), 1);
                s.clock.advance(Duration::from_secs(640));
            }
            events.failed("Shop").await;
        }).await;

        let job = s.set(JobSet::Scheduled).await.remove(0).payload.unwrap();
        assert_eq!(job.get::<u32>("kiq_limited"), Some(4));
        for absent in ["retry_count", "failed_at", "error_class", "enqueued_at"] {
            assert!(job.raw(absent).is_none(), "{absent}");
        }
    }

    /// A25, A70: the job's own list comes before the error's type.
    async fn what_the_job_says_of_an_error_counts_more_than_its_type(s: Setup) {
        let _ = ShopOwnRule::enqueue("unreachable").on(&s.client).await.unwrap();
        let _ = ShopOwnRule::enqueue("wrong key").on(&s.client).await.unwrap();

        s.run(s.worker().concurrency(1), async |events| {
            assert_eq!(next(events, "ShopOwnRule").await.0, Next::Discarded);
            assert_eq!(next(events, "ShopOwnRule").await.0, Next::Dead);
        }).await;
    }

    /// A25: rules for all jobs, about I/O, time limits, 429 and 5xx; `#[defer]` leaves a variant to them.
    async fn the_applications_rules_decide_of_common_errors(s: Setup) {
        for which in ["refused", "denied", "hang", "429", "500", "404"] {
            let _ = Plain::enqueue(which).on(&s.client).await.unwrap();
        }
        let _ = Shop::enqueue("provider 503").on(&s.client).await.unwrap();
        let _ = Shop::enqueue("provider 404").on(&s.client).await.unwrap();

        s.run(s.worker().app(&app()).concurrency(1), async |events| {
            assert_eq!(next(events, "Plain").await, (BACKOFF, true), "refused");
            assert_eq!(next(events, "Plain").await, (BACKOFF, false), "denied");
            assert_eq!(next(events, "Plain").await, (BACKOFF, true), "hang");
            let (limited, _) = next(events, "Plain").await;
            assert!(matches!(limited, Next::Later { .. }) && is_after(limited, 120), "{limited:?}");
            assert_eq!(next(events, "Plain").await, (BACKOFF, true), "500");
            assert_eq!(next(events, "Plain").await, (BACKOFF, false), "404");
            assert_eq!(next(events, "Shop").await, (BACKOFF, true), "provider 503");
            assert_eq!(next(events, "Shop").await, (BACKOFF, false), "provider 404");
        }).await;
    }

    /// A25: what the job's own `retry_in` says of a rate limit comes before what the application says of all.
    async fn a_jobs_own_wait_counts_for_a_rate_limit_too(s: Setup) {
        let _ = Patient::enqueue(429).on(&s.client).await.unwrap();

        s.run(s.worker().app(&app()), async |events| {
            let (limited, _) = next(events, "Patient").await;
            assert!(matches!(limited, Next::Later { .. }) && is_after(limited, 3600), "{limited:?}");
        }).await;
    }

    /// A25: an error type that is on no list of the linker's is asked when the application names it (as every one must be
    /// without the feature `inventory`).
    async fn an_error_type_can_be_made_known_by_hand(s: Setup) {
        for (app, expected) in [(App::new(), BACKOFF), (App::new().error::<ByHand>(), Next::Dead)] {
            let _ = FailByHand::enqueue().on(&s.client).await.unwrap();
            s.run(s.worker().app(&app), async |events| {
                assert_eq!(next(events, "FailByHand").await.0, expected);
            }).await;
        }
    }

    /// Bad input: a job's own rule that panics has no opinion, and the error is not lost behind the panic.
    async fn a_jobs_rule_that_panics_has_no_say(s: Setup) {
        let _ = ShopBrokenRule::enqueue("wrong key").on(&s.client).await.unwrap();

        s.run(s.worker(), async |events| {
            assert_eq!(next(events, "ShopBrokenRule").await.0, Next::Dead);
        }).await;

        let dead = s.set(JobSet::Dead).await.remove(0).payload.unwrap();
        assert_eq!(dead.get::<String>("error_message").as_deref(), Some("the key is wrong"));
    }

    /// Bad input: a rule that panics has no opinion, and nothing is lost.
    async fn a_rule_that_panics_leaves_the_error_an_ordinary_one(s: Setup) {
        let _ = Plain::enqueue("404").on(&s.client).await.unwrap();

        let app = App::new().rule(|_| panic!("no idea")).rule(|_| Some(Plan::discard()));
        s.run(s.worker().app(&app), async |events| {
            assert_eq!(next(events, "Plain").await, (BACKOFF, false));
        }).await;
    }

    /// A25: a text is an error like any other: a rule of the application sees it, by its words.
    async fn rules_are_asked_about_errors_that_are_texts(s: Setup) {
        let app = App::new().rule(|error| error.to_string().starts_with("closed").then(Plan::fatal));
        for text in ["closed for ever", "come back"] {
            let _ = FailsWithText::enqueue(text).on(&s.client).await.unwrap();
            let _ = FailsWithBoxedText::enqueue(text).on(&s.client).await.unwrap();
        }

        s.run(s.worker().app(&app), async |events| {
            for class in ["FailsWithText", "FailsWithText", "FailsWithBoxedText", "FailsWithBoxedText"] {
                let Event::Failed { error, next, .. } = events.failed(class).await else { unreachable!() };
                assert_eq!(next == Next::Dead, error.message.starts_with("closed"), "{class}: {error:?} {next:?}");
            }
        }).await;
    }
}
