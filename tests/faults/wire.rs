//! What happens to bytes on their way: lost replies, cut requests, silence, garbage.

use std::time::{Duration, Instant};

use kiq::{BrokerError, EnqueueError, Event, JobSet};
use kiq_testing::{Fault, FaultProxy, Weather};

use crate::jobs::Task;
use crate::setup::{Bench, LONG, SHORT};

/// Quick to look for what was lost, though its own jobs are safe for long.
const LOOKS_OFTEN: Duration = Duration::from_secs(3);

/// F24: the reply of a fetch is lost. F31: one side of its connection is gone and the other does not know.
#[tokio::test]
async fn a_job_whose_fetch_was_not_answered_runs_once() {
    let wire_faults = [Fault::LoseReply, Fault::CutReply(30), Fault::LoseClient, Fault::LoseServer];
    for fault in wire_faults {
        let b = Bench::new();
        let proxy = FaultProxy::to(b.server.port());
        proxy.trap(b.script("fetch"), fault.clone());
        let jid = b.stored("quick").await;

        b.run(b.worker(&proxy.url()).lease(LOOKS_OFTEN), async |events| {
            proxy.sprung().await;
            events.done("Task").await;
        })
        .await;

        assert_eq!(b.runs_of(&jid), 1, "{fault:?}");
        b.audit();
    }
}

/// F24 and F31 for whoever waits for a job.
#[tokio::test]
async fn a_job_whose_wake_up_was_lost_runs_once() {
    for fault in [Fault::LoseReply, Fault::LoseClient, Fault::LoseServer] {
        let b = Bench::new();
        let proxy = FaultProxy::to(b.server.port());
        proxy.trap("BLMOVE", fault.clone());
        let mut sent = None;

        b.run(b.worker(&proxy.url()).lease(LOOKS_OFTEN), async |events| {
            events.until(|event| matches!(event, Event::Ready)).await;
            if fault == Fault::LoseReply {
                b.until(|stats| stats.processes == 1).await;
            } else {
                proxy.sprung().await;
            }
            // Of a server that never answers it is sure after 25 seconds.
            let jid = sent.insert(b.stored("quick").await);
            b.started(jid, 1).await;
            events.done("Task").await;
        })
        .await;

        assert_eq!(b.runs_of(&sent.unwrap()), 1, "{fault:?}");
        b.audit();
    }
}

/// F25: the worker is told to stop while a fetch is under way.
#[tokio::test]
async fn a_job_that_was_fetched_while_the_worker_stopped_is_in_its_queue() {
    let b = Bench::new();
    let proxy = FaultProxy::to(b.server.port());
    proxy.trap(b.script("fetch"), Fault::HoldReply);
    let jid = b.stored("quick").await;

    b.run(b.worker(&proxy.url()), async |_| {
        proxy.sprung().await;
        assert_eq!(b.census().places(jid.as_str()).len(), 1);
    })
    .await;

    assert_eq!(b.runs_of(&jid), 0);
    assert_eq!(b.census().places(jid.as_str()), ["queue:default"]);
    b.run(b.worker(&b.server.url()), async |events| {
        events.done("Task").await;
    })
    .await;
    b.audit();
}

/// F26: the store was told of a success, and its reply is lost; so is that of the repetition.
#[tokio::test]
async fn a_success_whose_confirmation_is_lost_counts_once() {
    let b = Bench::new();
    let proxy = FaultProxy::to(b.server.port());
    for _ in 0..2 {
        proxy.trap(b.script("ack"), Fault::LoseReply);
    }
    let jid = b.stored("quick").await;

    b.run(b.worker(&proxy.url()), async |events| {
        proxy.sprung().await;
        proxy.sprung().await;
        events.done("Task").await;
    })
    .await;

    assert_eq!(b.runs_of(&jid), 1);
    b.audit();
}

/// F27: sixteen failures, and not one confirmation of them arrives.
#[tokio::test]
async fn a_job_has_one_retry_entry_whatever_is_lost() {
    const FAILURES: usize = 16;
    let b = Bench::new();
    let proxy = FaultProxy::to(b.server.port());
    let settle = b.script("settle");
    proxy.trap(&settle, Fault::LoseReply);
    let jid = b.stored("fail 16").await;

    b.run(b.worker(&proxy.url()), async |events| {
        for failure in 1..=FAILURES {
            proxy.sprung().await;
            if failure < FAILURES {
                proxy.trap(&settle, Fault::LoseReply);
            }
            events.failed("Task").await;
            assert!(b.census().places(jid.as_str()).len() <= 1);
        }
        events.done("Task").await;
    })
    .await;

    assert_eq!(b.runs_of(&jid), FAILURES + 1);
    b.audit();
}

