//! Redis when something is amiss: keys of the wrong type, missing rights, cut connections, a full memory.

use std::sync::Arc;
use std::time::Duration;

use kiq::broker::{Broker, Identity, PushError, Settled, Settlement};
use kiq::{BrokerError, Clock, JobSet, RedisBroker};
use kiq_testing::RedisServer;
use redis::Commands as _;

use crate::setup::{APPLIED, Process, START, Setup, at, beat, payloads, to};

fn open(url: &str) -> Arc<dyn Broker> {
    Arc::new(RedisBroker::open(url, Clock::manual(START)).unwrap())
}

fn send(server: &RedisServer, command: &[&str]) {
    redis::cmd(command[0]).arg(&command[1..]).exec(&mut server.connection()).unwrap();
}

fn own_keys(server: &RedisServer) -> Vec<String> {
    let mut keys: Vec<String> = server.connection().keys("kiq:*").unwrap();
    keys.sort();
    keys
}

async fn fetch(process: &Process, queues: &[&str], want: usize) -> Vec<kiq::broker::UnitOfWork> {
    let queues: Vec<String> = queues.iter().map(|queue| (*queue).to_owned()).collect();
    process.consumer.fetch(&queues, want).await.unwrap()
}

fn job(jid: &str, queue: &str) -> String {
    format!(r#"{{"class":"A","args":[],"jid":"{jid}","queue":"{queue}"}}"#)
}

#[tokio::test]
async fn a_full_server_does_not_cost_its_workers_their_leases() {
    let mut s = Setup::redis();
    s.push(&["a", "b"]).await;
    let process = s.process().await;
    send(s.server(), &["CONFIG", "SET", "maxmemory", "1"]);
    s.lose(&process);

    process.consumer.beat(&beat()).await.unwrap();

    let units = process.fetch(1).await;
    assert_eq!(process.settle(&units[0], Settlement::Done).await, APPLIED);
    process.consumer.leave().await.unwrap();
    assert_eq!(s.queue("q").await, ["b"]);
}

#[tokio::test]
async fn one_who_left_gets_no_more_jobs_and_leaves_no_keys() {
    let mut s = Setup::redis();
    s.push(&["a", "b"]).await;
    let process = s.process().await;
    let units = process.fetch(1).await;

    process.consumer.leave().await.unwrap();

    let late = process.consumer.fetch(&["q".to_owned()], 1).await;
    assert!(matches!(late, Err(BrokerError::LeaseLost)), "{late:?}");
    assert_eq!(process.settle(&units[0], Settlement::Done).await, Settled::Stale);
    assert_eq!(s.queue("q").await, ["a", "b"]);
    assert!(own_keys(s.server()).is_empty());
    let left: Vec<String> = s.server().connection().keys(format!("{}*", process.identity)).unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_lost_process_is_off_the_record_once_its_jobs_are_back() {
    let mut s = Setup::redis();
    s.push(&["a"]).await;
    let (lost, other) = (s.process().await, s.process().await);
    lost.fetch(1).await;
    assert_eq!(s.broker.stats().await.unwrap().processes, 2);
    s.lose(&lost);

    assert_eq!(other.consumer.reclaim().await.unwrap().len(), 1);

    assert_eq!(s.broker.stats().await.unwrap().processes, 1);
    let listed: Vec<String> = s.server().connection().smembers("kiq:owners").unwrap();
    assert_eq!(listed, [other.identity.to_string()]);
    // It was only asleep: the next heartbeat writes everything again.
    lost.consumer.beat(&beat()).await.unwrap();
    assert_eq!(s.broker.stats().await.unwrap().processes, 2);
    assert_eq!(payloads(&lost.fetch(1).await), ["a"]);
}

#[tokio::test]
async fn a_settlement_that_is_repeated_does_not_end_the_other_jobs_of_its_batch() {
    let s = Setup::redis();
    s.push(&["a", "b"]).await;
    let process = s.process().await;
    let units = process.fetch(2).await;

    assert_eq!(process.settle(&units[0], Settlement::Done).await, APPLIED);
    assert_eq!(process.settle(&units[0], Settlement::Done).await, Settled::Stale);
    process.consumer.give_back(&units[..1]).await.unwrap();

    assert!(process.consumer.reclaim().await.unwrap().is_empty());
    assert_eq!(process.settle(&units[1], Settlement::Done).await, APPLIED);
    assert_eq!(s.numbers().await, (2, 0, 0));
}

#[tokio::test]
async fn an_index_that_was_removed_by_hand_does_not_end_the_jobs_of_its_batch() {
    let mut s = Setup::redis();
    s.push(&["a", "b", "c"]).await;
    let process = s.process().await;
    let units = process.fetch(3).await;
    send(s.server(), &["DEL", &format!("kiq:idx:{}", process.identity)]);

    for unit in &units[..2] {
        assert_eq!(process.settle(unit, Settlement::Done).await, APPLIED);
    }
    assert_eq!(process.consumer.give_back(&units).await.unwrap(), 1);

    assert_eq!(s.queue("q").await, ["c"]);
}

#[tokio::test]
async fn a_set_in_place_of_a_queue_is_left_alone_and_the_others_are_fetched() {
    let mut s = Setup::redis();
    s.push_all(&[to("first", "a"), to("last", "b")]).await;
    send(s.server(), &["SADD", "queue:odd", "x", "y"]);
    let process = s.process().await;

    assert_eq!(payloads(&fetch(&process, &["odd", "first", "odd", "last"], 5).await), ["a", "b"]);
    assert!(fetch(&process, &["odd"], 5).await.is_empty());

    let odd: Vec<String> = s.server().connection().smembers("queue:odd").unwrap();
    assert_eq!(odd.len(), 2);
    let batches: Vec<String> = s.server().connection().keys("kiq:b:*").unwrap();
    assert_eq!(batches.len(), 2, "{batches:?}");
}

#[tokio::test]
async fn a_queue_of_the_wrong_type_keeps_no_other_job_from_coming_back() {
    let mut s = Setup::redis();
    s.push_all(&[to("q", "a"), to("odd", "b")]).await;
    let (lost, other) = (s.process().await, s.process().await);
    assert_eq!(fetch(&lost, &["q"], 1).await.len(), 1);
    assert_eq!(fetch(&lost, &["odd"], 1).await.len(), 1);
    send(s.server(), &["SET", "queue:odd", "text"]);
    s.lose(&lost);

    let found = other.consumer.reclaim().await.unwrap();
    assert_eq!(found.iter().map(|reclaimed| reclaimed.queue.as_str()).collect::<Vec<_>>(), ["q"]);
    assert_eq!(s.queue("q").await, ["a"]);
    assert_eq!(s.numbers().await.2, 1);

    // Repaired.
    send(s.server(), &["DEL", "queue:odd"]);
    assert_eq!(other.consumer.reclaim().await.unwrap().len(), 1);
    assert_eq!(s.queue("odd").await, ["b"]);
    assert_eq!(s.numbers().await.2, 0);
}

#[tokio::test]
async fn no_job_is_doubled_when_the_list_of_queues_is_of_the_wrong_type() {
    let mut s = Setup::redis();
    s.push(&["a", "b"]).await;
    s.push_all(&[at(START, &job("due", "q"))]).await;
    let (lost, other) = (s.process().await, s.process().await);
    let mine = other.fetch(1).await;
    lost.fetch(1).await;
    s.lose(&lost);
    send(s.server(), &["SET", "queues", "text"]);

    for _ in 0..3 {
        s.broker.promote(100).await.unwrap();
        other.consumer.reclaim().await.unwrap();
        other.consumer.give_back(&mine).await.unwrap();
    }

    assert_eq!(s.queue("q").await.len(), 3);
    send(s.server(), &["DEL", "queues"]);
    assert_eq!(s.numbers().await.2, 0);
    assert!(s.set(JobSet::Scheduled).await.is_empty());
}

#[tokio::test]
async fn what_is_due_moves_past_entries_that_cannot() {
    let mut s = Setup::redis();
    send(s.server(), &["SET", "queue:odd", "text"]);
    send(s.server(), &["SET", "dead", "text"]);
    s.push_all(&[at(START, &job("1", "odd")), at(START, "no job"), at(START, &job("2", "q"))]).await;

    let promotion = s.broker.promote(100).await.unwrap();

    assert_eq!((promotion.moved, promotion.buried), (1, 0));
    assert_eq!(s.queue("q").await.len(), 1);
    assert_eq!(s.set(JobSet::Scheduled).await.len(), 2);
    send(s.server(), &["DEL", "queue:odd", "dead"]);
    s.clock.advance(Duration::from_secs(60));
    let promotion = s.broker.promote(100).await.unwrap();
    assert_eq!((promotion.moved, promotion.buried), (1, 1));
}

#[tokio::test]
async fn a_set_of_the_wrong_type_does_not_keep_the_other_from_moving() {
    let mut s = Setup::redis();
    send(s.server(), &["SET", "retry", "text"]);
    s.push_all(&[at(START, &job("1", "q"))]).await;

    assert_eq!(s.broker.promote(100).await.unwrap().moved, 1);
}

#[tokio::test]
async fn entries_that_cannot_move_do_not_fill_every_step() {
    let mut s = Setup::redis();
    send(s.server(), &["SET", "queue:odd", "text"]);
    let stuck: Vec<String> = (0..100).map(|number| job(&number.to_string(), "odd")).collect();
    s.push_all(&stuck.iter().map(|stuck| at(START, stuck)).collect::<Vec<_>>()).await;
    s.push_all(&[at(START + Duration::from_secs(1), &job("late", "q"))]).await;
    s.clock.advance(Duration::from_secs(2));

    s.broker.promote(100).await.unwrap();
    let second = s.broker.promote(100).await.unwrap();

    assert_eq!((second.moved, second.next_in), (1, Some(Duration::from_secs(60))));
    assert_eq!(s.set(JobSet::Scheduled).await.len(), 100);
}

/// A broker whose user may do everything but some commands.
fn limited(server: &RedisServer, rights: &[&str]) -> Arc<dyn Broker> {
    let all = ["ACL", "SETUSER", "worker", "on", ">hunter2", "~*", "&*", "+@all"];
    send(server, &[&all, rights].concat());
    open(&server.url().replace("redis://", "redis://worker:hunter2@"))
}

#[tokio::test]
async fn a_missing_right_is_said_and_not_taken_for_an_empty_queue() {
    let mut s = Setup::redis();
    s.push(&["a"]).await;
    let broker = limited(s.server(), &["-ltrim"]);
    let consumer = broker.attach(Identity::of_this_process());
    consumer.beat(&beat()).await.unwrap();

    let refused = consumer.fetch(&["q".to_owned()], 1).await.unwrap_err();

    assert!(matches!(&refused, BrokerError::Refused { code, .. } if code == "NOPERM"), "{refused:?}");
    assert!(refused.to_string().contains("give this Redis user the command"), "{refused}");
    assert!(!format!("{broker:?} {consumer:?} {refused:?}").contains("hunter2"));
    assert_eq!(s.queue("q").await, ["a"]);
}

#[tokio::test]
async fn a_user_who_may_not_sort_fetches_all_the_same() {
    let mut s = Setup::redis();
    let all: Vec<String> = (0..2500).map(|n| format!("{n:04}")).collect();
    s.push(&all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    s.push_all(&[to("other", "\u{0}odd")]).await;
    let broker = limited(s.server(), &["-@dangerous", "+info"]);

    let advice = broker.check().await.unwrap();

    assert!(advice.iter().any(|words| words.contains("grant +sort")), "{advice:?}");
    let process = Process::on(&broker).await;
    assert_eq!(payloads(&fetch(&process, &["q"], 3).await), &all[..3]);
    let rest = fetch(&process, &["q", "other"], 5000).await;
    assert_eq!(payloads(&rest[..2497]), &all[3..]);
    assert_eq!(payloads(&rest[2497..]), ["\u{0}odd"]);
    assert_eq!(s.numbers().await, (0, 0, 2501));
    for part in rest.chunks(1000) {
        assert!(process.consumer.ack(part).await.unwrap().iter().all(|settled| *settled == APPLIED));
    }
    process.consumer.leave().await.unwrap();
    assert_eq!(s.queue("q").await, &all[..3]);
    assert!(own_keys(s.server()).is_empty());
}

#[tokio::test]
async fn a_user_who_may_sort_does() {
    let mut s = Setup::redis();
    s.push(&["a", "b"]).await;
    assert!(!s.broker.check().await.unwrap().iter().any(|words| words.contains("sort")));
    send(s.server(), &["CONFIG", "RESETSTAT"]);
    let process = s.process().await;
    assert_eq!(payloads(&process.fetch(2).await), ["a", "b"]);
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut s.server().connection()).unwrap();
    assert!(stats.contains("cmdstat_sort:calls=1"), "{stats}");
}

#[tokio::test]
async fn a_user_without_a_right_that_every_fetch_needs_is_refused_at_the_start() {
    let server = RedisServer::start();
    for (rights, named) in [
        (&["-@scripting"][..], "evalsha"),
        (&["-evalsha"], "evalsha"),
        (&["-script|load"], "script|load"),
        (&["-rpush"], "RPUSH"),
        (&["-ltrim"], "LTRIM"),
        (&["-hincrby"], "HINCRBY"),
        (&["resetkeys", "~queue:*"], "keys kiq:*"),
    ] {
        let broker = limited(&server, rights);
        send(&server, &["SCRIPT", "FLUSH"]);

        let refused = broker.check().await.unwrap_err();

        assert!(
            matches!(&refused, BrokerError::Unsupported { .. }) && !refused.is_temporary(),
            "{rights:?} {refused:?}"
        );
        assert!(refused.to_string().contains(named), "{rights:?}: {refused}");
        assert!(own_keys(&server).is_empty(), "{rights:?}");
    }
}

#[tokio::test]
async fn a_connection_that_was_cut_is_noticed_before_the_next_push() {
    let mut s = Setup::redis();
    s.push(&["a"]).await;
    send(s.server(), &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    // Time for the runtime to look at its sockets, as any program that waits for something gives it.
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }

    s.push(&["b"]).await;

    assert_eq!(s.queue("q").await, ["a", "b"]);
}

#[test]
fn each_runtime_has_a_connection_of_its_own() {
    let server = RedisServer::start();
    let broker = open(&server.url());
    for number in 0..20 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outcome = runtime.block_on(broker.push(&[to("q", &number.to_string())])).remove(0);
        assert!(outcome.is_ok(), "{outcome:?}");
    }
    let jobs: usize = server.connection().llen("queue:q").unwrap();
    assert_eq!(jobs, 20);
}

#[tokio::test]
async fn a_server_is_reached_through_a_socket_of_the_system() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock");
    let server = RedisServer::with_arguments(&["--unixsocket", socket.to_str().unwrap()]);
    let broker = open(&format!("unix://{}?db=2", socket.display()));

    assert!(broker.push(&[to("q", "a")]).await.remove(0).is_ok());

    let mut redis = server.connection();
    redis::cmd("SELECT").arg(2).exec(&mut redis).unwrap();
    let jobs: usize = redis.llen("queue:q").unwrap();
    assert_eq!(jobs, 1);
}

