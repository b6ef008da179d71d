//! Quiet and stop: running jobs end or are given back, and none is lost.

use std::time::Duration;

use kiq::Event;

use crate::jobs::{Linger, Note};
use crate::setup::on_every_broker;

on_every_broker! {
    async fn a_running_job_may_end_before_the_deadline(s: Setup) {
        let _ = Linger::enqueue(0).on(&s.client).await.unwrap();

        s.run(s.worker(), async |events| { events.started("Linger").await; }).await;

        assert_eq!(s.notes.all(), ["lingers 1", "lingered"]);
        let stats = s.inspector().stats().await.unwrap();
        assert_eq!((stats.processed, stats.unsettled(), stats.processes), (1, 0, 0));
    }

    /// A20: interrupted by a deploy is not failed.
    async fn a_job_beyond_the_deadline_is_given_back_and_runs_again(s: Setup) {
        let receipt = Linger::enqueue(3_600_000).on(&s.client).await.unwrap();
        let _ = Note::enqueue("behind it").on(&s.client).await.unwrap();

        let quick = s.worker().concurrency(1).shutdown_timeout(Duration::from_millis(10));
        s.run(quick, async |events| { events.started("Linger").await; }).await;

        let stats = s.inspector().stats().await.unwrap();
        assert_eq!((stats.processed, stats.enqueued, stats.in_flight, stats.processes), (0, 2, 0, 0));
        // It is the next to run, and an interrupted run is not a failed one.
        let next = s.inspector().queue("default", 0, 1).await.unwrap().remove(0).payload.unwrap();
        assert_eq!(next.jid(), &receipt.jid);
        assert_eq!(next.failures(), 0);
        let again = s.worker().concurrency(1).shutdown_timeout(Duration::from_millis(10));
        s.run(again, async |events| {
            let Event::Started { job } = events.started("Linger").await else { unreachable!() };
            assert_eq!((job.jid(), job.attempt()), (&receipt.jid, 1));
        }).await;
        assert_eq!(s.notes.all(), ["lingers 1", "lingers 1"]);
    }

    async fn a_quiet_worker_takes_no_more_jobs(s: Setup) {
        let worker = s.worker().build().unwrap();
        let mut events = kiq_testing::Events::of(&worker);
        let controls = worker.controls();

        worker.run_until(async {
            events.until(|event| matches!(event, Event::Ready)).await;
            controls.quiet();
            events.until(|event| matches!(event, Event::Quiet)).await;
            let _ = Note::enqueue("too late").on(&s.client).await.unwrap();
        }).await.unwrap();

        assert!(s.notes.all().is_empty());
        assert_eq!(s.inspector().stats().await.unwrap().enqueued, 1);
    }
}

static BLOCKED: std::sync::Mutex<Option<std::sync::mpsc::Receiver<()>>> = std::sync::Mutex::new(None);

/// Holds its thread, as an async function must not.
#[kiq::job]
async fn block_its_thread() {
    let release = BLOCKED.lock().unwrap().take().unwrap();
    let _ = release.recv();
}

/// With a thread for the worker beside the one that is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_job_that_holds_its_thread_does_not_hold_the_shutdown() {
    let s = crate::setup::Setup::memory();
    let (let_go, release) = std::sync::mpsc::channel();
    *BLOCKED.lock().unwrap() = Some(release);
    let receipt = BlockItsThread::enqueue().on(&s.client).await.unwrap();

    let worker = s.worker().shutdown_timeout(Duration::ZERO);
    s.run(worker, async |events| {
        events.started("BlockItsThread").await;
    })
    .await;

    let waiting = s.inspector().queue("default", 0, 10).await.unwrap();
    assert_eq!(waiting[0].payload.as_ref().unwrap().jid(), &receipt.jid);
    let_go.send(()).unwrap();
}
