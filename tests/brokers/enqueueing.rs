//! What an enqueue says is true: `Ok` is one copy, `Rejected` none, `Unknown` one or none; and what cannot be enqueued is
//! said before anything is sent. The rows E1 to E12 are the project's list of bad enqueues.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kiq::{BrokerError, BulkError, Client, Clock, EnqueueError, Jid, JobSet, Payload, Stored, Timestamp};
use kiq_testing::RedisServer;

use crate::setup::{Note, START, Setup};

#[kiq::job(queue = "q")]
async fn weigh(weights: BTreeMap<String, Option<f64>>) {
    let _ = weights;
}

#[kiq::job(queue = "q")]
async fn pair(points: BTreeMap<(u8, u8), u8>) {
    let _ = points;
}

fn send(server: &RedisServer, command: &[&str]) {
    ::redis::cmd(command[0]).arg(&command[1..]).exec(&mut server.connection()).unwrap();
}

fn client(s: &Setup) -> Client {
    Client::new(s.broker.clone()).with_clock(s.clock.clone())
}

async fn copies(s: &Setup) -> usize {
    let stats = s.broker.stats().await.unwrap();
    stats.enqueued + stats.scheduled
}

const MINUTE: Duration = Duration::from_secs(60);

/// Each way to enqueue, refused with this code by the server that is there, and nothing of it stored.
async fn all_are_refused(client: &Client, code: &str) {
    let is_refusal = |error: &EnqueueError| match error {
        EnqueueError::Rejected { source: BrokerError::Refused { code: found, .. }, .. } => assert_eq!(found, code),
        other => panic!("{code}: {other:?}"),
    };
    for enqueue in [
        Note::enqueue("x"),
        Note::enqueue("x").delay(MINUTE),
        Note::enqueue("x").idempotent(MINUTE),
        Note::enqueue("x").idempotent(MINUTE).delay(MINUTE),
    ] {
        is_refusal(&enqueue.on(client).await.unwrap_err());
    }
    for bulk in [enqueue_notes(40), enqueue_notes(40).idempotent(MINUTE)] {
        let error = bulk.on(client).await.unwrap_err();
        is_refusal(error.first().unwrap());
        assert_eq!((error.stored.len(), error.unknown.len(), error.rejected.len()), (0, 0, 40));
    }
}

fn enqueue_notes(count: usize) -> kiq::EnqueueAll<Note> {
    kiq::enqueue_all((0..count).map(|number| Note::new(number.to_string())))
}

