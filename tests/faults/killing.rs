//! Processes that are killed or frozen, at points of their work that a proxy holds them at.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use kiq_testing::{Cause, Fault, FaultProxy};

use crate::setup::{Bench, CONCURRENCY, LONG, SHORT, signal};

/// F1: killed with jobs in flight, again and again.
#[tokio::test]
async fn jobs_of_killed_processes_run_again_and_none_is_lost() {
    const JOBS: usize = 600;
    const KILLS: usize = 4;
    let b = Bench::new();
    b.stored_all(JOBS, "quick").await;

    let mut other = b.spawn(&b.server.url(), SHORT);
    for kill in 1..=KILLS {
        let mut process = b.spawn(&b.server.url(), SHORT);
        b.started_any(JOBS * kill / (2 * KILLS)).await;
        process.kill();
    }
    b.settled().await;
    other.kill();

    let audit = b.audit();
    assert_eq!(audit.enqueued, (JOBS, 0, 0));
    assert!(audit.reruns.keys().all(|cause| *cause == Cause::Died), "{audit}");
}

/// F2: killed when the store has handed out a job and the process does not know yet.
#[tokio::test]
async fn a_process_killed_before_it_heard_of_its_job_costs_no_run() {
    let b = Bench::new();
    let proxy = FaultProxy::to(b.server.port());
    // From the first fetch on, so that no connection of it waits to be handed a job either.
    proxy.trap_all(b.script("fetch"), Fault::HoldReply);
    let mut first = b.spawn(&proxy.url(), SHORT);
    b.until(|stats| stats.processes == 1).await;
    let jid = b.stored("quick").await;
    b.until(|stats| stats.in_flight == 1).await;
    first.kill();
    assert_eq!(b.runs_of(&jid), 0);

    let mut second = b.spawn(&b.server.url(), SHORT);
    b.settled().await;
    second.kill();

    assert_eq!(b.runs_of(&jid), 1);
    b.audit();
}

/// F3: killed when the job's function has ended and the store does not know yet.
#[tokio::test]
async fn a_job_that_ended_unheard_runs_once_more() {
    let b = Bench::new();
    let proxy = FaultProxy::to(b.server.port());
    proxy.trap(b.script("ack"), Fault::HoldRequest);
    let mut first = b.spawn(&proxy.url(), SHORT);
    let jid = b.stored("quick").await;
    proxy.sprung().await;
    first.kill();

    let mut second = b.spawn(&b.server.url(), SHORT);
    b.settled().await;
    second.kill();

    assert_eq!(b.runs_of(&jid), 2);
    assert_eq!(b.audit().reruns.get(&Cause::Died), Some(&1));
}

/// F4: killed inside the write of a retry, before the store knows and after.
#[tokio::test]
async fn a_process_killed_while_it_writes_a_retry_leaves_one() {
    for (fault, runs) in [(Fault::HoldRequest, 2), (Fault::HoldReply, 1)] {
        let b = Bench::new();
        let proxy = FaultProxy::to(b.server.port());
        proxy.trap(b.script("settle"), fault.clone());
        let late = [("KIQ_FAULTS_BACKOFF_MS", LONG.as_millis().to_string())];
        let mut first = b.spawn_with(&proxy.url(), SHORT, &late);
        let jid = b.stored("fail").await;
        proxy.sprung().await;
        first.kill();

        let mut second = b.spawn_with(&b.server.url(), SHORT, &late);
        b.until(|stats| stats.retries == 1 && stats.unsettled() == 1 && stats.processes == 1).await;
        second.kill();

        assert_eq!(b.runs_of(&jid), runs, "{fault:?}");
        assert_eq!(b.census().places(jid.as_str()), ["retry"], "{fault:?}");
    }
}

/// F5: killed while due jobs are moved to their queues, before the store knows and after.
#[tokio::test]
async fn no_due_job_is_gone_when_the_process_that_moves_it_is_killed() {
    const JOBS: usize = 40;
    for fault in [Fault::HoldRequest, Fault::HoldReply] {
        let b = Bench::new();
        for _ in 0..JOBS {
            let jid = b.stored("quick").await;
            // As if it had been scheduled: the oldest of the queue becomes due long ago.
            let mut redis = b.server.connection();
            let job: Vec<u8> = redis::cmd("RPOP").arg("queue:default").query(&mut redis).unwrap();
            redis::cmd("ZADD").arg("schedule").arg(1).arg(job).exec(&mut redis).unwrap();
            assert_eq!(b.census().places(jid.as_str()), ["schedule"]);
        }
        for _ in 0..3 {
            let proxy = FaultProxy::to(b.server.port());
            proxy.trap(b.script("promote"), fault.clone());
            let mut process = b.spawn(&proxy.url(), SHORT);
            let moved = tokio::time::timeout(Duration::from_secs(2), proxy.sprung());
            // The first one to be released has moved them all.
            let _ = moved.await;
            process.kill();
        }
        let mut last = b.spawn(&b.server.url(), SHORT);
        b.settled().await;
        last.kill();
        assert_eq!(b.audit().enqueued.0, JOBS);
    }
}

/// F6: all workers killed at once and started together.
#[tokio::test]
async fn orphans_come_back_once_when_all_processes_die_together() {
    const JOBS: usize = 300;
    let b = Bench::new();
    b.stored_all(JOBS, "quick").await;
    let mut all: Vec<_> = (0..4).map(|_| b.spawn(&b.server.url(), SHORT)).collect();
    b.started_any(JOBS / 4).await;
    all.iter_mut().for_each(crate::setup::Process::kill);

    let mut all: Vec<_> = (0..4).map(|_| b.spawn(&b.server.url(), SHORT)).collect();
    b.settled().await;
    all.iter_mut().for_each(crate::setup::Process::kill);

    b.audit();
}

