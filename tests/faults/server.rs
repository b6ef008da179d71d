//! A Redis that dies, is full, cannot save, forgets, or is emptied.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kiq::broker::Broker as _;
use kiq::{BrokerError, Clock, EnqueueError, RedisBroker, Timestamp};
use kiq_testing::RedisServer;

use crate::setup::Bench;

/// F18: killed and started again under load, with a producer that goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_restarted_loses_nothing_it_acknowledged() {
    let mut b = Bench::on(RedisServer::with_aof());
    // Long enough to outlive the restarts, short enough to find soon what a fetch lost in one.
    let worker = b.spawn(&b.server.url(), Duration::from_secs(6));
    let is_over = Arc::new(AtomicBool::new(false));
    // A ledger and a client of its own: the bench is needed to kill the server.
    let producer = {
        let (is_over, url) = (Arc::clone(&is_over), b.server.url());
        let ledger = kiq_testing::Ledger::open(b.ledger.path());
        tokio::spawn(async move {
            let client = kiq::Client::connect(&url).unwrap();
            let mut stored = 0;
            while !is_over.load(Ordering::Relaxed) {
                let jid = kiq::Jid::random();
                let text = jid.to_string();
                ledger.note(&match crate::jobs::Task::enqueue("quick").jid(jid).on(&client).await {
                    Ok(_) => {
                        stored += 1;
                        kiq_testing::Entry::Stored { jid: text }
                    }
                    Err(EnqueueError::Unknown { .. }) => kiq_testing::Entry::Unknown { jid: text },
                    Err(_) => kiq_testing::Entry::Rejected { jid: text },
                });
            }
            stored
        })
    };

    for kill in 1..=3 {
        b.started_any(50 * kill).await;
        b.server.restart();
    }
    b.started_any(250).await;
    is_over.store(true, Ordering::Relaxed);
    let stored = producer.await.unwrap();
    b.settled().await;
    drop(worker);

    let audit = b.audit();
    assert_eq!(audit.enqueued.0, stored);
    assert!(audit.reruns.is_empty(), "{audit}");
}

/// F34: it forgets its scripts again and again.
#[tokio::test]
async fn a_server_that_forgets_its_scripts_is_not_noticed() {
    let b = Bench::new();
    b.stored_all(200, "quick").await;
    b.stored_all(20, "fail 1").await;

    b.run(b.worker(&b.server.url()).concurrency(2), async |events| {
        for _ in 0..22 {
            for _ in 0..10 {
                events.done("Task").await;
            }
            b.send(&["SCRIPT", "FLUSH", "SYNC"]).await;
        }
    })
    .await;

    assert!(b.audit().reruns.is_empty());
}

/// F35: full. Nothing goes in; everything goes out, with its retries and its dead.
#[tokio::test]
async fn a_full_server_is_drained() {
    let b = Bench::new();
    b.stored_all(50, "quick").await;
    b.stored_all(5, "fail 2").await;
    b.stored_all(3, "fail").await;
    b.send(&["CONFIG", "SET", "maxmemory", "1"]).await;

    let (_, answer) = b.enqueue(&b.client, "quick").await;
    assert!(
        matches!(&answer, Err(EnqueueError::Rejected { source: BrokerError::Refused { code, .. }, .. }) if code == "OOM"),
        "{answer:?}"
    );
    b.run(b.worker(&b.server.url()), async |_| b.settled().await).await;

    let audit = b.audit();
    assert_eq!((audit.enqueued, audit.dead), ((58, 0, 1), 3));
}

/// F37: it cannot save, so it takes no writes. What runs ends, and is recorded when there is room again.
#[tokio::test]
async fn a_server_that_cannot_save_gets_the_ends_of_jobs_later() {
    let b = Bench::on(RedisServer::with_arguments(&["--save", "3600", "1"]));
    let jid = b.stored(&b.hold()).await;
    // Where the snapshot should go stands a folder.
    let snapshot = b.server.folder().join("dump.rdb");

    b.run(b.worker(&b.server.url()), async |events| {
        events.started("Task").await;
        std::fs::create_dir(&snapshot).unwrap();
        std::fs::write(snapshot.join("occupied"), "").unwrap();
        b.send(&["BGSAVE"]).await;
        let refused = loop {
            let (_, answer) = b.enqueue(&b.client, "quick").await;
            match answer {
                Ok(()) => tokio::task::yield_now().await,
                Err(error) => break error,
            }
        };
        assert!(
            matches!(&refused, EnqueueError::Rejected { source: BrokerError::Refused { code, .. }, .. } if code == "MISCONF"),
            "{refused:?}"
        );
        b.let_go();
        b.ledger
            .until(|entries| {
                entries.iter().any(|e| matches!(e, kiq_testing::Entry::End { run, .. } if run.jid == jid.as_str()))
            })
            .await;
        assert_eq!(b.census().places(jid.as_str()).len(), 1, "it is still in flight");

        std::fs::remove_dir_all(&snapshot).unwrap();
        b.send(&["BGSAVE"]).await;
        b.settled().await;
    })
    .await;

    assert_eq!(b.runs_of(&jid), 1);
    b.audit();
}

