//! Signals.

use std::time::{Duration, Instant};

use kiq_testing::{Cause, Entry};

use crate::jobs::BlockingTask;
use crate::setup::{Bench, CONCURRENCY, LONG, SHORT};

/// F15: told to stop, with jobs that do not end in time.
#[tokio::test]
async fn long_jobs_are_given_back_at_the_deadline_and_run_next() {
    const TIMEOUT: Duration = Duration::from_secs(1);
    let b = Bench::new();
    // One for each processor, so that none is free for the quick one.
    let long = b.stored_all(CONCURRENCY - 1, &b.hold()).await;
    let gate = b.gate().display().to_string();
    let blocking = BlockingTask::enqueue(gate).on(&b.client).await.unwrap().jid;
    b.ledger.note(&Entry::Stored { jid: blocking.to_string() });
    let timeout = [("KIQ_FAULTS_TIMEOUT_MS", TIMEOUT.as_millis().to_string())];
    let mut first = b.spawn_with(&b.server.url(), LONG, &timeout);
    for jid in long.iter().chain([&blocking]) {
        b.started(jid, 1).await;
    }
    first.signal("TSTP");
    b.stored("quick").await;

    let told = Instant::now();
    first.signal("TERM");
    assert!(first.ended().await.success());
    // What it waits for, and what it may take to say good-bye on a machine that is busy.
    assert!(told.elapsed() < TIMEOUT + Duration::from_secs(10), "{:?}", told.elapsed());

    let inspector = kiq::Inspector::new(&b.client);
    let waiting = inspector.queue("default", 0, 10).await.unwrap();
    let waiting: Vec<_> = waiting.iter().map(|job| job.payload.as_ref().unwrap().jid().clone()).collect();
    assert_eq!(waiting.len(), CONCURRENCY + 1);
    assert!(
        long.iter().chain([&blocking]).all(|jid| waiting[..CONCURRENCY].contains(jid)),
        "they run next: {waiting:?}"
    );
    b.let_go();
    let mut second = b.spawn(&b.server.url(), SHORT);
    b.settled().await;
    second.kill();
    assert_eq!(b.audit().reruns.get(&Cause::Stopped), Some(&CONCURRENCY));
}

/// F16: signals in every order people and platforms send them.
#[tokio::test]
async fn one_shutdown_whatever_signals_come() {
    let rows: [(&str, &[&str]); 5] = [
        ("five times", &["TERM", "TERM", "TERM", "TERM", "TERM"]),
        ("by the terminal", &["INT"]),
        ("quiet first", &["TSTP", "TERM"]),
        ("asked meanwhile", &["TTIN", "TERM", "TTIN"]),
        ("out of patience", &["TERM", "KILL"]),
    ];
    for (name, signals) in rows {
        let b = Bench::new();
        b.stored_all(200, "quick").await;
        let held = b.stored(&b.hold()).await;
        let timeout = [("KIQ_FAULTS_TIMEOUT_MS", "300".to_owned())];
        let mut first = b.spawn_with(&b.server.url(), SHORT, &timeout);
        b.started(&held, 1).await;
        for signal in signals {
            first.signal(signal);
        }
        let is_killed = signals.contains(&"KILL");
        assert_eq!(first.ended().await.success(), !is_killed, "{name}");

        b.let_go();
        let mut second = b.spawn(&b.server.url(), SHORT);
        b.settled().await;
        second.kill();
        b.audit();
    }
}
