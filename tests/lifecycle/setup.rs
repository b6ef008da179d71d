//! A client of a fresh store with a clock set by hand, and a worker on it.

use std::sync::Arc;
use std::time::Duration;

use kiq::broker::Broker;
use kiq::{
    Backoff, Client, Clock, Found, Inspector, JobSet, MemoryBroker, RedisBroker, Timestamp, Worker, WorkerBuilder,
};
use kiq_testing::{Events, RedisServer};

use crate::jobs::Notes;

/// 2026-11-23T16:48:29.5Z.
pub const START: Timestamp = Timestamp::from_micros(1_795_452_509_500_000);

pub struct Setup {
    pub client: Client,
    pub clock: Clock,
    pub notes: Notes,
    /// Gone when the test is over.
    pub server: Option<RedisServer>,
}

impl Setup {
    pub fn memory() -> Self {
        let clock = Clock::manual(START);
        Setup::new(Arc::new(MemoryBroker::new(clock.clone())), clock, None)
    }

    pub fn redis() -> Self {
        Setup::on(RedisServer::start())
    }

    pub fn on(server: RedisServer) -> Self {
        let clock = Clock::manual(START);
        let broker = RedisBroker::open(&server.url(), clock.clone()).unwrap();
        Setup::new(Arc::new(broker), clock, Some(server))
    }

    fn new(broker: Arc<dyn Broker>, clock: Clock, server: Option<RedisServer>) -> Self {
        let client = Client::new(broker).with_clock(clock.clone());
        Setup { client, clock, notes: Notes::default(), server }
    }

    /// Quick to notice what a test does to the clock, and with no luck in its back-off.
    pub fn worker(&self) -> WorkerBuilder {
        Worker::builder()
            .client(self.client.clone())
            .data(self.notes.clone())
            .data(self.client.clone())
            .poll_interval(Duration::from_millis(10))
            // Longer than any jump of the clock: a lease that ran out is back with the next heartbeat only, in real time.
            .lease(Duration::from_secs(365 * 86_400))
            .backoff(Backoff::custom(|retry| Duration::from_secs(60 * u64::from(retry + 1))))
    }

    /// Runs a worker until `test` is over, then stops it.
    pub async fn run(&self, worker: WorkerBuilder, test: impl AsyncFnOnce(&mut Events)) {
        let worker = worker.build().unwrap();
        let mut events = Events::of(&worker);
        worker.run_until(test(&mut events)).await.unwrap();
    }

    pub fn inspector(&self) -> Inspector {
        Inspector::new(&self.client)
    }

    pub async fn set(&self, set: JobSet) -> Vec<Found> {
        self.inspector().set(set, 0, 100).await.unwrap()
    }

    /// Stores bytes in a queue as another program may have left them.
    pub async fn push_raw(&self, queue: &str, payload: &str) {
        let job = kiq::broker::NewJob { payload: payload.to_owned(), queue: queue.to_owned(), at: None, guard: None };
        for outcome in self.client.broker().push(&[job]).await {
            outcome.unwrap();
        }
    }
}

/// Writes each test twice: once on the in-memory broker, once on a Redis of its own.
macro_rules! on_every_broker {
    ($($(#[doc = $doc:literal])* async fn $name:ident($setup:ident: Setup) $body:block)*) => {
        $($(#[doc = $doc])* async fn $name($setup: crate::setup::Setup) $body)*

        mod memory {
            $(#[tokio::test] async fn $name() { super::$name(crate::setup::Setup::memory()).await })*
        }

        mod redis {
            $(#[tokio::test] async fn $name() { super::$name(crate::setup::Setup::redis()).await })*
        }
    };
}

pub(crate) use on_every_broker;
