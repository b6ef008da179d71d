//! What can only happen to a server: refusals, restarts, lost answers, and what others read there.

use std::sync::Arc;

use kiq::broker::{Beat, Broker, DEAD_SET_AGE, DEAD_SET_LIMIT, PushError, Settlement, Signal, Work};
use kiq::inspect::{Act, Acted};
use kiq::{BrokerError, Clock, JobSet, RedisBroker, Timestamp};
use kiq_testing::RedisServer;
use redis::Commands as _;

use crate::setup::{APPLIED, START, Setup, at, beat, freeze, payloads, thaw, to};

fn open(url: &str) -> Arc<dyn Broker> {
    Arc::new(RedisBroker::open(url, Clock::manual(START)).unwrap())
}

fn send(server: &RedisServer, command: &[&str]) {
    redis::cmd(command[0]).arg(&command[1..]).exec(&mut server.connection()).unwrap();
}

/// Ends every connection but the one that asks.
fn cut_all(server: &RedisServer) {
    send(server, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_and_nothing_is_stored() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let broker = open(&format!("redis://user:hunter2@127.0.0.1:{port}/0"));

    let error = broker.check().await.unwrap_err();

    assert!(matches!(error, BrokerError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().starts_with(&format!("no answer from redis://127.0.0.1:{port}/0: ")), "{error}");
    let outcome = broker.push(&[to("q", "a")]).await.remove(0);
    assert!(matches!(outcome, Err(PushError::Rejected(_))), "{outcome:?}");
    assert!(!format!("{error} {error:?} {outcome:?} {broker:?} {}", broker.place()).contains("hunter2"));
}

#[tokio::test]
async fn a_wrong_password_is_a_refusal_with_the_remedy() {
    let server = RedisServer::with_arguments(&["--requirepass", "hunter2"]);
    let right = open(&server.url().replace("redis://", "redis://:hunter2@"));
    right.check().await.unwrap();

    for url in [server.url(), server.url().replace("redis://", "redis://:hunter3@")] {
        let error = open(&url).check().await.unwrap_err();
        assert!(matches!(error, BrokerError::Refused { .. }) && !error.is_temporary(), "{error:?}");
        assert!(error.to_string().contains("put user and password into the URL"), "{error}");
        let outcome = open(&url).push(&[to("q", "a")]).await.remove(0);
        assert!(matches!(outcome, Err(PushError::Rejected(_))), "{outcome:?}");
        assert!(!format!("{error:?} {outcome:?}").contains("hunter"));
    }
}

#[tokio::test]
async fn a_full_server_takes_no_jobs_and_can_be_drained() {
    let mut s = Setup::redis();
    s.push(&["a", "b", "c", "d"]).await;
    let process = s.process().await;
    let mut units = process.fetch(2).await;
    send(s.server(), &["CONFIG", "SET", "maxmemory", "1"]);

    let outcome = s.broker.push(&[to("q", "e")]).await.remove(0);
    let Err(PushError::Rejected(BrokerError::Refused { code, .. })) = outcome else { panic!("{outcome:?}") };
    assert_eq!(code, "OOM");
    let scheduled = s.broker.push(&[at(START, "f")]).await.remove(0);
    assert!(matches!(scheduled, Err(PushError::Rejected(_))), "{scheduled:?}");

    units.extend(process.fetch(2).await);
    assert_eq!(payloads(&units), ["a", "b", "c", "d"]);
    assert_eq!(process.settle(&units[0], Settlement::Done).await, APPLIED);
    assert_eq!(process.settle(&units[1], Settlement::Retry { payload: "b".into(), at: START }).await, APPLIED);
    assert_eq!(process.settle(&units[2], Settlement::Dead { payload: "c".into(), at: START }).await, APPLIED);
    assert_eq!(process.consumer.give_back(&units).await.unwrap(), 1);
    assert_eq!(s.queue("q").await, ["d"]);
}

#[tokio::test]
async fn a_server_that_forgot_its_scripts_or_cut_its_connections_is_no_trouble() {
    let mut s = Setup::redis();
    s.push(&["a", "b", "c"]).await;
    let process = s.process().await;

    for expected in ["a", "b", "c"] {
        send(s.server(), &["SCRIPT", "FLUSH"]);
        let units = process.fetch(1).await;
        assert_eq!(payloads(&units), [expected]);
        send(s.server(), &["SCRIPT", "FLUSH"]);
        assert_eq!(process.settle(&units[0], Settlement::Done).await, APPLIED);
        cut_all(s.server());
        // The first request after a cut may fail; it says so, and the next one connects anew.
        while process.consumer.beat(&beat()).await.is_err() {}
        while s.broker.check().await.is_err() {}
        while process.consumer.reclaim().await.is_err() {}
    }

    assert_eq!(s.numbers().await, (3, 0, 0));
}

#[tokio::test]
async fn a_push_whose_connection_breaks_says_that_it_does_not_know() {
    let mut s = Setup::redis();
    s.push(&["a"]).await;
    // The server stops without closing anything: the request goes out, the answer does not come.
    freeze(s.server());

    let outcome = s.broker.push(&[to("q", "b")]).await.remove(0);

    thaw(s.server());
    assert!(matches!(outcome, Err(PushError::Unknown(BrokerError::Unavailable { .. }))), "{outcome:?}");
    // Here it was stored after all: exactly once, for kiq does not send it again.
    while s.broker.check().await.is_err() {}
    assert_eq!(s.queue("q").await, ["a", "b"]);
}

#[tokio::test]
async fn a_killed_server_comes_back_with_everything_it_acknowledged() {
    let mut s = Setup::on(RedisServer::with_aof());
    s.push(&["a", "b", "c"]).await;
    let process = s.process().await;
    let units = process.fetch(2).await;
    process.settle(&units[0], Settlement::Done).await;

    s.server().kill();
    let down = process.consumer.settle(&units[1], &Settlement::Done).await;
    assert!(matches!(down, Err(BrokerError::Unavailable { .. })), "{down:?}");
    s.server().restart();

    assert_eq!(process.settle(&units[1], Settlement::Done).await, APPLIED);
    assert_eq!(s.queue("q").await, ["c"]);
    assert_eq!(s.numbers().await, (2, 0, 0));
}

#[tokio::test]
async fn a_fetch_whose_answer_is_lost_goes_back_with_the_next_reclaim() {
    let mut s = Setup::redis();
    s.push(&["a", "b", "c"]).await;
    let process = s.process().await;
    process.fetch(1).await;

    freeze(s.server());
    let queues = ["q".to_owned()];
    let mut fetch = process.consumer.fetch(&queues, 2);
    // Until the request is on its way; then the future is dropped.
    for _ in 0..1000 {
        tokio::select! { biased; _ = &mut fetch => panic!("a stopped server answered"), () = tokio::task::yield_now() => {} }
    }
    drop(fetch);
    thaw(s.server());

    while s.numbers().await.2 < 3 {}
    while process.consumer.reclaim().await.map_or(true, |found| found.is_empty()) {}
    assert_eq!(s.queue("q").await, ["b", "c"]);
    assert_eq!(s.numbers().await, (0, 0, 1));
}

#[tokio::test]
async fn bytes_that_are_no_text_reach_the_dead_set_as_they_are() {
    let mut s = Setup::redis();
    let bytes: &[u8] = b"{\"class\":\"A\",\"args\":[\"\xff\xfe\"]}";
    let _: () = s.server().connection().lpush("queue:q", bytes).unwrap();
    let process = s.process().await;
    let units = process.fetch(1).await;
    assert_eq!(&*units[0].payload, bytes);

    process.settle(&units[0], Settlement::NotAJob { at: START }).await;

    let dead = s.broker.set_page(JobSet::Dead, 0, 10).await.unwrap();
    assert_eq!(dead[0].payload, bytes);
}

#[tokio::test]
async fn a_key_of_the_wrong_type_stops_nothing_else_and_loses_nothing() {
    let mut s = Setup::redis();
    s.push(&["a"]).await;
    send(s.server(), &["SET", "queue:broken", "text"]);
    send(s.server(), &["SET", "retry", "text"]);
    send(s.server(), &["SET", "stat:processed", "text"]);
    let process = s.process().await;

    let units = process.consumer.fetch(&["broken".to_owned(), "q".to_owned()], 5).await.unwrap();
    assert_eq!(payloads(&units), ["a"]);
    let retry = Settlement::Retry { payload: "a".into(), at: START };
    let refused = process.consumer.settle(&units[0], &retry).await.unwrap_err();
    assert!(refused.to_string().contains("is another program using this database?"), "{refused}");
    assert_eq!(s.numbers().await.2, 1);
    send(s.server(), &["DEL", "retry"]);
    assert_eq!(process.settle(&units[0], retry).await, APPLIED);

    // A due job whose queue is no list stays where it is.
    let stuck = r#"{"class":"A","args":[],"queue":"broken"}"#;
    s.push_all(&[at(START, stuck)]).await;
    assert_eq!(s.broker.promote(100).await.unwrap().moved, 0);
    assert_eq!(s.set(JobSet::Scheduled).await.len(), 1);
}

#[tokio::test]
async fn a_process_is_recorded_as_sidekiqs_readers_look_for_it() {
    let mut s = Setup::redis();
    let process = s.process().await;
    let mut beat = beat();
    beat.quiet = true;
    let payload = br#"{"class":"A","args":["x"]}"#.to_vec().into();
    beat.work = vec![Work { tid: "default-0".into(), queue: "q".into(), payload, run_at: START }];
    let mut redis = s.server().connection();
    let identity = process.identity.to_string();
    let _: () = redis.lpush(format!("{identity}-signals"), "TSTP").unwrap();

    assert_eq!(process.consumer.beat(&beat).await.unwrap().signal, Some(Signal::Quiet));
    assert_eq!(process.consumer.beat(&beat).await.unwrap().signal, None);

    let listed: Vec<String> = redis.smembers("processes").unwrap();
    assert_eq!(listed, std::slice::from_ref(&identity));
    let field = |redis: &mut redis::Connection, name: &str| -> String { redis.hget(&identity, name).unwrap() };
    assert_eq!(field(&mut redis, "concurrency"), "10");
    assert_eq!(field(&mut redis, "busy"), "1");
    assert_eq!(field(&mut redis, "beat"), "1795452509.500000");
    assert_eq!(field(&mut redis, "quiet"), "true");
    assert_eq!(field(&mut redis, "rss"), "1234");
    assert!(field(&mut redis, "rtt_us").parse::<u64>().unwrap() > 0);
    let info: serde_json::Value = serde_json::from_str(&field(&mut redis, "info")).unwrap();
    let expected = serde_json::json!({
        "hostname": process.identity.hostname(),
        "started_at": 1_795_452_509.5,
        "pid": std::process::id(),
        "tag": "shop",
        "concurrency": 10,
        "queues": ["a", "q"],
        "weights": [{"q": 0}, {"a": 2, "q": 1}],
        "capsules": {
            "default": {"concurrency": 5, "mode": "strict", "weights": {"q": 0}},
            "bulk": {"concurrency": 5, "mode": "weighted", "weights": {"a": 2, "q": 1}},
        },
        "labels": [],
        "identity": identity,
        "version": format!("kiq {}", env!("CARGO_PKG_VERSION")),
        "embedded": false,
    });
    assert_eq!(info, expected);
    let work: String = redis.hget(format!("{identity}:work"), "default-0").unwrap();
    assert_eq!(work, r#"{"payload":"{\"class\":\"A\",\"args\":[\"x\"]}","queue":"q","run_at":1795452509}"#);
    let ttl: i64 = redis.ttl(&identity).unwrap();
    assert!((55..=60).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn counters_of_a_day_are_sidekiqs() {
    let mut s = Setup::redis();
    s.push(&["a", "b"]).await;
    let process = s.process().await;
    let units = process.fetch(2).await;

    process.settle(&units[0], Settlement::Done).await;
    process.settle(&units[1], Settlement::Discarded).await;

    let mut redis = s.server().connection();
    let count = |redis: &mut redis::Connection, key: &str| -> u64 { redis.get(key).unwrap() };
    assert_eq!(count(&mut redis, "stat:processed:2026-11-23"), 2);
    assert_eq!(count(&mut redis, "stat:failed:2026-11-23"), 1);
    let ttl: i64 = redis.ttl("stat:processed:2026-11-23").unwrap();
    assert!((157_679_000..=157_680_000).contains(&ttl), "{ttl}");
    // Nothing of kiq's own is left but the process itself.
    let mut kept: Vec<String> = redis.keys("kiq:*").unwrap();
    kept.sort();
    assert_eq!(kept, [format!("kiq:lease:{}", process.identity), "kiq:owners".to_owned()]);
}

#[tokio::test]
async fn acknowledgements_count_by_the_day_too() {
    let mut s = Setup::redis();
    s.push(&["a", "b"]).await;
    let process = s.process().await;
    let units = process.fetch(2).await;

    process.consumer.ack(&units).await.unwrap();

    let mut redis = s.server().connection();
    let count: u64 = redis.get("stat:processed:2026-11-23").unwrap();
    assert_eq!(count, 2);
    let ttl: i64 = redis.ttl("stat:processed:2026-11-23").unwrap();
    assert!((157_679_000..=157_680_000).contains(&ttl), "{ttl}");
}

/// The answer to its settlement was lost, say.
#[tokio::test]
async fn a_batch_whose_last_job_was_settled_unheard_of_is_gone_with_the_next_acknowledgement() {
    let mut s = Setup::redis();
    s.push(&["a", "b"]).await;
    let process = s.process().await;
    let units = process.fetch(2).await;
    let unheard = s.broker.attach(process.identity.clone());
    unheard.settle(&units[1], &Settlement::Done).await.unwrap();

    process.consumer.ack(&units[..1]).await.unwrap();

    let mut redis = s.server().connection();
    let batches: Vec<String> = redis.keys("kiq:b:*").unwrap();
    assert!(batches.is_empty(), "{batches:?}");
    let index: Vec<String> = redis.hkeys(format!("kiq:idx:{}", process.identity)).unwrap();
    assert_eq!(index, ["/acked"]);
}

#[tokio::test]
async fn what_a_process_was_doing_is_off_its_record_with_the_next_heartbeat_and_by_itself() {
    let mut s = Setup::redis();
    let process = s.process().await;
    let run = |tid: &str| Work { tid: tid.to_owned(), queue: "q".into(), payload: b"{}"[..].into(), run_at: START };
    let mut redis = s.server().connection();
    let key = format!("{}:work", process.identity);
    for tid in ["one", "two"] {
        process.consumer.beat(&Beat { work: vec![run(tid)], ..beat() }).await.unwrap();
        let tids: Vec<String> = redis.hkeys(&key).unwrap();
        assert_eq!(tids, [tid]);
        let ttl: i64 = redis.ttl(&key).unwrap();
        assert!((1..=60).contains(&ttl), "{ttl}");
    }
}

/// SORT overwrites its target.
#[tokio::test]
async fn a_batch_that_is_there_already_is_never_overwritten() {
    let mut s = Setup::redis();
    s.push(&["a"]).await;
    let process = s.process().await;
    let mut redis = s.server().connection();
    let batch = format!("kiq:b:{}:1", process.identity);
    let _: usize = redis.rpush(&batch, "held").unwrap();

    let refused = process.consumer.fetch(&["q".to_owned()], 1).await.unwrap_err();

    assert!(matches!(&refused, BrokerError::Refused { code, .. } if code == "BATCHEXISTS"), "{refused}");
    let held: Vec<String> = redis.lrange(&batch, 0, -1).unwrap();
    assert_eq!((held, s.queue("q").await), (vec!["held".to_owned()], vec!["a".to_owned()]));
    // The next has other ids.
    assert_eq!(payloads(&process.fetch(1).await), ["a"]);
}

#[tokio::test]
async fn a_fetch_that_is_refused_half_way_leaves_no_copy() {
    let mut s = Setup::redis();
    s.push(&["a"]).await;
    send(s.server(), &["ACL", "SETUSER", "worker", "on", ">hunter2", "~*", "&*", "+@all", "-ltrim"]);
    let broker = open(&s.server().url().replace("redis://", "redis://worker:hunter2@"));
    let process = crate::setup::Process::on(&broker).await;

    let refused = process.consumer.fetch(&["q".to_owned()], 1).await.unwrap_err();

    assert!(matches!(&refused, BrokerError::Refused { code, .. } if code == "NOPERM"), "{refused}");
    let batches: Vec<String> = s.server().connection().keys("kiq:b:*").unwrap();
    assert!(batches.is_empty(), "{batches:?}");
    assert_eq!(s.queue("q").await, ["a"]);
}

#[tokio::test]
async fn of_a_process_that_is_gone_nothing_is_left() {
    let mut s = Setup::redis();
    let (lost, other) = (s.process().await, s.process().await);
    let run = Work { tid: "one".to_owned(), queue: "q".into(), payload: b"{}"[..].into(), run_at: START };
    lost.consumer.beat(&Beat { work: vec![run], ..beat() }).await.unwrap();
    s.lose(&lost);

    other.consumer.reclaim().await.unwrap();

    let mut redis = s.server().connection();
    let keys: Vec<String> = redis.keys(format!("*{}*", lost.identity)).unwrap();
    assert!(keys.is_empty(), "{keys:?}");
    for set in ["processes", "kiq:owners"] {
        let names: Vec<String> = redis.smembers(set).unwrap();
        assert_eq!(names, [other.identity.to_string()], "{set}");
    }
}

/// Somebody tidied up while its last jobs ran, say.
#[tokio::test]
async fn a_queue_that_jobs_go_back_to_is_listed() {
    let mut s = Setup::redis();
    s.push(&["a", "b"]).await;
    let (lost, other) = (s.process().await, s.process().await);
    let units = lost.fetch(2).await;
    let mut redis = s.server().connection();
    let mut forget_queues = || {
        let _: usize = redis.del("queues").unwrap();
    };

    forget_queues();
    lost.consumer.give_back(&units[..1]).await.unwrap();
    assert_eq!(s.broker.stats().await.unwrap().enqueued, 1);
    forget_queues();
    s.lose(&lost);
    other.consumer.reclaim().await.unwrap();
    assert_eq!(s.broker.stats().await.unwrap().enqueued, 2);
}

#[tokio::test]
async fn what_an_operator_moves_is_listed_and_the_dead_stay_bounded() {
    const JOB: &str = r#"{"class":"A","jid":"a","queue":"q","args":[],"created_at":1,"retry":true}"#;
    let mut s = Setup::redis();
    let inspector = kiq::Inspector::new(&kiq::Client::new(Arc::clone(&s.broker)).with_clock(s.clock.clone()));
    let mut redis = s.server().connection();
    let too_old = (START - DEAD_SET_AGE).as_micros() as f64 / 1e6 - 1.0;
    let _: usize = redis.zadd("dead", "old", too_old).unwrap();
    for number in [1, DEAD_SET_LIMIT] {
        s.push(&[JOB]).await;
        let found = inspector.queue("q", 0, 1).await.unwrap().remove(0);

        assert_eq!(inspector.act(&found, Act::Kill).await.unwrap(), Acted::Done);

        let dead: Vec<String> = redis.zrange("dead", 0, -1).unwrap();
        assert!(dead.len() == number && dead.last().unwrap() == JOB, "{}: {:?}", dead.len(), dead.last());
        if number == 1 {
            let mut fill = redis::pipe();
            for filler in 0..DEAD_SET_LIMIT {
                fill.zadd("dead", filler, START.as_micros() / 1_000_000 - 1);
            }
            fill.exec(&mut redis).unwrap();
        }
    }

    let _: usize = redis.del("queues").unwrap();
    let killed = inspector.set(JobSet::Dead, 0, 10_000).await.unwrap();
    let killed = killed.iter().find(|found| found.payload.as_ref().is_ok_and(|job| job.class() == "A")).unwrap();
    assert_eq!(inspector.act(killed, Act::Retry).await.unwrap(), Acted::Done);
    assert_eq!(s.broker.stats().await.unwrap().enqueued, 1);
}

#[tokio::test]
async fn a_signal_that_nobody_hears_is_gone_by_itself() {
    let mut s = Setup::redis();
    let process = s.process().await;
    let inspector = kiq::Inspector::new(&kiq::Client::new(Arc::clone(&s.broker)));

    assert!(inspector.signal(process.identity.as_str(), Signal::Quiet).await.unwrap());

    let ttl: i64 = s.server().connection().ttl(format!("{}-signals", process.identity)).unwrap();
    assert!((1..=60).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn a_deploy_that_is_told_of_again_in_the_next_minute_is_noted_once_and_not_for_ever() {
    let mut s = Setup::redis();
    let inspector = kiq::Inspector::new(&kiq::Client::new(Arc::clone(&s.broker)).with_clock(s.clock.clone()));

    assert!(inspector.mark_deploy("a1b2c3d").await.unwrap());
    s.clock.advance(std::time::Duration::from_secs(31));
    assert!(!inspector.mark_deploy("a1b2c3d").await.unwrap());

    let mut redis = s.server().connection();
    let marks: Vec<String> = redis.hkeys("20261123-marks").unwrap();
    assert_eq!(marks, ["2026-11-23T16:48:00Z"]);
    let ttl: i64 = redis.ttl("20261123-marks").unwrap();
    assert!((1..=90 * 86_400).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn outside_of_a_runtime_there_is_an_error_and_no_panic() {
    let s = Setup::redis();
    let broker = s.broker.clone();
    let outcome = std::thread::spawn(move || {
        let jobs = [to("q", "a")];
        let mut push = broker.push(&jobs);
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match push.as_mut().poll(&mut cx) {
            std::task::Poll::Ready(mut outcomes) => outcomes.remove(0),
            std::task::Poll::Pending => panic!("it waits for a runtime that is not there"),
        }
    });
    let outcome = outcome.join().unwrap();
    assert!(matches!(outcome, Err(PushError::Rejected(BrokerError::NoRuntime))), "{outcome:?}");
}

#[tokio::test]
async fn what_ran_is_written_under_the_keys_of_sidekiq_7_and_8() {
    let mut s = Setup::redis();
    let process = s.process().await;
    let mut durations = [0; kiq::inspect::HISTOGRAM_BUCKETS];
    durations[2] = 70_000;
    let runs = |class: &str| kiq::broker::ClassRuns {
        totals: kiq::broker::ClassTotals { class: class.to_owned(), runs: 3, failures: 1, millis: 62 },
        durations,
    };
    // 2026-11-03T06:04:10Z: every number that may be padded is below ten.
    let at = Timestamp::from_micros(1_793_685_850_000_000);
    process.consumer.record(&[runs("A"), runs("no|class")], at).await.unwrap();

    let mut connection = s.server().connection();
    let mut has = |key: &str| {
        let mut fields: Vec<(String, u64)> = redis::cmd("HGETALL").arg(key).query(&mut connection).unwrap();
        fields.sort();
        let ttl: i64 = redis::cmd("TTL").arg(key).query(&mut connection).unwrap();
        (fields, ttl)
    };
    let fields = [("A|f", 1), ("A|ms", 62), ("A|p", 3)].map(|(field, count)| (field.to_owned(), count));
    for (key, hours) in [("j|20261103|6:4", 8), ("j|261103|6:04", 8), ("j|261103|6:0", 72)] {
        let (found, ttl) = has(key);
        assert_eq!(found, fields, "{key}");
        assert!((hours * 3600 - 60..=hours * 3600).contains(&ttl), "{key}: {ttl}");
    }
    for key in ["A-03-06:4", "h|A-3-6:4"] {
        let mut read = redis::cmd("BITFIELD_RO");
        let counts: Vec<u32> = read
            .arg(key)
            .arg("GET")
            .arg("u16")
            .arg("#2")
            .arg("GET")
            .arg("u16")
            .arg("#3")
            .query(&mut connection)
            .unwrap();
        assert_eq!(counts, [65_535, 0], "{key}: a counter that is full stays full");
    }
}

#[tokio::test]
async fn a_long_place_does_not_hide_a_job_in_another() {
    let mut s = Setup::redis();
    let fill = "for i = 1, 20000 do redis.call('ZADD', 'dead', 1795400000 + i, \
                '{\"class\":\"A\",\"args\":[],\"jid\":\"d' .. i .. '\",\"queue\":\"q\"}') end";
    redis::cmd("EVAL").arg(fill).arg(0).exec(&mut s.server().connection()).unwrap();
    s.push(&[r#"{"class":"A","args":[],"jid":"a","queue":"q"}"#]).await;

    let inspector = kiq::Inspector::new(&kiq::Client::new(Arc::clone(&s.broker)));
    let found = inspector.find("a", 10_000).await.unwrap();
    assert!(matches!(found, kiq::inspect::Whereabouts::Waits { .. }), "{found:?}");
}
