//! Pushes that may be repeated: the second of two that mean the same job stores nothing.

use std::time::Duration;

use kiq::JobSet;
use kiq::broker::{Guard, NewJob, PushError, Pushed};
use kiq::{BrokerError, Client, EnqueueError, Jid, Stored};

use crate::setup::{Note, START, Setup, at, on_every_broker, to};

const MINUTE: Duration = Duration::from_secs(60);

fn guarded(mut job: NewJob, key: &str, jid: &str) -> NewJob {
    job.guard = Some(Guard { key: key.to_owned(), ttl: MINUTE, jid: jid.to_owned() });
    job
}

fn already(jid: &str) -> Pushed {
    Pushed::Already { jid: jid.to_owned() }
}

async fn push(s: &Setup, jobs: &[NewJob]) -> Vec<Pushed> {
    s.broker.push(jobs).await.into_iter().map(|outcome| outcome.unwrap()).collect()
}

on_every_broker! {
    async fn a_repeated_push_stores_nothing_and_names_the_first(s: Setup) {
        let job = guarded(to("q", "a"), "k", "1");
        assert_eq!(push(&s, std::slice::from_ref(&job)).await, [Pushed::New]);

        assert_eq!(push(&s, &[guarded(to("q", "b"), "k", "2"), guarded(to("q", "c"), "k2", "3")]).await, [already("1"), Pushed::New]);
        assert_eq!(s.queue("q").await, ["a", "c"]);

        // Taken and done, it is still known.
        let process = s.process().await;
        process.fetch(2).await;
        assert_eq!(push(&s, &[job]).await, [already("1")]);
        assert!(s.queue("q").await.is_empty());
    }

    async fn one_push_may_mix_guards_and_places(s: Setup) {
        let later = START + MINUTE;
        let jobs = [
            to("q", "a"),
            guarded(at(later, "b"), "b", "2"),
            guarded(to("other", "c"), "c", "3"),
            guarded(to("q", "d"), "d", "4"),
            guarded(to("q", "again"), "d", "5"),
            at(later, "e"),
        ];
        let outcomes = push(&s, &jobs).await;
        assert_eq!(outcomes, [Pushed::New, Pushed::New, Pushed::New, Pushed::New, already("4"), Pushed::New]);

        let outcomes = push(&s, &jobs).await;
        assert_eq!(outcomes, [Pushed::New, already("2"), already("3"), already("4"), already("4"), Pushed::New]);

        assert_eq!(s.queue("other").await, ["c"]);
        let mut q = s.queue("q").await;
        q.sort();
        assert_eq!(q, ["a", "a", "d"]);
        let names: Vec<String> = s.broker.queues().await.unwrap().into_iter().map(|queue| queue.name).collect();
        assert_eq!(names, ["other", "q"]);
        let mut scheduled: Vec<String> = s.set(JobSet::Scheduled).await.into_iter().map(|(_, payload)| payload).collect();
        scheduled.dedup();
        assert_eq!(scheduled, ["b", "e"]);
    }

    async fn of_many_at_once_one_stores(s: Setup) {
        let client = Client::new(s.broker.clone()).with_clock(s.clock.clone());
        let repeat = |number: u64| {
            let client = client.clone();
            async move { Note::enqueue(number.to_string()).idempotent_by("the one", MINUTE).on(&client).await.unwrap() }
        };
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..50 {
            tasks.spawn(repeat(number));
        }
        let receipts = tasks.join_all().await;

        assert_eq!(receipts.iter().filter(|receipt| receipt.stored == Stored::New).count(), 1);
        let jid = &receipts[0].jid;
        assert!(receipts.iter().all(|receipt| receipt.jid == *jid));
        assert_eq!(s.queue("q").await.len(), 1);
    }

    async fn a_bulk_of_many_chunks_is_repeated_without_copies(s: Setup) {
        let client = Client::new(s.broker.clone()).with_clock(s.clock.clone());
        let jids: Vec<Jid> = (0..2500).map(|n| Jid::parse(&format!("job-{n}")).unwrap()).collect();
        let all = |jids: &[Jid]| {
            kiq::enqueue_all((0..jids.len()).map(|n| Note::new(n.to_string()))).jids(jids.to_vec()).idempotent(MINUTE).on(&client)
        };

        let first = all(&jids[..1200]).await.unwrap();
        let receipts = all(&jids).await.unwrap();

        assert!(first.iter().all(|receipt| receipt.stored == Stored::New));
        assert!(receipts.iter().zip(&jids).all(|(receipt, jid)| receipt.jid == *jid));
        let new = |receipt: &&kiq::Receipt| receipt.stored == Stored::New;
        assert_eq!(receipts.iter().filter(new).count(), 1300);
        assert_eq!(s.queue("q").await.len(), 2500);
    }

    async fn a_scheduled_one_is_repeated_without_a_copy(s: Setup) {
        let client = Client::new(s.broker.clone()).with_clock(s.clock.clone());
        let jid = Jid::random();
        let once = |delay| Note::enqueue("x").jid(jid.clone()).delay(delay).idempotent(MINUTE).on(&client);

        assert_eq!(once(MINUTE).await.unwrap().stored, Stored::New);
        assert_eq!(once(MINUTE * 2).await.unwrap().stored, Stored::Already);

        let scheduled = s.set(JobSet::Scheduled).await;
        assert_eq!(scheduled.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [START + MINUTE]);
    }
}