/// F28: an enqueue whose reply is lost, or that never arrived.
#[tokio::test]
async fn an_enqueue_without_an_answer_is_unknown_and_sent_once() {
    for (fault, copies) in [(Fault::LoseReply, 1), (Fault::CutReply(3), 1), (Fault::CutRequest(40), 0)] {
        let b = Bench::new();
        let proxy = FaultProxy::to(b.server.port());
        let client = kiq::Client::connect(&proxy.url()).unwrap();
        proxy.trap("LPUSH", fault.clone());

        let (jid, answer) = b.enqueue(&client, "quick").await;

        assert!(matches!(answer, Err(EnqueueError::Unknown { .. })), "{fault:?}: {answer:?}");
        assert_eq!(b.census().places(jid.as_str()).len(), copies, "{fault:?}");
        // The connection is as good as new.
        b.enqueue(&client, "quick").await.1.unwrap();
    }
}

/// F29: a bulk of three chunks, cut in the second.
#[tokio::test]
async fn a_bulk_that_is_cut_says_what_became_of_each_chunk() {
    for cut_at in [0, 1, 500] {
        let b = Bench::new();
        let proxy = FaultProxy::to(b.server.port());
        let client = kiq::Client::connect(&proxy.url()).unwrap();
        proxy.trap("marker 1500.", Fault::CutRequest(cut_at));

        let jobs = (0..2500).map(|number| Task::new(format!("marker {number}.")));
        let error = kiq::enqueue_all(jobs).on(&client).await.unwrap_err();

        assert_eq!((error.stored.len(), error.unknown.len(), error.rejected.len()), (1000, 1000, 500), "{cut_at}");
        let census = b.census();
        let copies = |jids: &mut dyn Iterator<Item = &kiq::Jid>| -> usize {
            jids.map(|jid| census.places(jid.as_str()).len()).sum()
        };
        assert_eq!(copies(&mut error.stored.iter().map(|receipt| &receipt.jid)), 1000);
        assert_eq!(copies(&mut error.unknown.iter()), 0, "no part of a chunk is stored");
        assert_eq!(copies(&mut error.rejected.iter()), 0);
    }
}

/// F30: everything is swallowed for a while, and nobody is told.
#[tokio::test]
async fn a_network_that_swallows_everything_is_noticed_and_survived() {
    let b = Bench::new();
    let proxy = FaultProxy::to(b.server.port());
    let client = kiq::Client::connect(&proxy.url()).unwrap();
    b.enqueue(&client, "quick").await.1.unwrap();

    b.run(b.worker(&proxy.url()), async |events| {
        events.done("Task").await;
        proxy.weather(Weather::BlackHole);
        let (_, answer) = b.enqueue(&client, "quick").await;
        assert!(matches!(answer, Err(EnqueueError::Unknown { .. })), "{answer:?}");
        let (_, answer) = b.enqueue(&client, "quick").await;
        assert!(answer.is_err());
        b.stored("quick").await;
        proxy.weather(Weather::Clear);
        events.done("Task").await;
    })
    .await;

    b.audit();
}