/// F39: everything is deleted under a running worker.
#[tokio::test]
async fn a_worker_survives_the_deletion_of_everything() {
    for command in [&["FLUSHALL"][..], &["DEL", "kiq:owners", "processes", "queues"]] {
        let b = Bench::new();
        let held = b.stored(&b.hold()).await;

        b.run(b.worker(&b.server.url()).lease(Duration::from_secs(1)), async |events| {
            events.started("Task").await;
            b.send(command).await;
            b.let_go();
            let next = b.stored("quick").await;
            b.started(&next, 1).await;
            b.settled().await;
        })
        .await;

        assert!(b.runs_of(&held) <= 1);
        let census = b.census();
        assert!(census.is_at_rest() && census.others().is_empty(), "{command:?}: {census:?}");
    }
}

/// F41: it is reading its data.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_loading_is_waited_for() {
    let b = Bench::new();
    for key in 0..300 {
        b.send(&["SET", &format!("ballast:{key}"), &"x".repeat(2000)]).await;
    }
    b.send(&["CONFIG", "SET", "key-load-delay", "5000"]).await;
    b.send(&["CONFIG", "SET", "loading-process-events-interval-bytes", "1024"]).await;

    b.run(b.worker(&b.server.url()), async |events| {
        b.stored("quick").await;
        events.done("Task").await;
        let mut redis = b.server.connection();
        let reload = tokio::task::spawn_blocking(move || redis::cmd("DEBUG").arg("RELOAD").exec(&mut redis));
        // Until one is told so.
        let refused = loop {
            let (_, answer) = b.enqueue(&b.client, "quick").await;
            match answer {
                Ok(()) => tokio::task::yield_now().await,
                Err(error) => break error,
            }
        };
        assert!(
            matches!(&refused, EnqueueError::Rejected { source: BrokerError::Refused { code, .. }, .. } if code == "LOADING")
                || matches!(&refused, EnqueueError::Unknown { .. }),
            "{refused:?}"
        );
        reload.await.unwrap().unwrap();
        b.stored("quick").await;
        b.settled().await;
    })
    .await;

    b.audit();
}

/// F49: very many retries are due in the same second.
#[tokio::test]
async fn a_storm_of_retries_is_moved_in_small_steps() {
    const JOBS: usize = 20_000;
    const STEP: usize = 100;
    let b = Bench::new();
    let mut redis = b.server.connection();
    for chunk in 0..JOBS / 1000 {
        let mut add = redis::cmd("ZADD");
        add.arg("retry");
        for number in 0..1000 {
            add.arg(1_000_000_000)
                .arg(format!(r#"{{"class":"Task","args":["quick"],"jid":"{chunk}-{number}","retry_count":0}}"#));
        }
        add.exec(&mut redis).unwrap();
    }
    b.send(&["CONFIG", "RESETSTAT"]).await;
    let broker =
        RedisBroker::open(&b.server.url(), Clock::manual(Timestamp::from_micros(1_795_452_509_500_000))).unwrap();

    let mut moved = 0;
    while moved < JOBS {
        let step = broker.promote(STEP).await.unwrap();
        assert!((1..=STEP).contains(&step.moved), "{step:?}");
        moved += step.moved;
    }

    assert_eq!(moved, JOBS);
    let queue: usize = redis::cmd("LLEN").arg("queue:default").query(&mut redis).unwrap();
    assert_eq!(queue, JOBS);
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut redis).unwrap();
    let each = stats.lines().find(|line| line.starts_with("cmdstat_evalsha")).unwrap();
    let each: f64 = each.split("usec_per_call=").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    // Debug builds of ours do not matter here: it is the server's own time.
    assert!(each < 5000.0, "a step takes the server {each} microseconds");
}
