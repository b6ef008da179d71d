//! Jobs for later.

use std::time::Duration;

use kiq::{EnqueueError, Event, JobSet, Timestamp};

use crate::jobs::Note;
use crate::setup::{START, on_every_broker};

on_every_broker! {
    async fn a_delayed_job_waits_for_its_time(s: Setup) {
        let receipt = Note::enqueue("later").delay(Duration::from_secs(3600)).on(&s.client).await.unwrap();
        assert_eq!(receipt.at, Some(START + Duration::from_secs(3600)));
        let waiting = s.set(JobSet::Scheduled).await;
        assert_eq!(waiting[0].at, receipt.at);
        assert!(waiting[0].payload.as_ref().unwrap().enqueued_at().is_none());

        let _ = Note::enqueue("now").on(&s.client).await.unwrap();
        s.run(s.worker(), async |events| {
            events.done("Note").await;
            assert_eq!(s.notes.all(), ["now"]);
            s.clock.advance(Duration::from_secs(3600));
            let Event::Done { job, .. } = events.done("Note").await else { unreachable!() };
            assert_eq!(job.jid(), &receipt.jid);
            assert_eq!(job.payload().created_at(), Some(START));
            assert!(job.payload().enqueued_at().unwrap() >= START + Duration::from_secs(3600));
        }).await;

        assert_eq!(s.notes.all(), ["now", "later"]);
    }

    async fn a_time_that_has_passed_is_now(s: Setup) {
        let receipt = Note::enqueue("x").at(START - Duration::from_secs(1)).on(&s.client).await.unwrap();

        assert_eq!(receipt.at, None);
        assert_eq!(s.inspector().queue("default", 0, 10).await.unwrap().len(), 1);
    }

    async fn a_time_nobody_can_write_is_refused(s: Setup) {
        let far = Note::enqueue("x").at(Timestamp::from_micros(i64::MAX)).on(&s.client).await.unwrap_err();
        assert!(matches!(far, EnqueueError::InvalidTime { .. }), "{far}");
        let long = Note::enqueue("x").delay(Duration::MAX).on(&s.client).await.unwrap_err();
        assert!(matches!(long, EnqueueError::InvalidTime { .. }), "{long}");
        assert_eq!(s.inspector().stats().await.unwrap().unsettled(), 0);
    }

    async fn an_enqueue_that_no_reader_could_take_is_refused(s: Setup) {
        let queue = Note::enqueue("x").queue("very high").on(&s.client).await.unwrap_err();
        assert_eq!(queue.to_string(), "\"very high\" cannot be a queue: queue name must not contain ' '");
        let large = Note::enqueue("x".repeat(2_000_000)).on(&s.client).await.unwrap_err();
        assert!(matches!(large, EnqueueError::TooLarge { size: 2_000_000.., limit: 1_048_576, .. }), "{large}");
        assert_eq!(s.inspector().stats().await.unwrap().unsettled(), 0);
    }
}
