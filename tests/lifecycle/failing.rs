//! Runs that fail: tried again, dead, discarded, always with the reason, never lost.

use std::time::Duration;

use kiq::{Event, JobSet, Next, Payload};

use crate::jobs::{Cancel, DieSilently, Explode, ExplodeBlocking, FailOnce, Hang, Note, Pay, Steal};
use crate::setup::{START, on_every_broker};

/// The `error_class` and `error_message` of a stored job.
fn error(job: &Payload) -> (String, String) {
    (job.get("error_class").unwrap(), job.get("error_message").unwrap())
}

on_every_broker! {
    /// A70: the job's own list of transient errors.
    async fn a_transient_failure_is_retried_until_it_succeeds(s: Setup) {
        let receipt = Pay::enqueue(3).on(&s.client).await.unwrap();

        s.run(s.worker(), async |events| {
            let Event::Failed { job, error, next, .. } = events.failed("Pay").await else { unreachable!() };
            assert!(error.is_transient);
            assert_eq!(next, Next::Retry { at: START + Duration::from_secs(60) });
            assert_eq!(job.jid(), &receipt.jid);
            s.clock.advance(Duration::from_secs(60));
            events.failed("Pay").await;
            s.clock.advance(Duration::from_secs(120));
            events.done("Pay").await;
        }).await;

        assert_eq!(s.notes.all(), ["try 1", "try 2", "try 3"]);
        let stats = s.inspector().stats().await.unwrap();
        assert_eq!((stats.processed, stats.failed, stats.unsettled(), stats.dead), (3, 2, 0, 0));
    }

    async fn a_job_out_of_retries_is_dead_with_the_reason(s: Setup) {
        let receipt = Pay::enqueue(100).on(&s.client).await.unwrap();

        s.run(s.worker(), async |events| {
            for retry in 0..3 {
                events.failed("Pay").await;
                s.clock.advance(Duration::from_secs(60 * (retry + 1)));
            }
            let Event::Failed { next, .. } = events.failed("Pay").await else { unreachable!() };
            assert_eq!(next, Next::Dead);
        }).await;

        let dead = s.set(JobSet::Dead).await;
        assert_eq!(dead.len(), 1);
        let job = dead[0].payload.clone().unwrap();
        assert_eq!(job.jid(), &receipt.jid);
        assert_eq!(job.get::<u32>("retry_count"), Some(3));
        assert_eq!(job.time("failed_at").unwrap().since(START), Duration::ZERO);
        let (class, message) = error(&job);
        assert!(class.ends_with("jobs::PaymentError"), "{class}");
        assert_eq!(message, "the service is down");
        assert_eq!(dead[0].at, Some(START + Duration::from_secs(360)));
    }

    /// A22: `retry = 0`, `retry = false`, `dead = false`.
    async fn no_retries_left_is_death_and_false_leaves_nothing(s: Setup) {
        let _ = Steal::enqueue(1).on(&s.client).await.unwrap();
        let _ = FailOnce::enqueue(2).on(&s.client).await.unwrap();
        let _ = DieSilently::enqueue(3).on(&s.client).await.unwrap();
        let _ = Cancel::enqueue(4).on(&s.client).await.unwrap();
        let _ = Pay::enqueue(9).no_retry().on(&s.client).await.unwrap();

        s.run(s.worker().concurrency(1), async |events| {
            for (class, expected) in [
                ("Steal", Next::Dead),
                ("FailOnce", Next::Discarded),
                ("DieSilently", Next::Discarded),
                ("Cancel", Next::Discarded),
                ("Pay", Next::Discarded),
            ] {
                let Event::Failed { next, .. } = events.failed(class).await else { unreachable!() };
                assert_eq!(next, expected, "{class}");
            }
        }).await;

        let dead = s.set(JobSet::Dead).await;
        assert_eq!(dead.len(), 1);
        assert_eq!(error(dead[0].payload.as_ref().unwrap()).1, "card 1 is stolen");
        let stats = s.inspector().stats().await.unwrap();
        assert_eq!((stats.processed, stats.failed, stats.unsettled()), (5, 5, 0));
    }

    async fn a_panic_is_a_failure_and_the_processor_goes_on(s: Setup) {
        let _ = Explode::enqueue("boom").on(&s.client).await.unwrap();
        let _ = ExplodeBlocking::enqueue("bang").on(&s.client).await.unwrap();
        let _ = Note::enqueue("still here").on(&s.client).await.unwrap();

        s.run(s.worker().concurrency(1), async |events| {
            events.failed("Explode").await;
            events.failed("ExplodeBlocking").await;
            events.done("Note").await;
        }).await;

        let retries = s.set(JobSet::Retry).await;
        let mut errors: Vec<_> = retries.iter().map(|found| error(found.payload.as_ref().unwrap())).collect();
        errors.sort();
        assert_eq!(errors, [("panic".into(), "bang".into()), ("panic".into(), "boom".into())]);
    }

    async fn a_run_beyond_its_timeout_is_stopped_and_retried(s: Setup) {
        let _ = Hang::enqueue().on(&s.client).await.unwrap();

        s.run(s.worker(), async |events| { events.failed("Hang").await; }).await;

        let retries = s.set(JobSet::Retry).await;
        let (class, message) = error(retries[0].payload.as_ref().unwrap());
        assert_eq!((class.as_str(), message.as_str()), ("kiq::Timeout", "the job ran longer than its timeout of 20ms"));
    }

    async fn an_unknown_class_is_retried_and_the_reason_says_where_to_look(s: Setup) {
        s.push_raw("default", r#"{"class":"SendRecept","args":[1.10],"jid":"a","retry":true,"extra":{"b":1,"a":2}}"#).await;

        s.run(s.worker(), async |events| { events.failed("SendRecept").await; }).await;

        let job = s.set(JobSet::Retry).await.remove(0).payload.unwrap();
        let (class, message) = error(&job);
        assert_eq!(class, "kiq::UnknownJob");
        assert!(message.starts_with(r#"no job named "SendRecept" is registered; jobs known here: BlockItsThread, Bury, "#), "{message}");
        assert!(message.ends_with("(is its crate linked into this program?)"), "{message}");
        assert_eq!(job.args().get(), "[1.10]");
        assert_eq!(job.raw("extra").unwrap().get(), r#"{"b":1,"a":2}"#);
    }

    async fn arguments_that_do_not_decode_are_kept_and_the_reason_names_them(s: Setup) {
        s.push_raw("default", r#"{"class":"Pay","args":["three"],"jid":"a"}"#).await;
        s.push_raw("default", r#"{"class":"Pay","args":[1,2],"jid":"b"}"#).await;
        s.push_raw("default", r#"{"class":"Pay","args":[],"jid":"c"}"#).await;

        s.run(s.worker().concurrency(1), async |events| {
            for _ in 0..3 { events.failed("Pay").await; }
        }).await;

        let mut found: Vec<_> = s.set(JobSet::Retry).await.into_iter().map(|found| {
            let job = found.payload.unwrap();
            (job.jid().to_string(), job.args().get().to_owned(), error(&job).1)
        }).collect();
        found.sort();
        assert_eq!(found[0].1, r#"["three"]"#);
        assert!(found[0].2.starts_with("Pay: argument 0 `succeeds_at`: invalid type: string \"three\", expected u32"), "{}", found[0].2);
        assert_eq!(found[1].2, "Pay: wrong number of arguments (given 2, expected 1)");
        assert_eq!(found[2].2, "Pay: missing argument 0 `succeeds_at` (given 0)");
    }

    async fn what_is_no_job_goes_to_the_dead_as_it_is(s: Setup) {
        let odd = ["", "{oops", "null", "7", "[]", "{}", r#"{"class":"Note"}"#, r#"{"class":"Note","args":{}}"#];
        for payload in odd {
            s.push_raw("default", payload).await;
        }
        let _ = Note::enqueue("after").on(&s.client).await.unwrap();

        s.run(s.worker().concurrency(1), async |events| { events.done("Note").await; }).await;

        let mut dead: Vec<String> =
            s.set(JobSet::Dead).await.into_iter().map(|found| String::from_utf8(found.bytes).unwrap()).collect();
        dead.sort();
        let mut expected = odd.to_vec();
        expected.sort_unstable();
        assert_eq!(dead, expected);
        let stats = s.inspector().stats().await.unwrap();
        assert_eq!((stats.processed, stats.failed, stats.unsettled()), (1, 0, 0));
    }

    async fn a_job_that_could_not_begin_is_kept_whatever_it_says_of_retries(s: Setup) {
        s.push_raw("default", r#"{"class":"Nope","args":[],"jid":"a","retry":false}"#).await;
        s.push_raw("default", r#"{"class":"Pay","args":["x"],"jid":"b","retry":false}"#).await;
        s.push_raw("default", r#"{"class":"Nope","args":[],"jid":"c","retry":0,"dead":false}"#).await;

        s.run(s.worker().concurrency(1), async |events| {
            events.failed("Pay").await;
            events.failed("Nope").await;
            events.failed("Nope").await;
        }).await;

        let mut retried: Vec<_> =
            s.set(JobSet::Retry).await.into_iter().map(|found| found.payload.unwrap().jid().to_string()).collect();
        retried.sort();
        assert_eq!(retried, ["a", "b"]);
        let dead = s.set(JobSet::Dead).await;
        assert_eq!(dead[0].payload.as_ref().unwrap().jid().as_str(), "c");
    }

    async fn a_back_off_that_panics_is_replaced_by_sidekiqs(s: Setup) {
        for _ in 0..3 {
            let _ = Pay::enqueue(100).on(&s.client).await.unwrap();
        }

        let worker = s.worker().concurrency(1).backoff(kiq::Backoff::custom(|_| panic!("no idea")));
        s.run(worker, async |events| {
            for _ in 0..3 { events.failed("Pay").await; }
        }).await;

        let retries = s.set(JobSet::Retry).await;
        assert_eq!(retries.len(), 3);
        let wait = retries[0].at.unwrap().since(START);
        assert!((15..25).contains(&wait.as_secs()), "{wait:?}");
    }
}

/// How often the server has refused a command for a key of another type.
pub fn refusals(connection: &mut ::redis::Connection) -> u64 {
    let stats: String = ::redis::cmd("INFO").arg("errorstats").query(connection).unwrap();
    let line = stats.lines().find_map(|line| line.strip_prefix("errorstat_WRONGTYPE:count="));
    line.map_or(0, |count| count.trim().parse().unwrap())
}

#[tokio::test]
async fn a_refused_end_of_a_job_that_others_took_over_is_not_taken_for_recorded() {
    let s = crate::setup::Setup::redis();
    let mut connection = s.server.as_ref().unwrap().connection();
    ::redis::cmd("SET").arg("dead").arg("text").exec(&mut connection).unwrap();
    let _ = Steal::enqueue(1).on(&s.client).await.unwrap();

    s.run(s.worker(), async |events| {
        events.started("Steal").await;
        while refusals(&mut connection) == 0 {
            tokio::task::yield_now().await;
        }
        // As when another process has reclaimed it.
        for keys in ["kiq:b:*", "kiq:idx:*"] {
            let keys: Vec<String> = ::redis::cmd("KEYS").arg(keys).query(&mut connection).unwrap();
            ::redis::cmd("DEL").arg(keys).exec(&mut connection).unwrap();
        }
        ::redis::cmd("DEL").arg("dead").exec(&mut connection).unwrap();
        let Event::Failed { next, .. } = events.failed("Steal").await else { unreachable!() };
        assert_eq!(next, Next::Stale);
    })
    .await;

    assert!(s.set(JobSet::Dead).await.is_empty());
}
