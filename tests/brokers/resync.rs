//! The connection breaks in the middle of a request: what was carried out is found again, what was not is not made up.

use std::task::{Context, Poll, Waker};

use kiq::broker::{Settled, UnitOfWork};
use kiq_testing::RedisServer;

use crate::setup::{APPLIED, Process, Setup, freeze, payloads, thaw, to};

/// A server that is stopped, and what it will find when it goes on.
struct Stopped<'a> {
    server: &'a RedisServer,
    cut: redis::Connection,
}

impl<'a> Stopped<'a> {
    fn new(server: &'a RedisServer) -> Self {
        let cut = server.connection();
        freeze(server);
        Stopped { server, cut }
    }

    /// Sends the end of all connections, which is carried out after what was sent before.
    fn cut_all(&mut self) {
        let mut kill = redis::cmd("CLIENT");
        kill.arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes");
        self.cut.send_packed_command(&kill.get_packed_command()).unwrap();
    }

    fn go_on(self) {
        thaw(self.server);
    }
}

/// Lets a request go out to a server that is stopped.
async fn sent<T>(request: &mut (impl Future<Output = T> + Unpin)) {
    for _ in 0..200 {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(std::pin::Pin::new(&mut *request).poll(&mut cx), Poll::Pending), "a stopped server answered");
        tokio::task::yield_now().await;
    }
}

/// A fetch that the server carries out, or not, and whose answer nobody gets.
async fn unanswered_fetch(process: &Process, server: &RedisServer, queues: &[&str], is_carried_out: bool) {
    let queues: Vec<String> = queues.iter().map(|queue| (*queue).to_owned()).collect();
    // Until now all is well, and the script is known.
    process.consumer.fetch(&["none".to_owned()], 1).await.unwrap();
    let mut stopped = Stopped::new(server);
    if !is_carried_out {
        stopped.cut_all();
    }
    let mut fetch = process.consumer.fetch(&queues, 2);
    sent(&mut fetch).await;
    if is_carried_out {
        stopped.cut_all();
    }
    stopped.go_on();
    let answer = fetch.await;
    assert!(answer.is_err(), "{answer:?}");
}

async fn fetch(process: &Process, queue: &str, want: usize) -> Vec<UnitOfWork> {
    process.consumer.fetch(&[queue.to_owned()], want).await.unwrap()
}

#[tokio::test]
async fn the_next_fetch_has_what_an_unanswered_one_took() {
    let s = Setup::redis();
    s.push(&["a", "b", "c"]).await;
    let process = s.process().await;

    unanswered_fetch(&process, s.server.as_ref().unwrap(), &["q"], true).await;

    while s.broker.check().await.is_err() {}
    assert_eq!((s.numbers().await.2, s.queue("q").await.len()), (2, 1));
    let units = fetch(&process, "q", 1).await;
    assert_eq!(payloads(&units), ["a", "b"]);
    let more = fetch(&process, "q", 1).await;
    assert_eq!(payloads(&more), ["c"]);
    assert!(process.consumer.reclaim().await.unwrap().is_empty());
    assert_eq!(process.consumer.ack(&units).await.unwrap(), [APPLIED, APPLIED]);
    assert_eq!(process.consumer.give_back(&more).await.unwrap(), 1);
    assert_eq!(s.numbers().await, (2, 0, 0));
}

#[tokio::test]
async fn the_next_fetch_goes_on_after_one_that_never_came_to_the_server() {
    let s = Setup::redis();
    s.push(&["a", "b", "c"]).await;
    let process = s.process().await;

    unanswered_fetch(&process, s.server.as_ref().unwrap(), &["q"], false).await;

    while s.broker.check().await.is_err() {}
    assert_eq!((s.numbers().await.2, s.queue("q").await.len()), (0, 3));
    assert_eq!(payloads(&fetch(&process, "q", 3).await), ["a", "b", "c"]);
    assert!(process.consumer.reclaim().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_an_unanswered_fetch_took_is_put_back_if_nobody_asks_again() {
    let s = Setup::redis();
    s.push(&["a", "b", "c"]).await;
    let process = s.process().await;

    unanswered_fetch(&process, s.server.as_ref().unwrap(), &["q"], true).await;

    while s.broker.check().await.is_err() {}
    let found = process.consumer.reclaim().await.unwrap();
    assert_eq!(found.iter().map(|reclaimed| reclaimed.jobs).sum::<usize>(), 2);
    assert_eq!(s.queue("q").await, ["a", "b", "c"]);
    assert_eq!(payloads(&fetch(&process, "q", 2).await), ["a", "b"]);
}

#[tokio::test]
async fn what_one_capsule_took_is_not_given_to_another() {
    let s = Setup::redis();
    s.push_all(&[to("q", "a"), to("q", "b"), to("other", "c")]).await;
    let process = s.process().await;

    unanswered_fetch(&process, s.server.as_ref().unwrap(), &["q"], true).await;

    while s.broker.check().await.is_err() {}
    assert_eq!(payloads(&fetch(&process, "other", 5).await), ["c"]);
    assert_eq!(payloads(&fetch(&process, "q", 5).await), ["a", "b"]);
}

#[tokio::test]
async fn one_whose_lease_ran_out_meanwhile_does_not_take_up_an_unanswered_fetch() {
    let s = Setup::redis();
    s.push(&["a", "b"]).await;
    let (process, other) = (s.process().await, s.process().await);

    unanswered_fetch(&process, s.server.as_ref().unwrap(), &["q"], true).await;
    while s.broker.check().await.is_err() {}
    s.lose(&process);

    let lost = process.consumer.fetch(&["q".to_owned()], 5).await;
    assert!(matches!(lost, Err(kiq::BrokerError::LeaseLost)), "{lost:?}");
    while other.consumer.reclaim().await.is_err() {}
    assert_eq!(s.queue("q").await, ["a", "b"]);
}

#[tokio::test]
async fn an_unanswered_acknowledgement_is_repeated_and_counts_once() {
    let s = Setup::redis();
    for (round, is_carried_out) in [true, false, true].into_iter().enumerate() {
        s.push(&["a", "b"]).await;
        let process = s.process().await;
        let units = process.fetch(2).await;
        // The script is known from here on.
        assert_eq!(process.consumer.ack(&units[..1]).await.unwrap(), [APPLIED]);
        let server = s.server.as_ref().unwrap();
        let mut stopped = Stopped::new(server);
        if !is_carried_out {
            stopped.cut_all();
        }
        let mut ack = process.consumer.ack(&units[1..]);
        sent(&mut ack).await;
        if is_carried_out {
            stopped.cut_all();
        }
        stopped.go_on();
        assert!(ack.await.is_err());
        while s.broker.check().await.is_err() {}
        let done = 2 * round as u64 + if is_carried_out { 2 } else { 1 };
        assert_eq!(s.numbers().await.0, done);

        let again = process.consumer.ack(&units[1..]).await.unwrap();

        assert_eq!(again, [APPLIED]);
        assert_eq!(s.numbers().await, (2 * round as u64 + 2, 0, 0));
        assert_eq!(process.consumer.ack(&units[..1]).await.unwrap(), [Settled::Stale]);
    }
}