/// F23: every connection is cut, again and again. F19: the store is away, and the worker asks for it with patience.
#[tokio::test]
async fn cut_connections_cost_no_job_and_are_not_made_in_a_hurry() {
    const JOBS: usize = 300;
    const CUTS: usize = 25;
    let b = Bench::new();
    let proxy = FaultProxy::to(b.server.port());
    b.stored_all(JOBS, "quick").await;

    let worker = b.worker(&proxy.url()).concurrency(2).max_unacked(0).lease(Duration::from_secs(9));
    b.run(worker, async |events| {
        for cut in 0..CUTS {
            for _ in 0..JOBS / CUTS {
                events.done("Task").await;
            }
            if cut % 2 == 0 {
                proxy.cut();
            } else {
                b.send(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
            }
        }
        b.settled().await;

        proxy.weather(Weather::Refusing);
        proxy.cut();
        let (before, began) = (proxy.accepted(), Instant::now());
        proxy.at_least_accepted(before + 50).await;
        assert!(began.elapsed() > Duration::from_secs(1), "50 connections in {:?}", began.elapsed());
        b.stored("quick").await;
        proxy.weather(Weather::Clear);
        events.done("Task").await;
    })
    .await;

    let audit = b.audit();
    assert!(audit.reruns.is_empty(), "{audit}");
    assert!(proxy.accepted() < 40 * CUTS as u64, "{} connections for {CUTS} cuts", proxy.accepted());
    proxy.at_most_open(0).await;
}

/// F32: a slow link, and one that hands over single bytes.
#[tokio::test]
async fn a_slow_and_a_chopped_link_are_only_slow() {
    for weather in [Weather::Slow(Duration::from_millis(50)), Weather::Chopped] {
        let b = Bench::new();
        let proxy = FaultProxy::to(b.server.port());
        proxy.weather(weather);
        let client = kiq::Client::connect(&proxy.url()).unwrap();
        for what in ["quick", "fail 1", "quick"] {
            b.enqueue(&client, what).await.1.unwrap();
        }

        b.run(b.worker(&proxy.url()), async |events| {
            for _ in 0..3 {
                events.done("Task").await;
            }
        })
        .await;

        b.audit();
    }
}

/// F33: what the server says is no answer.
#[tokio::test]
async fn garbage_for_an_answer_costs_a_connection_and_nothing_else() {
    let garbage: [&[u8]; 4] = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$99999999999\r\n", b"*-7\r\n", b"\xff\x00\x01"];
    for script in ["fetch", "ack", "settle", "beat", "promote"] {
        for bytes in garbage {
            let b = Bench::new();
            let proxy = FaultProxy::to(b.server.port());
            proxy.trap(b.script(script), Fault::Garble(bytes.to_vec()));
            if script == "promote" {
                b.send(&["ZADD", "schedule", "1", r#"{"class":"Task","args":["quick"],"jid":"due"}"#]).await;
            }
            b.stored("fail 1").await;

            b.run(b.worker(&proxy.url()).lease(LOOKS_OFTEN), async |events| {
                proxy.sprung().await;
                b.settled().await;
                events.done("Task").await;
            })
            .await;

            let faults = b.audit().faults;
            assert!(faults.is_empty(), "{script}, {bytes:?}: {faults:?}");
        }
    }
}

/// F21 and F22: the server is there and does not answer.
#[tokio::test]
async fn a_server_that_does_not_answer_makes_no_second_copy() {
    for how in ["frozen", "paused", "busy"] {
        let b = Bench::new();
        b.stored("quick").await;
        let thaw = match how {
            "frozen" => {
                crate::setup::signal(b.server.pid().unwrap(), "STOP");
                true
            }
            "paused" => {
                b.send(&["CLIENT", "PAUSE", "4000", "WRITE"]).await;
                false
            }
            _ => {
                let mut redis = b.server.connection();
                redis.send_packed_command(&redis::cmd("DEBUG").arg("SLEEP").arg("4").get_packed_command()).unwrap();
                false
            }
        };

        let (jid, answer) = b.enqueue(&b.client, "quick").await;

        let is_open = matches!(&answer, Err(EnqueueError::Unknown { source: BrokerError::Unavailable { .. }, .. }));
        let never_connected = matches!(&answer, Err(EnqueueError::Rejected { .. }));
        assert!(is_open || never_connected, "{how}: {answer:?}");
        if thaw {
            crate::setup::signal(b.server.pid().unwrap(), "CONT");
        }
        let mut worker = b.spawn(&b.server.url(), SHORT);
        b.settled().await;
        worker.kill();
        assert!(b.runs_of(&jid) <= 1, "{how}");
        b.audit();
    }
}

/// F33 in the small: an answer of the right form that makes no sense.
#[tokio::test]
async fn an_answer_that_makes_no_sense_is_taken_for_none() {
    let b = Bench::new();
    let proxy = FaultProxy::to(b.server.port());
    proxy.trap(b.script("settle"), Fault::Garble(b"+OK\r\n".to_vec()));
    let jid = b.stored("fail").await;

    let late = kiq::Backoff::custom(|_| LONG);
    b.run(b.worker(&proxy.url()).backoff(late), async |events| {
        events.failed("Task").await;
    })
    .await;

    assert_eq!(b.census().places(jid.as_str()), ["retry"]);
    assert_eq!(kiq::Inspector::new(&b.client).set(JobSet::Retry, 0, 10).await.unwrap().len(), 1);
}
