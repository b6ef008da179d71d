//! What an operator sees of a worker and does to it while it runs.

use std::time::Duration;

use kiq::Event;

use crate::jobs::Note;
use crate::setup::{Setup, on_every_broker};

/// Its heartbeats come once a second.
fn worker(s: &Setup) -> kiq::WorkerBuilder {
    s.worker().lease(Duration::from_secs(3)).queues(["high", "low"])
}

on_every_broker! {
    async fn a_paused_queue_is_left_alone_from_the_start_until_it_is_resumed(s: Setup) {
        let inspector = s.inspector();
        inspector.pause("high").await.unwrap();
        let _ = Note::enqueue("paused").queue("high").on(&s.client).await.unwrap();
        let _ = Note::enqueue("open").queue("low").on(&s.client).await.unwrap();

        s.run(worker(&s), async |events| {
            events.done("Note").await;
            assert_eq!(s.notes.all(), ["open"]);
            inspector.resume("high").await.unwrap();
            events.done("Note").await;
        }).await;

        assert_eq!(s.notes.all(), ["open", "paused"]);
    }

    async fn a_queue_paused_under_way_is_left_alone_and_the_other_is_not(s: Setup) {
        let inspector = s.inspector();
        s.run(worker(&s), async |events| {
            events.until(|event| matches!(event, Event::Ready)).await;
            inspector.pause("high").await.unwrap();
            events.until(|event| matches!(event, Event::Paused { queues } if queues == &["high"])).await;

            let _ = Note::enqueue("paused").queue("high").on(&s.client).await.unwrap();
            for _ in 0..20 {
                let _ = Note::enqueue("open").queue("low").on(&s.client).await.unwrap();
                events.done("Note").await;
            }
            assert_eq!(inspector.queue("high", 0, 9).await.unwrap().len(), 1);

            inspector.pause("low").await.unwrap();
            events.until(|event| matches!(event, Event::Paused { queues } if queues.len() == 2)).await;
            let _ = Note::enqueue("paused too").queue("low").on(&s.client).await.unwrap();
            inspector.resume("high").await.unwrap();
            events.done("Note").await;
            assert_eq!(s.notes.all().last().map(String::as_str), Some("paused"));
            assert_eq!(inspector.queue("low", 0, 9).await.unwrap().len(), 1);
        }).await;
    }

    async fn what_ran_is_counted_by_class_when_the_worker_has_stopped(s: Setup) {
        for text in ["one", "two"] {
            let _ = Note::enqueue(text).on(&s.client).await.unwrap();
        }
        s.push_raw("default", r#"{"class":"Unknown","args":[],"jid":"u1"}"#).await;

        s.run(s.worker(), async |events| {
            events.done("Note").await;
            events.done("Note").await;
            events.failed("Unknown").await;
        }).await;

        let totals = s.inspector().runs(Duration::ZERO).await.unwrap().totals();
        let counts: Vec<_> = totals.iter().map(|one| (&*one.class, one.runs, one.failures)).collect();
        assert!(counts.contains(&("Note", 2, 0)) && counts.contains(&("Unknown", 1, 1)), "{counts:?}");
        let histogram = s.inspector().histogram("Note", Duration::ZERO).await.unwrap();
        assert_eq!(histogram.total().count(), 2);
    }
}
