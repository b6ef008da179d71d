//! Jobs that run again are counted by cause, and a late success is not told as one.

use std::time::Duration;

use kiq::broker::{Beat, Identity, ProcessInfo};
use kiq::{Event, Reruns};
use kiq_testing::Events;

use crate::jobs::{Linger, Note, Steal};
use crate::setup::{START, Setup, on_every_broker};

/// What a worker has counted: reclaimed, lease lost, cut off, unheard.
fn counts(reruns: Reruns) -> [u64; 4] {
    [reruns.reclaimed, reruns.lease_lost, reruns.cut_off, reruns.unheard]
}

/// As when another process has reclaimed everything.
fn take_over(s: &Setup) {
    let mut connection = s.server.as_ref().unwrap().connection();
    for keys in ["kiq:b:*", "kiq:idx:*"] {
        let keys: Vec<String> = ::redis::cmd("KEYS").arg(keys).query(&mut connection).unwrap();
        ::redis::cmd("DEL").arg(keys).exec(&mut connection).unwrap();
    }
}

on_every_broker! {
    async fn a_job_that_is_cut_off_at_the_end_is_counted(s: Setup) {
        let _ = Linger::enqueue(3_600_000).on(&s.client).await.unwrap();
        let worker = s.worker().shutdown_timeout(Duration::from_millis(10)).build().unwrap();
        let (mut events, controls) = (Events::of(&worker), worker.controls());

        worker.run_until(async { events.started("Linger").await; }).await.unwrap();

        assert_eq!(counts(controls.reruns()), [0, 0, 1, 0]);
        assert_eq!(controls.reruns().total(), 1);
    }

    async fn the_jobs_of_a_process_that_is_gone_are_counted(s: Setup) {
        let _receipts = kiq::enqueue_all((0..3).map(|n| Note::new(n.to_string()))).on(&s.client).await.unwrap();
        let gone = s.client.broker().attach(Identity::of_this_process());
        let info = ProcessInfo { started_at: START, tag: String::new(), capsules: Vec::new(), embedded: true };
        let (work, lease) = (Vec::new(), Duration::from_millis(1));
        let beat = Beat { info: info.into(), work, quiet: false, lease, rss_kib: 0, at: START };
        // On a slow machine it runs out before the fetch.
        while gone.beat(&beat).await.and(gone.fetch(&["default".to_owned()], 2).await).map_or(0, |units| units.len()) < 2 {}
        s.clock.advance(Duration::from_secs(1));
        let worker = s.worker().lease(Duration::from_millis(300)).build().unwrap();
        let (mut events, controls) = (Events::of(&worker), worker.controls());

        worker.run_until(async {
            for _ in 0..3 {
                events.done("Note").await;
            }
        }).await.unwrap();

        assert_eq!(counts(controls.reruns()), [2, 0, 0, 0]);
    }
}

#[tokio::test]
async fn a_success_after_the_lease_is_told_as_stale_and_counted() {
    let s = Setup::redis();
    let _ = Linger::enqueue(0).on(&s.client).await.unwrap();
    let worker = s.worker().build().unwrap();
    let (mut events, mut rest, controls) = (Events::of(&worker), worker.events(), worker.controls());

    worker
        .run_until(async {
            events.started("Linger").await;
            take_over(&s);
        })
        .await
        .unwrap();

    assert_eq!(s.notes.all(), ["lingers 1", "lingered"]);
    assert_eq!(counts(controls.reruns()), [0, 1, 0, 0]);
    let mut told = Vec::new();
    while let Some(event) = rest.next().await {
        told.push(event);
    }
    assert!(told.iter().any(|event| matches!(event, Event::Stale { job, .. } if job.class() == "Linger")), "{told:?}");
    assert!(!told.iter().any(|event| matches!(event, Event::Done { .. })), "{told:?}");
    assert_eq!(s.inspector().stats().await.unwrap().processed, 0);
}

#[tokio::test]
async fn a_failure_after_the_lease_is_counted() {
    let s = Setup::redis();
    let mut connection = s.server.as_ref().unwrap().connection();
    ::redis::cmd("SET").arg("dead").arg("text").exec(&mut connection).unwrap();
    let _ = Steal::enqueue(1).on(&s.client).await.unwrap();
    let worker = s.worker().build().unwrap();
    let (mut events, controls) = (Events::of(&worker), worker.controls());

    worker
        .run_until(async {
            events.started("Steal").await;
            // It waits for the dead set, and meanwhile others take it.
            while crate::failing::refusals(&mut connection) == 0 {
                tokio::task::yield_now().await;
            }
            take_over(&s);
            ::redis::cmd("DEL").arg("dead").exec(&mut connection).unwrap();
            events.failed("Steal").await;
        })
        .await
        .unwrap();

    assert_eq!(counts(controls.reruns()), [0, 1, 0, 0]);
}
