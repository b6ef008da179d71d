//! Jobs that take their process along, and jobs that panic.

use kiq::{Event, JobSet};

use crate::jobs::{Task, Unkept};
use crate::setup::{Bench, CONCURRENCY, SHORT};

/// Starts worker after worker until all is settled; answers how many died.
async fn deaths(b: &Bench) -> usize {
    let mut deaths = 0;
    loop {
        let mut process = b.spawn(&b.server.url(), SHORT);
        let is_settled = tokio::select! {
            status = process.ended() => {
                assert!(!status.success());
                false
            }
            () = b.settled() => true,
        };
        if is_settled {
            process.kill();
            return deaths;
        }
        deaths += 1;
        assert!(deaths <= 3, "the job goes on killing");
    }
}

/// F12: `abort()`, `exit(1)`, an endless recursion.
#[tokio::test]
async fn a_job_that_kills_its_process_is_dead_after_three_however_it_kills() {
    for how in ["abort", "exit", "overflow"] {
        let b = Bench::new();
        b.stored_all(20, "quick").await;
        let poison = b.stored(how).await;
        b.stored_all(20, "quick").await;

        assert_eq!(deaths(&b).await, 3, "{how}");

        let dead = kiq::Inspector::new(&b.client).set(JobSet::Dead, 0, 10).await.unwrap();
        let job = dead[0].payload.as_ref().unwrap();
        assert_eq!((dead.len(), job.jid()), (1, &poison), "{how}");
        let reason = job.get::<String>("error_message").unwrap();
        assert_eq!(reason, "poison: its process died 3 times while it ran");
        b.audit();
    }
}

/// F13: the same job when it is not to be kept.
#[tokio::test]
async fn poison_that_is_not_kept_ends_after_three_too() {
    let b = Bench::new();
    let _ = Unkept::enqueue("abort").on(&b.client).await.unwrap();

    assert_eq!(deaths(&b).await, 3);

    let stats = kiq::Inspector::new(&b.client).stats().await.unwrap();
    assert_eq!((stats.unsettled(), stats.dead, stats.processed, stats.failed), (0, 0, 1, 1));
}

/// F14: 10,000 panics, of text, of another value, and while something is dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_panics_cost_no_capacity_and_no_job() {
    const JOBS: usize = 10_000;
    let b = Bench::new();
    for (count, what) in [(JOBS - 200, "panic"), (100, "panic value"), (100, "panic drop")] {
        let _ = kiq::enqueue_all((0..count).map(|_| Task::new(what))).on(&b.client).await.unwrap();
    }
    std::panic::set_hook(Box::new(|_| {}));
    let worker = b.worker(&b.server.url()).backoff(kiq::Backoff::custom(|_| crate::setup::LONG));

    b.run(worker, async |events| {
        for _ in 0..JOBS {
            events.failed("Task").await;
        }
        // As many as it has processors, and all at once.
        for _ in 0..CONCURRENCY {
            b.stored(&b.hold()).await;
        }
        for _ in 0..CONCURRENCY {
            events
                .until(|event| matches!(event, Event::Started { job } if job.payload().args().get().contains("hold")))
                .await;
        }
        b.let_go();
        for _ in 0..CONCURRENCY {
            events.done("Task").await;
        }
    })
    .await;

    let stats = kiq::Inspector::new(&b.client).stats().await.unwrap();
    assert_eq!((stats.retries, stats.unsettled(), stats.failed), (JOBS, JOBS, JOBS as u64));
    assert_eq!(stats.processed, (JOBS + CONCURRENCY) as u64);
}