/// F7: killed while it puts back what a dead process held, before the store knows and after.
#[tokio::test]
async fn a_sweep_that_is_broken_off_is_finished_by_the_next() {
    for fault in [Fault::HoldRequest, Fault::HoldReply] {
        let b = Bench::new();
        let jid = b.stored(&b.hold()).await;
        let mut lost = b.spawn(&b.server.url(), SHORT);
        b.started(&jid, 1).await;
        lost.kill();

        let proxy = FaultProxy::to(b.server.port());
        proxy.trap(b.script("release"), fault.clone());
        let mut sweeper = b.spawn(&proxy.url(), SHORT);
        proxy.sprung().await;
        sweeper.kill();
        b.let_go();
        let mut last = b.spawn(&b.server.url(), SHORT);
        b.settled().await;
        last.kill();

        // The first run, and one more of whoever got it; the killed sweeper may have begun it, too.
        let runs = b.runs_of(&jid);
        assert!((2..=3).contains(&runs), "{fault:?}: {runs}");
        b.audit();
    }
}

/// F8: frozen for longer than its lease, then resumed.
#[tokio::test]
async fn what_a_process_says_of_a_job_it_lost_changes_nothing() {
    let b = Bench::new();
    let jid = b.stored(&b.hold()).await;
    let mut frozen = b.spawn(&b.server.url(), SHORT);
    b.started(&jid, 1).await;
    frozen.freeze();
    let mut other = b.spawn(&b.server.url(), SHORT);
    b.started(&jid, 2).await;

    b.let_go();
    b.settled().await;
    frozen.signal("CONT");
    // It runs to its end, and says so.
    let pid = frozen.pid();
    b.ledger
        .until(|entries| {
            entries.iter().any(|entry| matches!(entry, kiq_testing::Entry::End { run, .. } if run.pid == pid))
        })
        .await;
    // It is a worker again like any other.
    let next = b.stored("quick").await;
    b.started(&next, 1).await;
    b.settled().await;
    for process in [&mut frozen, &mut other] {
        process.signal("TERM");
        assert!(process.ended().await.success());
    }

    assert_eq!(b.runs_of(&jid), 2);
    let audit = b.audit();
    assert_eq!(audit.reruns.get(&Cause::Frozen), Some(&1));
}

/// F9: frozen for less than its lease. F10: its runtime blocked, for many times its lease.
#[tokio::test]
async fn a_process_that_is_slow_keeps_its_jobs() {
    let b = Bench::new();
    let spin = b.hold().replace("hold", "spin");
    // As many as it has processors, so that no other job waits in it; two of them occupy both threads of its runtime.
    b.stored_all(CONCURRENCY, &spin).await;
    let mut blocked = b.spawn(&b.server.url(), SHORT);
    b.started_any(2).await;
    b.until(|stats| stats.in_flight == CONCURRENCY).await;
    let mut other = b.spawn(&b.server.url(), SHORT);
    b.until(|stats| stats.processes == 2).await;
    // The other looks for lost jobs three times a lease.
    b.looks_after(blocked.pid(), 10).await;
    b.let_go();
    b.settled().await;
    for process in [&mut blocked, &mut other] {
        process.kill();
    }

    assert_eq!(b.audit().reruns.len(), 0);

    let b = Bench::new();
    let lease = Duration::from_secs(6);
    b.stored_all(CONCURRENCY, &b.hold()).await;
    let mut slow = b.spawn(&b.server.url(), lease);
    b.started_any(CONCURRENCY).await;
    slow.signal("STOP");
    let mut other = b.spawn(&b.server.url(), SHORT);
    b.looks_after(slow.pid(), 3).await;
    slow.signal("CONT");
    b.let_go();
    b.settled().await;
    slow.kill();
    other.kill();

    assert_eq!(b.audit().reruns.len(), 0);
}

/// F11: a process that is given a twentieth of a processor, in slices of 5 ms.
#[tokio::test]
async fn a_starved_process_keeps_its_lease_and_does_its_jobs() {
    const JOBS: usize = 60;
    let b = Bench::new();
    let lease = Duration::from_secs(3);
    b.stored_all(CONCURRENCY, &b.hold()).await;
    let mut starved = b.spawn(&b.server.url(), lease);
    b.started_any(CONCURRENCY).await;
    let starving = Starving::of(starved.pid());
    let mut other = b.spawn(&b.server.url(), SHORT);

    // It holds these for several leases, and nobody takes them from it.
    b.looks_after(starved.pid(), 40).await;
    b.stored_all(JOBS, "quick").await;
    b.let_go();
    b.settled().await;
    drop(starving);
    for process in [&mut starved, &mut other] {
        process.signal("TERM");
        assert!(process.ended().await.success());
    }

    assert_eq!(b.audit().reruns.len(), 0);
}

/// Stops a process nineteen twentieths of the time, until it is dropped.
struct Starving {
    end: mpsc::Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Starving {
    fn of(pid: u32) -> Self {
        let (end, ended) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            loop {
                signal(pid, "STOP");
                let over = ended.recv_timeout(Duration::from_millis(95)).err() == Some(RecvTimeoutError::Disconnected);
                signal(pid, "CONT");
                if over {
                    return;
                }
                let _ = ended.recv_timeout(Duration::from_millis(5));
            }
        });
        Starving { end, thread: Some(thread) }
    }
}

impl Drop for Starving {
    fn drop(&mut self) {
        drop(std::mem::replace(&mut self.end, mpsc::channel().0));
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_none_or(|ended| ended.is_ok()));
    }
}
