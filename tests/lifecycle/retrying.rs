//! What a job says of its own retries and its end: `retry_for`, `retry_in`, `retry_queue`, `on_exhausted`, `aliases`.

use std::time::Duration;

use kiq::{Event, JobSet, Next};

use crate::jobs::{Bury, Haggle, Insist, MoveOver, Note, Renamed, Strict, Surrender, Unlucky};
use crate::setup::{START, on_every_broker};

/// What became of the job that failed next.
async fn next(events: &mut kiq_testing::Events, class: &str) -> Next {
    let Event::Failed { next, .. } = events.failed(class).await else { unreachable!() };
    next
}

on_every_broker! {
    /// A22: so long in place of so often.
    async fn retry_for_goes_by_the_time_since_the_first_failure(s: Setup) {
        let _ = Insist::enqueue().on(&s.client).await.unwrap();

        s.run(s.worker(), async |events| {
            // The test's back-off waits 60, 120, … seconds; the job asks for four minutes.
            for wait in [60, 120, 180] {
                assert!(matches!(next(events, "Insist").await, Next::Retry { .. }), "{wait}");
                s.clock.advance(Duration::from_secs(wait));
            }
            assert_eq!(next(events, "Insist").await, Next::Dead);
        }).await;

        let job = s.set(JobSet::Dead).await.remove(0).payload.unwrap();
        assert_eq!((job.raw("retry_for").unwrap().get(), job.raw("retry").unwrap().get()), ("240", "true"));
        assert_eq!(job.time("failed_at").unwrap().since(START), Duration::ZERO);
    }

    async fn a_count_at_the_enqueue_stands_in_for_retry_for(s: Setup) {
        let _ = Insist::enqueue().retry(0).on(&s.client).await.unwrap();

        s.run(s.worker(), async |events| assert_eq!(next(events, "Insist").await, Next::Dead)).await;

        assert!(s.set(JobSet::Dead).await.remove(0).payload.unwrap().raw("retry_for").is_none());
    }

    async fn retry_in_decides_by_the_error(s: Setup) {
        for status in [429, 400, 410, 500] {
            let _ = Haggle::enqueue(status).on(&s.client).await.unwrap();
        }

        s.run(s.worker().concurrency(1), async |events| {
            let Next::Retry { at } = next(events, "Haggle").await else { panic!() };
            // The answer was 600 s; up to ten seconds of luck are added.
            let wait = at.since(START).as_secs();
            assert!((600..610).contains(&wait), "{wait}");
            assert_eq!(next(events, "Haggle").await, Next::Dead);
            assert_eq!(next(events, "Haggle").await, Next::Discarded);
            assert_eq!(next(events, "Haggle").await, Next::Retry { at: START + Duration::from_secs(60) });
        }).await;

        // The end of a job is told to it when its retries are used up, and when it is killed, but not when it is discarded.
        assert_eq!(s.notes.all(), ["asked about 429 after 0 retries", "asked about 400 after 0 retries", "end of 400",
            "asked about 410 after 0 retries", "asked about 500 after 0 retries"]);
    }

    async fn retry_in_is_asked_about_panics_and_time_limits_too(s: Setup) {
        let _ = Surrender::enqueue("panic").on(&s.client).await.unwrap();
        let _ = Surrender::enqueue("hang").on(&s.client).await.unwrap();
        let _ = Surrender::enqueue("text").on(&s.client).await.unwrap();
        s.push_raw("default", r#"{"class":"Surrender","args":[1],"jid":"a","retry":true}"#).await;

        s.run(s.worker().concurrency(1), async |events| {
            for _ in 0..4 {
                assert_eq!(next(events, "Surrender").await, Next::Dead);
            }
        }).await;

        assert_eq!(s.set(JobSet::Dead).await.len(), 4);
    }

    /// P16: `on_arg_error = dead`, whatever the payload says of retries; what fails in the run is retried as ever.
    async fn arguments_that_do_not_fit_kill_a_job_that_says_so(s: Setup) {
        for (jid, args, retry) in [("a", "[1]", "true"), ("b", "[]", "25"), ("c", r#"["x",2]"#, "false")] {
            s.push_raw("default", &format!(r#"{{"class":"Strict","args":{args},"jid":"{jid}","retry":{retry},"dead":false}}"#)).await;
        }
        let _ = Strict::enqueue("fails").on(&s.client).await.unwrap();

        s.run(s.worker().concurrency(1), async |events| {
            for _ in 0..3 {
                assert_eq!(next(events, "Strict").await, Next::Dead);
            }
            assert!(matches!(next(events, "Strict").await, Next::Retry { .. }));
        }).await;

        let mut dead = s.set(JobSet::Dead).await;
        dead.sort_by_key(|job| job.payload.as_ref().unwrap().jid().to_string());
        let texts = ["[1]", "[]", r#"["x",2]"#];
        for (job, args) in dead.iter().map(|job| job.payload.as_ref().unwrap()).zip(texts) {
            assert_eq!(job.args().get(), args);
            assert_eq!(job.get::<String>("error_class").as_deref(), Some("kiq::ArgsError"));
        }
        assert_eq!((dead.len(), s.set(JobSet::Retry).await.len()), (3, 1));
    }

    async fn a_retry_in_that_panics_leaves_the_default_and_the_error(s: Setup) {
        let _ = Unlucky::enqueue().on(&s.client).await.unwrap();

        s.run(s.worker(), async |events| {
            assert_eq!(next(events, "Unlucky").await, Next::Retry { at: START + Duration::from_secs(60) });
        }).await;

        let job = s.set(JobSet::Retry).await.remove(0).payload.unwrap();
        assert_eq!(job.get::<String>("error_message").as_deref(), Some("the service is down"));
    }

    /// A22: where a job's retries go.
    async fn retries_go_to_the_retry_queue(s: Setup) {
        let _ = MoveOver::enqueue().on(&s.client).await.unwrap();

        s.run(s.worker().queues(["default", "slow"]), async |events| {
            assert!(matches!(next(events, "MoveOver").await, Next::Retry { .. }));
            s.clock.advance(Duration::from_secs(60));
            events.done("MoveOver").await;
        }).await;

        assert_eq!(s.notes.all(), ["in default", "in slow"]);
    }

    async fn the_end_of_a_job_is_told_to_it_once(s: Setup) {
        for how in ["dead", "panic", "error", "hang"] {
            let _ = Bury::enqueue(how).on(&s.client).await.unwrap();
        }
        let _ = Bury::enqueue("dropped").no_retry().on(&s.client).await.unwrap();
        let _ = Note::enqueue("the processor goes on").on(&s.client).await.unwrap();

        s.run(s.worker().concurrency(1), async |events| {
            for _ in 0..4 {
                assert!(matches!(next(events, "Bury").await, Next::Retry { .. }));
            }
            assert_eq!(next(events, "Bury").await, Next::Discarded);
            events.done("Note").await;
            s.clock.advance(Duration::from_secs(60));
            for _ in 0..4 {
                assert_eq!(next(events, "Bury").await, Next::Dead);
            }
        }).await;

        let mut notes = s.notes.all();
        notes.sort();
        assert_eq!(notes, [
            "end of dead: the service is down, kept, 2 runs",
            "end of dropped: the service is down, not kept, 1 runs",
            "end of error: the service is down, kept, 2 runs",
            "end of hang: the service is down, kept, 2 runs",
            "end of panic: the service is down, kept, 2 runs",
            "the processor goes on",
        ]);
        assert_eq!(s.set(JobSet::Dead).await.len(), 4);
    }

    async fn a_job_is_found_under_the_names_it_had(s: Setup) {
        let _ = Renamed::enqueue(1).on(&s.client).await.unwrap();
        s.push_raw("default", r#"{"class":"Legacy::Old","args":[2],"jid":"a","retry":true}"#).await;
        s.push_raw("default", r#"{"class":"Older","args":["x"],"jid":"b","retry":true}"#).await;

        s.run(s.worker().concurrency(1), async |events| {
            events.done("Renamed").await;
            events.done("Legacy::Old").await;
            events.failed("Older").await;
        }).await;

        assert_eq!(s.notes.all(), ["Renamed 1", "Legacy::Old 2"]);
        // What is stored keeps the name it was stored under.
        let job = s.set(JobSet::Retry).await.remove(0).payload.unwrap();
        assert_eq!(job.class(), "Older");
        assert!(job.get::<String>("error_message").unwrap().starts_with("Renamed: argument 0 `id`"));
    }
}