#[tokio::test]
async fn a_server_that_throws_jobs_away_or_takes_none_is_refused() {
    let server = RedisServer::with_aof();
    let broker = open(&server.url());
    assert_eq!(broker.check().await.unwrap(), Vec::<String>::new());

    send(&server, &["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]);
    let advice = broker.check().await.unwrap();
    assert!(advice.len() == 1 && advice[0].contains("volatile-lru"), "{advice:?}");

    send(&server, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let refused = broker.check().await.unwrap_err();
    assert!(matches!(refused, BrokerError::Unsupported { .. }), "{refused:?}");
    send(&server, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]);

    let replica = RedisServer::with_arguments(&["--replicaof", "127.0.0.1", &server.port().to_string()]);
    let refused = open(&replica.url()).check().await.unwrap_err();
    assert!(refused.to_string().contains("point the URL at the primary"), "{refused}");

    let sentinel = RedisServer::sentinel("main", server.port(), &[]);
    let refused = open(&sentinel.url()).check().await.unwrap_err();
    assert!(refused.to_string().contains("redis+sentinel://host:26379/NAME"), "{refused}");
}

#[tokio::test]
async fn a_part_of_a_cluster_is_refused_at_the_start_and_takes_no_jobs() {
    let server = RedisServer::with_arguments(&["--cluster-enabled", "yes"]);
    let broker = open(&server.url());

    let refused = broker.check().await.unwrap_err();

    assert!(matches!(refused, BrokerError::Unsupported { .. }), "{refused:?}");
    assert!(refused.to_string().contains("part of a Redis Cluster, which kiq does not support yet"), "{refused}");
    let outcome = broker.push(&[to("q", "a")]).await.remove(0);
    assert!(matches!(outcome, Err(PushError::Rejected(_))), "{outcome:?}");
}
