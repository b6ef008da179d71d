//! Enqueued jobs run, once, with their arguments, in the order asked for.

use kiq::{Capsule, Event};

use crate::jobs::{Note, NoteBlocking, NoteHigh, NoteParent};
use crate::setup::on_every_broker;

on_every_broker! {
    async fn an_enqueued_job_runs_and_is_gone(s: Setup) {
        let receipt = Note::enqueue("hello").on(&s.client).await.unwrap();
        assert_eq!((receipt.queue.as_str(), receipt.at), ("default", None));

        s.run(s.worker(), async |events| {
            let Event::Done { job, .. } = events.done("Note").await else { unreachable!() };
            assert_eq!(job.jid(), &receipt.jid);
            assert_eq!(job.attempt(), 1);
        }).await;

        assert_eq!(s.notes.all(), ["hello"]);
        let stats = s.inspector().stats().await.unwrap();
        assert_eq!((stats.processed, stats.failed, stats.unsettled(), stats.dead), (1, 0, 0, 0));
    }

    async fn the_stored_payload_is_sidekiqs(s: Setup) {
        let receipt = NoteHigh::enqueue("x").on(&s.client).await.unwrap();

        let found = &s.inspector().queue("high", 0, 10).await.unwrap()[0];

        let text = String::from_utf8(found.bytes.clone()).unwrap();
        let jid = receipt.jid;
        assert_eq!(
            text,
            format!(
                r#"{{"class":"NoteHigh","args":["x"],"jid":"{jid}","queue":"high","retry":true,"created_at":1795452509.500000,"tags":["urgent"],"enqueued_at":1795452509.500000}}"#
            )
        );
    }

    async fn blocking_jobs_borrow_their_arguments(s: Setup) {
        let _ = NoteBlocking::enqueue(vec![1, -2], None).on(&s.client).await.unwrap();

        s.run(s.worker().queues(["low"]), async |events| { events.done("NoteBlocking").await; }).await;

        assert_eq!(s.notes.all(), ["[1, -2] None low 1"]);
    }

    async fn a_job_may_enqueue_others(s: Setup) {
        let _ = NoteParent::enqueue(2).on(&s.client).await.unwrap();

        s.run(s.worker().concurrency(1), async |events| {
            events.done("Note").await;
            events.done("Note").await;
        }).await;

        assert_eq!(s.notes.all(), ["parent", "child 0", "child 1"]);
    }

    async fn options_of_an_enqueue_win_over_those_of_the_job(s: Setup) {
        let jid = kiq::Jid::parse("order-7").unwrap();
        let receipt = NoteHigh::enqueue("x").queue("low").retry(2).tags(["slow"]).jid(jid).on(&s.client).await.unwrap();
        assert_eq!((receipt.queue.as_str(), receipt.jid.as_str()), ("low", "order-7"));

        let found = s.inspector().queue("low", 0, 10).await.unwrap().remove(0).payload.unwrap();
        assert_eq!(found.retry(), Some(kiq::Retry::Max(2)));
        assert_eq!(found.tags(), ["slow"]);
    }

    async fn strict_order_empties_the_first_queue_first(s: Setup) {
        for n in 0..3 {
            let _ = Note::enqueue(format!("default {n}")).on(&s.client).await.unwrap();
            let _ = NoteHigh::enqueue(format!("high {n}")).on(&s.client).await.unwrap();
        }

        s.run(s.worker().queues(["high", "default"]).concurrency(1), async |events| {
            for _ in 0..3 { events.done("NoteHigh").await; }
            for _ in 0..3 { events.done("Note").await; }
        }).await;

        assert_eq!(s.notes.all(), ["high 0", "high 1", "high 2", "default 0", "default 1", "default 2"]);
    }

    async fn each_capsule_serves_its_own_queues(s: Setup) {
        let _ = Note::enqueue("main").on(&s.client).await.unwrap();
        let _ = NoteHigh::enqueue("other").on(&s.client).await.unwrap();

        s.run(s.worker().capsule(Capsule::new("urgent").queues(["high"]).concurrency(1)), async |events| {
            let (mut main, mut other) = (false, false);
            while !(main && other) {
                let Event::Done { job, .. } = events.until(|e| matches!(e, Event::Done { .. })).await else { unreachable!() };
                main |= job.class() == "Note";
                other |= job.class() == "NoteHigh";
            }
        }).await;
    }

    async fn a_bulk_of_2500_runs_each_job_once(s: Setup) {
        let receipts = kiq::enqueue_all((0..2500).map(|n| Note::new(n.to_string()))).on(&s.client).await.unwrap();
        assert_eq!(receipts.len(), 2500);

        s.run(s.worker().concurrency(50), async |events| {
            for _ in 0..2500 { events.done("Note").await; }
        }).await;

        let mut ran: Vec<u32> = s.notes.all().iter().map(|note| note.parse().unwrap()).collect();
        ran.sort_unstable();
        assert_eq!(ran, (0..2500).collect::<Vec<_>>());
        let stats = s.inspector().stats().await.unwrap();
        assert_eq!((stats.processed, stats.failed, stats.unsettled()), (2500, 0, 0));
    }
}
