//! Jobs that Redis hands over to one who waits: at once, to one only, and findable whatever ends meanwhile.

use std::time::{Duration, Instant};

use kiq::broker::{Settlement, UnitOfWork, Waiter};
use kiq::{Clock, Payload, RedisBroker};
use kiq_testing::RedisServer;
use redis::Commands as _;

use crate::setup::{APPLIED, Process, START, Setup, beat, freeze, payloads, thaw, to};

const HOUR: Duration = Duration::from_secs(3600);

/// The block time of the server and a margin.
const SURE: Duration = Duration::from_secs(25);

fn send(server: &RedisServer, command: &[&str]) {
    redis::cmd(command[0]).arg(&command[1..]).exec(&mut server.connection()).unwrap();
}

/// The connections that are blocked.
fn blocked(server: &RedisServer) -> Vec<String> {
    let clients: String = redis::cmd("CLIENT").arg("LIST").query(&mut server.connection()).unwrap();
    let blocked = clients.lines().filter(|line| line.contains(" flags=b "));
    blocked.map(|line| line.split([' ', '=']).nth(1).unwrap().to_owned()).collect()
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// Lets a waiter begin, until so many connections are blocked.
async fn arm(server: &RedisServer, waiter: &mut dyn Waiter, queues: &[&str], count: usize) {
    let queues: Vec<String> = queues.iter().map(|queue| (*queue).to_owned()).collect();
    tokio::select! {
        arrival = waiter.wait(&queues, HOUR) => panic!("{arrival:?}"),
        () = until(|| blocked(server).len() == count) => {}
    }
}

/// What is handed over next.
async fn next(waiter: &mut dyn Waiter, queue: &str) -> Vec<UnitOfWork> {
    let queues = [queue.to_owned()];
    loop {
        let arrival = tokio::time::timeout(Duration::from_secs(30), waiter.wait(&queues, HOUR)).await.unwrap();
        if !arrival.units.is_empty() {
            return arrival.units;
        }
    }
}

/// Puts a job into queue `q`, and ends a connection before anything is written to it, in one write.
fn push_and_cut(server: &RedisServer, job: &str, client: &str) {
    let mut both = redis::pipe();
    both.cmd("LPUSH").arg("queue:q").arg(job).cmd("CLIENT").arg("KILL").arg("ID").arg(client);
    both.exec(&mut server.connection()).unwrap();
}

fn own_keys(server: &RedisServer) -> Vec<String> {
    let mut keys: Vec<String> = server.connection().keys("kiq:*").unwrap();
    keys.sort();
    keys
}

#[tokio::test]
async fn a_push_wakes_one_of_those_who_wait_and_counts_once() {
    let mut s = Setup::redis();
    let (one, two) = (s.process().await, s.process().await);
    let (mut first, mut second) = (one.consumer.waiter(), two.consumer.waiter());
    arm(s.server(), &mut *first, &["q"], 1).await;
    arm(s.server(), &mut *second, &["q"], 2).await;
    assert_eq!(s.broker.stats().await.unwrap().unsettled(), 0);

    s.push(&["a"]).await;

    // It left the queue with the push, and is counted though nobody has heard of it yet.
    assert_eq!((s.queue("q").await.len(), s.numbers().await.2), (0, 1));
    let units = next(&mut *first, "q").await;
    assert_eq!(payloads(&units), ["a"]);
    until(|| blocked(s.server.as_ref().unwrap()).len() == 1).await;
    assert_eq!(s.numbers().await.2, 1);
    assert_eq!(one.consumer.ack(&units).await.unwrap(), [APPLIED]);
    assert_eq!(s.numbers().await, (1, 0, 0));
}

#[tokio::test]
async fn a_job_that_was_handed_over_ends_like_any_other() {
    let mut s = Setup::redis();
    let process = s.process().await;
    let mut waiter = process.consumer.waiter();
    let retry = Settlement::Retry { payload: "r".to_owned(), at: START };

    for end in [Some(Settlement::Done), Some(retry), None] {
        let (arrived, ()) = tokio::join!(next(&mut *waiter, "q"), s.push(&["a"]));
        assert_eq!(payloads(&arrived), ["a"]);
        assert_eq!(process.consumer.mark(&arrived[0], "b").await.unwrap(), APPLIED);
        match end {
            Some(end) => assert_eq!(process.settle(&arrived[0], end).await, APPLIED),
            None => assert_eq!(process.consumer.give_back(&arrived).await.unwrap(), 1),
        }
        assert_eq!(s.numbers().await.2, 0);
    }

    assert_eq!(s.queue("q").await, ["b"]);
    assert_eq!(s.numbers().await, (2, 1, 0));
    assert!(waiter.rest().await.is_empty());
    process.consumer.leave().await.unwrap();
    assert!(own_keys(s.server()).is_empty(), "{:?}", own_keys(s.server()));
}

#[tokio::test]
async fn a_backlog_is_a_reason_to_fetch() {
    let mut s = Setup::redis();
    let process = s.process().await;
    let mut waiter = process.consumer.waiter();
    arm(s.server(), &mut *waiter, &["q"], 1).await;

    s.push(&["a", "b", "c"]).await;

    let arrival = waiter.wait(&["q".to_owned()], HOUR).await;
    assert_eq!((payloads(&arrival.units), arrival.look), (vec!["a".to_owned()], true));
    assert_eq!(payloads(&process.fetch(5).await), ["b", "c"]);
}

#[tokio::test]
async fn one_who_rests_is_handed_nothing_and_leaves_nothing() {
    let mut s = Setup::redis();
    let process = s.process().await;
    let mut waiter = process.consumer.waiter();
    arm(s.server(), &mut *waiter, &["q", "other"], 2).await;

    assert!(waiter.rest().await.is_empty());

    assert!(!waiter.is_armed() && blocked(s.server()).is_empty());
    s.push(&["a"]).await;
    assert_eq!(s.queue("q").await, ["a"]);
    process.consumer.leave().await.unwrap();
    assert!(own_keys(s.server()).is_empty(), "{:?}", own_keys(s.server()));
}

#[tokio::test]
async fn what_comes_before_the_rest_is_answered_by_it() {
    let mut s = Setup::redis();
    let process = s.process().await;
    let mut waiter = process.consumer.waiter();
    arm(s.server(), &mut *waiter, &["q", "other"], 2).await;
    s.push(&["a"]).await;

    assert_eq!(payloads(&waiter.rest().await), ["a"]);
    assert!(waiter.rest().await.is_empty());

    assert!(!waiter.is_armed());
}

#[tokio::test]
async fn a_queue_that_is_not_asked_for_any_more_hands_nothing_over() {
    let mut s = Setup::redis();
    let process = s.process().await;
    let mut waiter = process.consumer.waiter();
    arm(s.server(), &mut *waiter, &["q", "other"], 2).await;

    arm(s.server(), &mut *waiter, &["other"], 1).await;

    s.push(&["a"]).await;
    assert_eq!(s.queue("q").await, ["a"]);
    s.push_all(&[to("other", "b")]).await;
    let units = next(&mut *waiter, "other").await;
    assert_eq!(payloads(&units), ["b"]);
}

#[tokio::test]
async fn where_waits_cannot_be_ended_a_late_job_is_still_answered() {
    let mut s = Setup::redis();
    send(s.server(), &["ACL", "SETUSER", "worker", "on", ">hunter2", "~*", "&*", "+@all", "-client|unblock"]);
    let url = s.server().url().replace("redis://", "redis://worker:hunter2@");
    let broker: std::sync::Arc<dyn kiq::broker::Broker> =
        std::sync::Arc::new(RedisBroker::open(&url, Clock::manual(START)).unwrap());
    let process = Process::on(&broker).await;
    let mut waiter = process.consumer.waiter();
    arm(s.server(), &mut *waiter, &["q"], 1).await;

    let push = async {
        // By then the end of the wait was asked for and refused.
        until(|| {
            let denied: Vec<redis::Value> =
                redis::cmd("ACL").arg("LOG").query(&mut s.server.as_ref().unwrap().connection()).unwrap();
            !denied.is_empty()
        })
        .await;
        s.push(&["a"]).await;
    };
    let (late, ()) = tokio::join!(waiter.rest(), push);

    assert_eq!(payloads(&late), ["a"]);
    assert_eq!(process.consumer.give_back(&late).await.unwrap(), 1);
    assert_eq!(s.queue("q").await, ["a"]);
}

#[tokio::test]
async fn no_more_than_sixteen_connections_of_a_process_block() {
    let mut s = Setup::redis();
    let process = s.process().await;
    let names: Vec<String> = (0..20).map(|number| format!("q{number}")).collect();
    let (mut one, mut two) = (process.consumer.waiter(), process.consumer.waiter());
    let server = s.server();

    // Those without a connection are asked for now and then.
    let waited = one.wait(&names, HOUR).await;
    assert!(waited.look && waited.units.is_empty());
    assert!(two.wait(&["q".to_owned()], HOUR).await.look);

    assert_eq!(blocked(server).len(), 16);
    drop(one);
    arm(server, &mut *two, &["q"], 1).await;
}

#[tokio::test]
async fn a_full_server_is_asked_again_and_again_until_it_lets_us_wait() {
    let mut s = Setup::redis();
    let process = s.process().await;
    let mut waiter = process.consumer.waiter();
    send(s.server(), &["CONFIG", "SET", "maxmemory", "1"]);

    for _ in 0..3 {
        let arrival = waiter.wait(&["q".to_owned()], HOUR).await;
        assert!(arrival.look && arrival.units.is_empty());
        assert!(process.fetch(1).await.is_empty());
    }

    send(s.server(), &["CONFIG", "SET", "maxmemory", "0"]);
    let server = s.server.as_ref().unwrap();
    tokio::select! {
        () = async { loop { waiter.wait(&["q".to_owned()], HOUR).await; } } => {}
        () = until(|| blocked(server).len() == 1) => {}
    }
    let (units, ()) = tokio::join!(next(&mut *waiter, "q"), s.push(&["a"]));
    assert_eq!(payloads(&units), ["a"]);
}

/// The server is full for the first command of a write and has room again for the last: here, by its rights.
#[tokio::test]
async fn nothing_is_moved_into_a_batch_that_is_not_in_the_index() {
    let mut s = Setup::redis();
    send(s.server(), &["ACL", "SETUSER", "worker", "on", ">hunter2", "~*", "&*", "+@all"]);
    let url = s.server().url().replace("redis://", "redis://worker:hunter2@");
    let broker: std::sync::Arc<dyn kiq::broker::Broker> =
        std::sync::Arc::new(RedisBroker::open(&url, Clock::manual(START)).unwrap());
    let process = Process::on(&broker).await;
    let mut waiter = process.consumer.waiter();
    let queues = ["q".to_owned()];
    let indexed: fn(&RedisServer, &Process) -> bool = |server, process| {
        let mut connection = server.connection();
        let batches: Vec<String> = connection.keys(format!("kiq:b:{}:*", process.identity)).unwrap();
        let index = format!("kiq:idx:{}", process.identity);
        batches.iter().all(|batch| connection.hexists(&index, batch.rsplit(':').next().unwrap()).unwrap())
    };

    // Not even the first.
    send(s.server(), &["ACL", "SETUSER", "worker", "-hset"]);
    s.push(&["a"]).await;
    for _ in 0..3 {
        let arrival = waiter.wait(&queues, HOUR).await;
        assert!(arrival.look && arrival.units.is_empty());
    }
    assert_eq!((s.queue("q").await, s.numbers().await.2), (vec!["a".to_owned()], 0));

    // One was registered with the wait before it, and is used; then there is none.
    send(s.server(), &["ACL", "SETUSER", "worker", "+hset"]);
    assert_eq!(payloads(&next(&mut *waiter, "q").await), ["a"]);
    send(s.server(), &["ACL", "SETUSER", "worker", "-hset"]);
    s.push(&["b", "c"]).await;
    assert_eq!(payloads(&next(&mut *waiter, "q").await), ["b"]);
    assert!(indexed(s.server(), &process));
    for _ in 0..3 {
        let arrival = waiter.wait(&queues, HOUR).await;
        assert!(arrival.look && arrival.units.is_empty());
    }
    assert_eq!((s.queue("q").await, s.numbers().await.2), (vec!["c".to_owned()], 2));
}

/// Else the index would lose an id that the next wait relies on.
#[tokio::test]
async fn an_id_that_is_kept_for_the_next_wait_is_not_taken_for_lost() {
    let mut s = Setup::redis();
    let process = s.process().await;
    let mut waiter = process.consumer.waiter();
    s.push(&["a"]).await;
    assert_eq!(payloads(&next(&mut *waiter, "q").await), ["a"]);

    for age in [Duration::ZERO, SURE, SURE] {
        s.clock.advance(age);
        assert!(process.consumer.reclaim().await.unwrap().is_empty());
    }

    let ids: Vec<String> = s.server().connection().hkeys(format!("kiq:idx:{}", process.identity)).unwrap();
    assert_eq!(ids.iter().filter(|id| id.ends_with("/left")).count(), 2, "{ids:?}");
    assert!(!ids.iter().any(|id| id.ends_with("/gone")), "{ids:?}");
}

#[tokio::test]
async fn a_key_that_is_no_queue_does_not_deafen_the_others() {
    let mut s = Setup::redis();
    send(s.server(), &["SET", "queue:odd", "text"]);
    let process = s.process().await;
    let mut waiter = process.consumer.waiter();
    let server = s.server.as_ref().unwrap();
    let queues = ["odd", "q"].map(str::to_owned);
    tokio::select! {
        () = async { loop { waiter.wait(&queues, HOUR).await; } } => {}
        () = until(|| !blocked(server).is_empty()) => {}
    }

    s.push(&["a"]).await;

    assert_eq!(payloads(&next(&mut *waiter, "q").await), ["a"]);
}

#[tokio::test]
async fn an_answer_that_is_lost_with_its_connection_is_looked_up() {
    let mut s = Setup::redis();
    let process = s.process().await;
    let mut waiter = process.consumer.waiter();
    for _ in 0..3 {
        arm(s.server(), &mut *waiter, &["q"], 1).await;
        let client = blocked(s.server()).remove(0);

        push_and_cut(s.server(), "a", &client);

        assert_eq!(s.numbers().await.2, 1);
        let units = next(&mut *waiter, "q").await;
        assert_eq!(payloads(&units), ["a"]);
        assert_eq!(process.consumer.ack(&units).await.unwrap(), [APPLIED]);
    }
    assert!(process.consumer.reclaim().await.unwrap().is_empty());
    assert_eq!(s.numbers().await, (3, 0, 0));
}

#[tokio::test]
async fn a_wait_whose_connection_is_cut_goes_on_over_another() {
    let mut s = Setup::redis();
    let process = s.process().await;
    let mut waiter = process.consumer.waiter();
    arm(s.server(), &mut *waiter, &["q"], 1).await;
    let before = blocked(s.server());
    let server = s.server.as_ref().unwrap();

    send(server, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);

    tokio::select! {
        () = async { loop { waiter.wait(&["q".to_owned()], HOUR).await; } } => {}
        () = until(|| blocked(server).len() == 1 && blocked(server) != before) => {}
    }
    while s.broker.check().await.is_err() {}
    s.push(&["a"]).await;
    assert_eq!(payloads(&next(&mut *waiter, "q").await), ["a"]);
}

#[tokio::test]
async fn a_job_whose_answer_is_lost_with_the_process_comes_back_as_a_suspect() {
    let mut s = Setup::redis();
    let (lost, other) = (s.process().await, s.process().await);
    let mut waiter = lost.consumer.waiter();
    arm(s.server(), &mut *waiter, &["q"], 1).await;
    let client = blocked(s.server()).remove(0);

    push_and_cut(s.server(), r#"{"class":"A","args":[],"jid":"a"}"#, &client);
    drop(waiter);
    s.lose(&lost);

    let found = other.consumer.reclaim().await.unwrap();
    assert_eq!(found.iter().map(|reclaimed| reclaimed.jobs).sum::<usize>(), 1);
    let queue = s.queue("q").await;
    assert_eq!(Payload::parse(queue[0].as_bytes()).unwrap().deaths(), Some(1));
    assert_eq!(s.numbers().await.2, 0);
}

#[tokio::test]
async fn what_is_handed_over_to_one_who_was_seen_gone_comes_back() {
    let mut s = Setup::redis();
    let (lost, other) = (s.process().await, s.process().await);
    // Stopped, say: the server still has it in its list of those who wait.
    let mut waiter = lost.consumer.waiter();
    arm(s.server(), &mut *waiter, &["q"], 1).await;
    s.lose(&lost);
    assert!(other.consumer.reclaim().await.unwrap().is_empty());
    s.clock.advance(SURE - Duration::from_secs(1));
    assert!(other.consumer.reclaim().await.unwrap().is_empty());

    s.push(&["a"]).await;

    assert_eq!((s.queue("q").await.len(), s.numbers().await.2), (0, 1));
    assert_eq!(other.consumer.reclaim().await.unwrap().len(), 1);
    assert_eq!(s.queue("q").await, ["a"]);
    assert_eq!(s.numbers().await.2, 0);
}

/// The clocks of two machines differ, and the server's is one for all.
#[tokio::test]
async fn since_when_one_is_gone_goes_by_the_clock_of_the_server() {
    let server = RedisServer::start();
    let broker: std::sync::Arc<dyn kiq::broker::Broker> =
        std::sync::Arc::new(RedisBroker::open(&server.url(), Clock::system()).unwrap());
    let (lost, other) = (Process::on(&broker).await, Process::on(&broker).await);
    let mut waiter = lost.consumer.waiter();
    arm(&server, &mut *waiter, &["q"], 1).await;
    let mut redis = server.connection();
    let _: usize = redis.del(format!("kiq:lease:{}", lost.identity)).unwrap();

    other.consumer.reclaim().await.unwrap();

    let fields: Vec<(String, String)> = redis.hgetall(format!("kiq:idx:{}", lost.identity)).unwrap();
    let gone: Vec<i64> =
        fields.iter().filter(|(field, _)| field.ends_with("/gone")).map(|(_, since)| since.parse().unwrap()).collect();
    let (now, _): (i64, i64) = redis::cmd("TIME").query(&mut redis).unwrap();
    assert!(
        !gone.is_empty() && gone.iter().all(|since| (now - 60..=now).contains(&(since / 1000))),
        "{fields:?} {now}"
    );
}

#[tokio::test]
async fn one_who_is_gone_is_forgotten_when_nothing_can_be_handed_over_to_it_any_more() {
    let mut s = Setup::redis();
    let (lost, other) = (s.process().await, s.process().await);
    let mut waiter = lost.consumer.waiter();
    arm(s.server(), &mut *waiter, &["q"], 1).await;
    s.lose(&lost);
    let index = format!("kiq:idx:{}", lost.identity);

    other.consumer.reclaim().await.unwrap();
    s.clock.advance(SURE - Duration::from_secs(1));
    other.consumer.reclaim().await.unwrap();
    assert!(own_keys(s.server()).contains(&index));
    // No longer shown as alive, but still looked after.
    assert_eq!(s.broker.stats().await.unwrap().processes, 1);

    s.clock.advance(Duration::from_secs(1));
    other.consumer.reclaim().await.unwrap();
    assert!(!own_keys(s.server()).contains(&index));
    let owners: Vec<String> = s.server().connection().smembers("kiq:owners").unwrap();
    assert_eq!(owners, [other.identity.to_string()]);
}

#[tokio::test]
async fn one_who_leaves_in_the_middle_of_a_wait_stays_findable() {
    let mut s = Setup::redis();
    let (gone, other) = (s.process().await, s.process().await);
    let mut waiter = gone.consumer.waiter();
    arm(s.server(), &mut *waiter, &["q"], 1).await;

    gone.consumer.leave().await.unwrap();
    s.push(&["a"]).await;

    assert_eq!(other.consumer.reclaim().await.unwrap().len(), 1);
    assert_eq!(s.queue("q").await, ["a"]);
    s.clock.advance(SURE);
    other.consumer.reclaim().await.unwrap();
    assert!(!own_keys(s.server()).iter().any(|key| key.contains(gone.identity.as_str())));
}

#[tokio::test]
async fn a_waiter_that_is_dropped_loses_nothing() {
    let mut s = Setup::redis();
    let process = s.process().await;
    let mut waiter = process.consumer.waiter();
    arm(s.server(), &mut *waiter, &["q"], 1).await;
    s.push(&["a"]).await;

    drop(waiter);

    assert_eq!(process.consumer.reclaim().await.unwrap().len(), 1);
    assert_eq!(s.queue("q").await, ["a"]);
    // Its id stays until nothing can come any more, here too.
    let mut waiter = process.consumer.waiter();
    s.push(&["b"]).await;
    assert_eq!(process.fetch(2).await.len(), 2);
    arm(s.server(), &mut *waiter, &["q"], 1).await;
    drop(waiter);
    for age in [Duration::ZERO, SURE] {
        s.clock.advance(age);
        assert!(process.consumer.reclaim().await.unwrap().is_empty());
    }
    let ids: Vec<String> = s.server().connection().hkeys(format!("kiq:idx:{}", process.identity)).unwrap();
    assert!(!ids.iter().any(|id| id.starts_with('k')), "{ids:?}");
}

#[tokio::test]
async fn one_whose_lease_ran_out_begins_nothing_that_was_handed_over_since() {
    let mut s = Setup::redis();
    let process = s.process().await;
    let mut short = beat();
    short.lease = Duration::from_millis(300);
    let renewed = Instant::now();
    process.consumer.beat(&short).await.unwrap();
    let mut waiter = process.consumer.waiter();
    arm(s.server(), &mut *waiter, &["q"], 1).await;
    // As if it had been stopped for so long.
    until(|| renewed.elapsed() > Duration::from_millis(400)).await;

    s.push(&["a"]).await;
    let arrival = waiter.wait(&["q".to_owned()], HOUR).await;

    assert!(arrival.units.is_empty() && arrival.look);
    assert_eq!(s.numbers().await.2, 1);
    process.consumer.reclaim().await.unwrap();
    assert_eq!(s.queue("q").await, ["a"]);
}

#[tokio::test]
async fn a_wait_that_is_never_answered_is_given_up_and_what_comes_of_it_found() {
    let mut s = Setup::redis();
    let process = s.process().await;
    let mut waiter = process.consumer.waiter();
    arm(s.server(), &mut *waiter, &["q"], 1).await;
    let mut redis = s.server().connection();
    freeze(s.server());
    redis.send_packed_command(&redis::cmd("LPUSH").arg("queue:q").arg("a").get_packed_command()).unwrap();

    // Nothing happens any more but the passing of time, so it passes at once.
    tokio::time::pause();
    let begin = tokio::time::Instant::now();
    let arrival = waiter.wait(&["q".to_owned()], HOUR).await;
    let waited = begin.elapsed();
    tokio::time::resume();

    assert!(arrival.look && arrival.units.is_empty());
    assert!((SURE..SURE + Duration::from_secs(5)).contains(&waited), "{waited:?}");
    // It was alive after all, and carries out what it had been told.
    thaw(s.server());
    while s.broker.check().await.is_err() {}
    assert_eq!((s.queue("q").await.len(), s.numbers().await.2), (0, 1));
    while process.consumer.reclaim().await.is_err() {}
    assert_eq!(s.queue("q").await, ["a"]);
    assert_eq!(s.numbers().await.2, 0);
}