#[tokio::test]
async fn a_server_that_says_no_has_stored_nothing() {
    let mut s = Setup::redis();
    let client = client(&s);
    let works = async |s: &mut Setup| {
        Note::enqueue("x").on(&client).await.unwrap();
        assert_eq!(copies(s).await, 1);
        send(s.server(), &["DEL", "queue:q"]);
    };

    send(s.server(), &["CONFIG", "SET", "maxmemory", "1"]);
    all_are_refused(&client, "OOM").await;
    send(s.server(), &["CONFIG", "SET", "maxmemory", "0"]);
    works(&mut s).await;

    send(s.server(), &["CONFIG", "SET", "min-replicas-to-write", "1"]);
    all_are_refused(&client, "NOREPLICAS").await;
    send(s.server(), &["CONFIG", "SET", "min-replicas-to-write", "0"]);
    works(&mut s).await;

    // It cannot save: its folder is gone.
    std::fs::remove_dir_all(s.server().folder()).unwrap();
    send(s.server(), &["CONFIG", "SET", "save", "3600 1"]);
    send(s.server(), &["BGSAVE"]);
    let mut redis = s.server().connection();
    while !::redis::cmd("INFO").query::<String>(&mut redis).unwrap().contains("rdb_last_bgsave_status:err") {}
    all_are_refused(&client, "MISCONF").await;
    send(s.server(), &["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"]);
    works(&mut s).await;

    let primary = RedisServer::start();
    send(s.server(), &["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    // The change of roles cuts connections; a push may fall into that.
    while s.broker.stats().await.is_err() {}
    all_are_refused(&client, "READONLY").await;
    send(s.server(), &["REPLICAOF", "NO", "ONE"]);
    works(&mut s).await;
}

#[tokio::test]
async fn a_user_without_the_right_has_stored_nothing_and_left_no_mark() {
    let mut s = Setup::redis();
    let url = s.server().url().replace("redis://", "redis://shop:secret@");
    let limited = Client::connect(&url).unwrap();
    for missing in [&["-lpush", "-zadd"][..], &["-lpush", "-zadd", "-del", "-unlink"]] {
        let mut rule = vec!["ACL", "SETUSER", "shop", "reset", "on", ">secret", "~*", "+@all"];
        rule.extend(missing);
        send(s.server(), &rule);
        all_are_refused(&limited, "NOPERM").await;
    }
    assert_eq!(copies(&s).await, 0);
    // Nor is anything kept that would make a repetition believe it is stored.
    send(s.server(), &["ACL", "SETUSER", "shop", "+@all"]);
    let jid = Jid::random();
    let once = || Note::enqueue("x").jid(jid.clone()).idempotent(MINUTE).on(&limited);
    send(s.server(), &["ACL", "SETUSER", "shop", "-lpush"]);
    assert!(matches!(once().await, Err(EnqueueError::Rejected { .. })));
    send(s.server(), &["ACL", "SETUSER", "shop", "+lpush"]);
    assert_eq!(once().await.unwrap().stored, Stored::New);
    // The right to mark is asked for first.
    send(s.server(), &["ACL", "SETUSER", "shop", "-set"]);
    let refused = Note::enqueue("y").idempotent(MINUTE).on(&limited).await;
    assert!(matches!(refused, Err(EnqueueError::Rejected { .. })), "{refused:?}");
    assert_eq!(copies(&s).await, 1);
}

/// E1: a queue's name is checked before anything is sent.
#[tokio::test]
async fn e1_a_queue_that_cannot_be_is_an_error() {
    let client = Client::in_memory();
    for name in ["", "two words", "a/b", "q\n", "ö", &"q".repeat(129)] {
        let error = Note::enqueue("x").queue(name).on(&client).await.unwrap_err();
        assert!(matches!(&error, EnqueueError::InvalidQueue { queue, .. } if queue == name), "{error:?}");
        let all = kiq::enqueue_all([Note::new("x"), Note::new("y")]).queue(name).on(&client).await.unwrap_err();
        assert!(all.to_string().starts_with("none of the jobs was sent: "), "{all}");
        assert!(matches!(all.first(), Some(EnqueueError::InvalidQueue { .. })), "{all:?}");
    }
    Note::enqueue("x").queue("q".repeat(128)).on(&client).await.unwrap();
}

/// E2: arguments that JSON cannot hold are named.
#[tokio::test]
async fn e2_arguments_that_cannot_be_written_are_named() {
    let client = Client::in_memory();
    for number in [f64::NAN, f64::INFINITY] {
        let weights = BTreeMap::from([("a".to_owned(), None), ("b".to_owned(), Some(number))]);
        let error = Weigh::enqueue(weights).on(&client).await.unwrap_err();
        assert!(matches!(error, EnqueueError::Args(_)), "{error:?}");
        assert!(error.to_string().contains("`weights`") && error.to_string().contains(r#"(at ["b"])"#), "{error}");
    }
    Weigh::enqueue(BTreeMap::from([("a".to_owned(), None)])).on(&client).await.unwrap();
    let error = Pair::enqueue(BTreeMap::from([((1, 2), 3)])).on(&client).await.unwrap_err();
    assert!(matches!(error, EnqueueError::Args(_)) && error.to_string().contains("points"), "{error:?}");
}

/// E3: a payload beyond the limit is an error that says both sizes.
#[tokio::test]
async fn e3_a_payload_that_is_too_large_is_an_error() {
    let client = Client::in_memory().with_payload_limit(1000);
    let error = Note::enqueue("x".repeat(1000)).on(&client).await.unwrap_err();
    assert!(matches!(error, EnqueueError::TooLarge { size: 1001.., limit: 1000, .. }), "{error:?}");
    let bulk = kiq::enqueue_all([Note::new("x"), Note::new("x".repeat(1000))]).on(&client).await.unwrap_err();
    assert!(bulk.stored.is_empty() && matches!(bulk.first(), Some(EnqueueError::TooLarge { .. })), "{bulk:?}");
    assert_eq!(client.broker().stats().await.unwrap().enqueued, 0);
}

/// E4: a time that has passed is now, one after the year 9999 an error.
#[tokio::test]
async fn e4_a_time_in_the_past_is_now_and_one_after_9999_an_error() {
    let client = Client::in_memory().with_clock(Clock::manual(START));
    for at in [Timestamp::from_micros(i64::MIN), Timestamp::from_micros(-1), Timestamp::from_micros(0), START] {
        let receipt = Note::enqueue("x").at(at).on(&client).await.unwrap();
        assert_eq!(receipt.at, None, "{at}");
    }
    let last = Timestamp::from_micros(253_402_300_799_999_999);
    assert_eq!(Note::enqueue("x").at(last).on(&client).await.unwrap().at, Some(last));
    for at in [Timestamp::from_micros(253_402_300_800_000_000), Timestamp::from_micros(i64::MAX)] {
        let error = Note::enqueue("x").at(at).on(&client).await.unwrap_err();
        assert!(matches!(error, EnqueueError::InvalidTime { .. }), "{error:?}");
    }
}

/// E5: a bulk of none is `Ok`, a large one goes in chunks, in order.
#[tokio::test]
async fn e5_a_bulk_of_none_is_ok_and_one_of_many_goes_in_chunks() {
    let s = Setup::redis();
    let client = client(&s);
    assert_eq!(enqueue_notes(0).on(&client).await.unwrap(), []);

    let receipts = enqueue_notes(100_000).on(&client).await.unwrap();

    assert_eq!(receipts.len(), 100_000);
    assert_eq!(copies(&s).await, 100_000);
    let first = s.broker.queue_page("q", 0, 1500).await.unwrap();
    let jids = first.iter().map(|bytes| Payload::parse(bytes).unwrap().jid().clone());
    assert!(jids.eq(receipts[..1500].iter().map(|receipt| receipt.jid.clone())));
}

/// Options of every kind, arguments that need a look, and each of the ways a bulk goes.
#[kiq::job(queue = "q", retry = 7, retry_queue = "again", dead = false, tags = ["a\"b"])]
async fn particular(text: String, more: serde_json::Value) {
    let _ = (text, more);
}

/// A bulk writes what jobs have in common only once; what it stores is what each enqueue would.
#[tokio::test]
async fn a_bulk_stores_what_each_enqueue_would() {
    let client = Client::in_memory().with_clock(Clock::manual(START));
    let store = client.broker();
    let jobs = || {
        let texts = ["", "plain", "\\ud800 \" \u{1f600} \u{7}", "\"jid\":\"x\",\"args\":[]}"];
        texts.map(|text| Particular::new(text, serde_json::json!([{"jid": text}, [[1.5]]])))
    };
    let without_jid = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let jid = Payload::parse(bytes).unwrap().jid().to_string();
        assert_eq!(text.matches(&jid).count(), 1, "{text}");
        text.replace(&jid, "…")
    };
    // Plainly; under options of the enqueue; and for later.
    for way in 0..3_u64 {
        let queue = format!("bulk{way}");
        let later = Duration::from_secs(3600 * (way / 2));
        let bulk = kiq::enqueue_all(jobs()).queue(&queue).delay(later);
        let bulk = if way == 1 { bulk.no_retry().tags(["t"]) } else { bulk };
        let receipts = bulk.on(&client).await.unwrap();
        for job in jobs() {
            let one = kiq::enqueue(job).queue(&queue).delay(later);
            let one = if way == 1 { one.no_retry().tags(["t"]) } else { one };
            let _receipt = one.on(&client).await.unwrap();
        }
        let stored: Vec<Vec<u8>> = match way {
            2 => {
                let page = store.set_page(JobSet::Scheduled, 0, 100).await.unwrap();
                page.into_iter().map(|entry| entry.payload).collect()
            }
            _ => store.queue_page(&queue, 0, 100).await.unwrap(),
        };
        let of_the_bulk = |bytes: &&Vec<u8>| {
            let jid = Payload::parse(bytes).unwrap().jid().clone();
            receipts.iter().any(|receipt| receipt.jid == jid && receipt.queue == queue)
        };
        let (bulk, one_by_one): (Vec<_>, Vec<_>) = stored.iter().partition(of_the_bulk);
        let texts = |stored: Vec<&Vec<u8>>| {
            let mut texts: Vec<String> = stored.into_iter().map(|bytes| without_jid(bytes)).collect();
            texts.sort();
            texts
        };
        assert_eq!(bulk.len(), 4);
        assert_eq!(texts(bulk), texts(one_by_one));
    }
}

/// What another reader could not read is refused wherever in a bulk it is, and nothing of the bulk is stored.
#[tokio::test]
async fn a_bulk_with_one_job_nobody_can_read_stores_nothing() {
    let client = Client::in_memory();
    let deep = (0..200).fold(serde_json::Value::Null, |inner, _| serde_json::json!([inner]));
    let jobs = [Particular::new("fine", serde_json::Value::Null), Particular::new("deep", deep)];
    let error = kiq::enqueue_all(jobs).on(&client).await.unwrap_err();
    assert!(matches!(error.first(), Some(EnqueueError::Unreadable { .. })), "{error}");
    assert_eq!(client.broker().stats().await.unwrap().enqueued, 0);
}

/// E6: an id that is given twice in a bulk is an error, as is a number of ids that does not fit.
#[tokio::test]
async fn e6_a_jid_given_twice_in_a_bulk_is_an_error() {
    let client = Client::in_memory();
    let jids = |ids: &[&str]| ids.iter().map(|id| Jid::parse(id).unwrap()).collect::<Vec<_>>();
    let error = async |ids: &[&str]| enqueue_notes(3).jids(jids(ids)).on(&client).await.unwrap_err();

    let twice = error(&["a", "b", "a"]).await;
    assert!(matches!(twice.first(), Some(EnqueueError::DuplicateJid { jid }) if jid.as_str() == "a"), "{twice:?}");
    let fewer = error(&["a", "b"]).await;
    assert!(matches!(fewer.first(), Some(EnqueueError::JidsDoNotFit { jobs: 3, jids: 2 })), "{fewer:?}");
    let more = error(&["a", "b", "c", "d"]).await;
    assert!(matches!(more.first(), Some(EnqueueError::JidsDoNotFit { jobs: 3, jids: 4 })), "{more:?}");
    assert_eq!(client.broker().stats().await.unwrap().enqueued, 0);
    let receipts = enqueue_notes(3).jids(jids(&["a", "b", "c"])).on(&client).await.unwrap();
    assert_eq!(receipts.iter().map(|receipt| receipt.jid.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
}

/// E7: an id of the caller's own has letters, digits, `_` and `-`, and at most 64 of them.
#[test]
fn e7_a_jid_that_cannot_be_is_an_error() {
    for bad in ["", "a b", "a/b", "a:b", "ö", "a\n", &"a".repeat(65)] {
        assert!(Jid::parse(bad).is_err(), "{bad:?}");
    }
    for good in ["a", "A-9_z", &"a".repeat(64)] {
        assert_eq!(Jid::parse(good).unwrap().as_str(), good);
    }
}

/// E8: a delay cannot be negative by its type, and one beyond all time is an error.
#[tokio::test]
async fn e8_a_delay_beyond_all_time_is_an_error() {
    let client = Client::in_memory();
    for delay in [Duration::MAX, Duration::from_secs(u64::MAX / 1_000_000), Duration::from_secs(300_000_000_000)] {
        let error = Note::enqueue("x").delay(delay).on(&client).await.unwrap_err();
        assert!(matches!(error, EnqueueError::InvalidTime { .. }), "{delay:?}: {error:?}");
    }
    assert_eq!(Note::enqueue("x").delay(Duration::ZERO).on(&client).await.unwrap().at, None);
}

/// E10: a closed client says so at once, and so do its clones.
#[tokio::test]
async fn e10_a_closed_client_answers_closed() {
    let s = Setup::memory();
    let client = client(&s);
    let clone = client.clone().with_payload_limit(10_000);
    Note::enqueue("x").on(&client).await.unwrap();
    client.close();

    for client in [&client, &clone] {
        let error = Note::enqueue("x").on(client).await.unwrap_err();
        assert!(matches!(error, EnqueueError::Closed { .. }) && client.is_closed(), "{error:?}");
        let bulk: BulkError = enqueue_notes(3).on(client).await.unwrap_err();
        assert_eq!((bulk.stored.len(), bulk.unknown.len(), bulk.rejected.len()), (0, 0, 3));
    }
    assert_eq!(copies(&s).await, 1);
}

/// E11: outside of a runtime there is an error, single, in bulk, and durable.
#[test]
fn e11_outside_of_a_runtime_there_is_an_error_and_no_panic() {
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    fn poll<T>(future: impl IntoFuture<Output = T>) -> T {
        let mut future = Box::pin(future.into_future());
        match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(output) => output,
            std::task::Poll::Pending => panic!("it waits for a runtime that is not there"),
        }
    }
    let is_it = |error: &EnqueueError| {
        assert!(matches!(error, EnqueueError::Rejected { source: BrokerError::NoRuntime, .. }), "{error:?}");
    };
    is_it(&poll(Note::enqueue("x").on(&client)).unwrap_err());
    is_it(&poll(Note::enqueue("x").idempotent(MINUTE).on(&client)).unwrap_err());
    is_it(&poll(Note::enqueue("x").durable(kiq::Replicas::new(1)).on(&client)).unwrap_err());
    is_it(poll(enqueue_notes(40).on(&client)).unwrap_err().first().unwrap());
}

/// E12: 10,000 at once on a server that hangs all end in time, and each says the truth.
#[tokio::test]
async fn e12_ten_thousand_on_a_frozen_server_all_end_in_time_and_tell_the_truth() {
    let mut s = Setup::redis();
    let client = client(&s);
    Note::enqueue("warm").on(&client).await.unwrap();
    s.server().stop();

    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..10_000 {
        let client = client.clone();
        tasks.spawn(async move {
            let jid = Jid::parse(&number.to_string()).unwrap();
            match Note::enqueue("x").jid(jid.clone()).on(&client).await {
                Err(EnqueueError::Rejected { .. }) => (jid, 0..=0),
                Err(EnqueueError::Unknown { .. }) => (jid, 0..=1),
                other => panic!("{other:?}"),
            }
        });
    }
    let outcomes = tasks.join_all().await;
    let took = started.elapsed();

    s.server().resume();
    assert_eq!(outcomes.len(), 10_000);
    // Nine seconds by its promise; the rest is for a busy machine.
    assert!(took < Duration::from_secs(20), "{took:?}");
    while s.broker.check().await.is_err() {}
    // What was on its way has arrived once a later write has.
    while Note::enqueue("last").on(&client).await.is_err() {}
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for bytes in s.broker.queue_page("q", 0, 20_000).await.unwrap() {
        *found.entry(Payload::parse(&bytes).unwrap().jid().to_string()).or_default() += 1;
    }
    for (jid, may_be) in outcomes {
        let copies = found.get(jid.as_str()).copied().unwrap_or(0);
        assert!(may_be.contains(&copies), "{jid}: {copies} copies");
    }
}

/// What waits behind a server that hangs is bounded by bytes, so that it cannot fill the memory.
#[tokio::test]
async fn what_waits_for_a_frozen_server_is_bounded() {
    let mut s = Setup::redis();
    let client = client(&s).with_payload_limit(32 << 20);
    Note::enqueue("warm").on(&client).await.unwrap();
    s.server().stop();
    let large = "x".repeat(20 << 20);

    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let enqueue = Note::enqueue(large.clone()).on(&client);
        tasks.spawn(async move { enqueue.await.unwrap_err() });
    }
    let errors: Vec<String> = tasks.join_all().await.iter().map(ToString::to_string).collect();
    s.server().resume();

    let refused = errors.iter().filter(|error| error.contains("bytes of jobs wait to be sent")).count();
    assert_eq!(refused, 5, "{errors:?}");
}

/// A push that is dropped before its turn is not sent.
#[tokio::test]
async fn one_that_is_dropped_in_time_is_not_stored() {
    let mut s = Setup::redis();
    let client = client(&s);
    Note::enqueue("warm").on(&client).await.unwrap();
    s.server().stop();
    let first = tokio::spawn(Note::enqueue("first").on(&client).into_future());
    let go_on = async || {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    };
    go_on().await;
    let second = tokio::spawn(Note::enqueue("second").on(&client).into_future());
    go_on().await;

    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    s.server().resume();

    first.await.unwrap().unwrap();
    Note::enqueue("third").on(&client).await.unwrap();
    let texts: Vec<String> =
        s.queue("q").await.iter().map(|job| Payload::parse(job.as_bytes()).unwrap().args().get().to_owned()).collect();
    assert_eq!(texts, [r#"["warm"]"#, r#"["first"]"#, r#"["third"]"#]);
    assert!(s.set(JobSet::Scheduled).await.is_empty());
}