/// E9: a time of zero is an error, as is a key nobody can hold.
#[tokio::test]
async fn e9_a_guard_that_cannot_be_is_an_error() {
    let client = Client::in_memory();
    let says = async |enqueue: kiq::Enqueue<Note>| match enqueue.on(&client).await {
        Err(error @ EnqueueError::InvalidGuard { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(says(Note::enqueue("x").idempotent(Duration::ZERO)).await.contains("a millisecond to a year"));
    assert!(says(Note::enqueue("x").idempotent(Duration::MAX)).await.contains("a millisecond to a year"));
    assert!(says(Note::enqueue("x").idempotent_by("", MINUTE)).await.contains("must not be empty"));
    assert!(says(Note::enqueue("x").idempotent_by("k".repeat(257), MINUTE)).await.contains("256 bytes"));
}

#[tokio::test]
async fn the_mark_is_gone_after_its_time() {
    let s = Setup::memory();
    let job = guarded(to("q", "a"), "k", "1");
    assert_eq!(push(&s, std::slice::from_ref(&job)).await, [Pushed::New]);
    s.clock.advance(MINUTE - Duration::from_millis(1));
    assert_eq!(push(&s, std::slice::from_ref(&job)).await, [already("1")]);
    s.clock.advance(Duration::from_millis(1));
    assert_eq!(push(&s, &[job]).await, [Pushed::New]);
    assert_eq!(s.queue("q").await, ["a", "a"]);

    // Redis goes by its own clock: it is told the time, and a repetition does not make it longer.
    let mut s = Setup::redis();
    let job = guarded(to("q", "a"), "k", "1");
    push(&s, std::slice::from_ref(&job)).await;
    let mut redis = s.server().connection();
    ::redis::cmd("PEXPIRE").arg("kiq:once:k").arg(30_000).exec(&mut redis).unwrap();
    assert_eq!(push(&s, &[job]).await, [already("1")]);
    let ttl: u64 = ::redis::cmd("PTTL").arg("kiq:once:k").query(&mut redis).unwrap();
    assert!((1..=30_000).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn a_server_that_forgot_the_script_stores_the_job_once() {
    let mut s = Setup::redis();
    for number in 0..3 {
        ::redis::cmd("SCRIPT").arg("FLUSH").exec(&mut s.server().connection()).unwrap();
        let jobs = [
            to("q", "plain"),
            guarded(to("q", "a"), &number.to_string(), "1"),
            guarded(at(START, "b"), &format!("b{number}"), "2"),
        ];
        assert_eq!(push(&s, &jobs).await, [Pushed::New, Pushed::New, Pushed::New]);
    }
    assert_eq!(s.queue("q").await.len(), 6);
}

#[tokio::test]
async fn a_refused_push_leaves_no_mark_behind() {
    let mut s = Setup::redis();
    let job = guarded(to("q", "a"), "k", "1");
    let send = |s: &mut Setup, command: &[&str]| {
        ::redis::cmd(command[0]).arg(&command[1..]).exec(&mut s.server().connection()).unwrap();
    };
    let code = |outcome: Result<Pushed, PushError>| match outcome {
        Err(PushError::Rejected(BrokerError::Refused { code, .. })) => code,
        other => panic!("{other:?}"),
    };
    send(&mut s, &["SET", "queue:q", "text"]);
    assert_eq!(code(s.broker.push(std::slice::from_ref(&job)).await.remove(0)), "WRONGTYPE");
    send(&mut s, &["DEL", "queue:q"]);
    send(&mut s, &["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(code(s.broker.push(std::slice::from_ref(&job)).await.remove(0)), "OOM");
    send(&mut s, &["CONFIG", "SET", "maxmemory", "0"]);

    // Of one that was taken back, nothing is left a moment later; and even within it the job is stored.
    assert_eq!(push(&s, &[job]).await, [Pushed::New]);
    assert_eq!(s.queue("q").await, ["a"]);
}

/// The case it is made for: the answer is lost although the job was stored, and the caller repeats it.
#[tokio::test]
async fn after_a_lost_answer_the_repetition_finds_it_stored() {
    let mut s = Setup::redis();
    let client = Client::new(s.broker.clone()).with_clock(s.clock.clone());
    Note::enqueue("warm").idempotent(MINUTE).on(&client).await.unwrap();
    s.server().stop();

    let lost = Note::enqueue("x").idempotent(MINUTE).on(&client).await.unwrap_err();

    s.server().resume();
    let EnqueueError::Unknown { jid, is_guarded: true, .. } = &lost else { panic!("{lost:?}") };
    assert!(lost.to_string().contains("with the same id or key and `idempotent`"), "{lost}");
    while s.broker.check().await.is_err() {}
    let again = Note::enqueue("x").jid(jid.clone()).idempotent(MINUTE).on(&client).await.unwrap();
    assert_eq!((again.stored, &again.jid), (Stored::Already, jid));
    assert_eq!(s.queue("q").await.len(), 2);
}
