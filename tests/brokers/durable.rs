//! Enqueues that wait for replicas: `Ok` only when so many have the job.

use std::time::{Duration, Instant};

use kiq::broker::PushError;
use kiq::{BrokerError, Client, EnqueueError, Jid, Replicas, Stored};
use kiq_testing::RedisServer;

use crate::setup::{Note, Setup, to};

const SOON: Replicas = Replicas::new(1).within(Duration::from_millis(200));

/// Returns when a replica has all that its primary has, and gets what comes.
pub fn copies_all(redis: &mut redis::Connection, copy: &mut redis::Connection) {
    // Twice: the first may have come with the snapshot, and the stream of writes begins up to a second later.
    let (mut number, mut seen) = (0, 0);
    while seen < 2 {
        number += 1;
        redis::cmd("SET").arg("number").arg(number).exec(redis).unwrap();
        redis::cmd("WAIT").arg(1).arg(1000).exec(redis).unwrap();
        // It answers that it is loading, at first.
        let found = redis::cmd("GET").arg("number").query(copy).unwrap_or(Some(0));
        seen = if found == Some(number) { seen + 1 } else { 0 };
    }
}

/// A replica that has all that the primary has.
async fn replica_of(s: &mut Setup) -> RedisServer {
    let port = s.server().port().to_string();
    let replica = RedisServer::with_arguments(&["--replicaof", "127.0.0.1", &port]);
    copies_all(&mut s.server().connection(), &mut replica.connection());
    replica
}

fn primary() -> Setup {
    Setup::on(RedisServer::with_arguments(&["--repl-diskless-sync-delay", "0"]))
}

fn replicated(error: &EnqueueError) -> (u32, u32) {
    match error {
        EnqueueError::Unknown { source: BrokerError::NotReplicated { acknowledged, wanted, .. }, .. } => {
            (*acknowledged, *wanted)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn ok_means_that_a_replica_has_it() {
    let mut s = primary();
    let replica = replica_of(&mut s).await;
    let client = Client::new(s.broker.clone()).with_clock(s.clock.clone());

    Note::enqueue("x").durable(SOON).on(&client).await.unwrap();
    let many = kiq::enqueue_all((0..100).map(|n| Note::new(n.to_string()))).durable(SOON).on(&client).await.unwrap();

    assert_eq!(many.len(), 100);
    // Without another word from the primary.
    s.server().stop();
    let jobs: usize = redis::cmd("LLEN").arg("queue:q").query(&mut replica.connection()).unwrap();
    s.server().resume();
    assert_eq!(jobs, 101);
}

#[tokio::test]
async fn a_replica_that_hangs_makes_it_unknown_and_a_repetition_waits_again() {
    let mut s = primary();
    let replica = replica_of(&mut s).await;
    let client = Client::new(s.broker.clone()).with_clock(s.clock.clone()).with_durability(SOON);
    let jid = Jid::random();
    let once = || Note::enqueue("x").jid(jid.clone()).idempotent(Duration::from_secs(60)).on(&client);
    replica.stop();

    let lost = once().await.unwrap_err();
    assert_eq!(replicated(&lost), (0, 1));
    assert!(lost.to_string().contains("0 of 1 replicas of redis://127.0.0.1"), "{lost}");
    // It is stored already, and that is not enough.
    assert_eq!(replicated(&once().await.unwrap_err()), (0, 1));
    // Nor for another program, over a connection that has written nothing before and so has nothing to wait for.
    let other = Client::connect(&s.server().url()).unwrap().with_durability(SOON).with_clock(s.clock.clone());
    let repeated = Note::enqueue("x").jid(jid.clone()).idempotent(Duration::from_secs(60)).on(&other).await;
    assert_eq!(replicated(&repeated.unwrap_err()), (0, 1));
    let bulk = kiq::enqueue_all([Note::new("a"), Note::new("b")]).on(&client).await.unwrap_err();
    assert_eq!((bulk.unknown.len(), replicated(bulk.first().unwrap())), (2, (0, 1)));

    replica.resume();
    let receipt = loop {
        if let Ok(receipt) = once().await {
            break receipt;
        }
    };
    assert_eq!(receipt.stored, Stored::Already);
    assert_eq!(s.queue("q").await.len(), 3);
}

#[tokio::test]
async fn without_a_replica_it_is_unknown_and_stalls_nobody_else() {
    let s = primary();
    let client = Client::new(s.broker.clone()).with_clock(s.clock.clone());
    let slow = Replicas::new(2).within(Duration::from_secs(20));

    let waiting = tokio::spawn({
        let client = client.clone();
        async move { Note::enqueue("slow").durable(slow).on(&client).await }
    });
    while s.queue("q").await.is_empty() {}
    let started = Instant::now();
    Note::enqueue("x").on(&client).await.unwrap();
    let error =
        Note::enqueue("y").durable(Replicas::new(1).within(Duration::from_millis(1))).on(&client).await.unwrap_err();
    s.broker.check().await.unwrap();
    Note::enqueue("z").on(&client.clone().with_durability(SOON)).durable(None).await.unwrap();

    assert!(!waiting.is_finished(), "the others waited for it");
    assert!(started.elapsed() < slow.patience());
    assert_eq!(replicated(&error), (0, 1));
    assert_eq!(s.queue("q").await.len(), 4);
    waiting.abort();
}

#[tokio::test]
async fn many_at_once_share_the_wait() {
    let mut s = primary();
    let _replica = replica_of(&mut s).await;
    let client = Client::new(s.broker.clone()).with_clock(s.clock.clone()).with_durability(Replicas::new(1));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..500 {
        let client = client.clone();
        tasks.spawn(async move { Note::enqueue(number.to_string()).on(&client).await });
    }

    assert!(tasks.join_all().await.iter().all(Result::is_ok));

    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut s.server().connection()).unwrap();
    let waits = stats.lines().find_map(|line| line.strip_prefix("cmdstat_wait:calls=")).unwrap();
    let waits: usize = waits.split(',').next().unwrap().parse().unwrap();
    assert!(waits < 250, "{waits} waits for 500 enqueues");
    assert_eq!(s.queue("q").await.len(), 500);
}

#[tokio::test]
async fn what_cannot_be_waited_for_is_refused() {
    let s = Setup::redis();
    let client = Client::new(s.broker.clone());
    for replicas in [Replicas::new(0), SOON.within(Duration::ZERO), SOON.within(Duration::from_secs(61))] {
        let error = Note::enqueue("x").durable(replicas).on(&client).await.unwrap_err();
        assert!(matches!(error, EnqueueError::InvalidReplicas { .. }), "{error:?}");
    }
    assert!(s.queue("q").await.is_empty());

    let memory = Setup::memory();
    let outcome = memory.broker.push_durably(&[to("q", "a")], SOON).await.remove(0);
    assert!(matches!(outcome, Err(PushError::Rejected(BrokerError::Unsupported { .. }))), "{outcome:?}");
    assert!(memory.queue("q").await.is_empty());
}
