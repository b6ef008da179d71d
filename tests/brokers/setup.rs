//! A fresh broker with a clock set by hand, and processes on it.

use std::sync::Arc;
use std::time::Duration;

use kiq::broker::{
    Beat, Broker, CapsuleInfo, Consumer, Identity, NewJob, OrderMode, ProcessInfo, Settled, Settlement, UnitOfWork,
};
use kiq::{Clock, JobSet, MemoryBroker, RedisBroker, Timestamp};
use kiq_testing::RedisServer;

/// 2026-11-23T16:48:29.5Z.
pub const START: Timestamp = Timestamp::from_micros(1_795_452_509_500_000);

pub const LEASE: Duration = Duration::from_secs(15);

/// A job to enqueue.
#[kiq::job(queue = "q")]
pub async fn note(text: &str) {
    let _ = text;
}

pub struct Setup {
    pub broker: Arc<dyn Broker>,
    pub clock: Clock,
    pub server: Option<RedisServer>,
}

/// A worker process as the broker knows it.
pub struct Process {
    pub identity: Identity,
    pub consumer: Arc<dyn Consumer>,
}

impl Setup {
    pub fn memory() -> Self {
        let clock = Clock::manual(START);
        Setup { broker: Arc::new(MemoryBroker::new(clock.clone())), clock, server: None }
    }

    pub fn redis() -> Self {
        Setup::on(RedisServer::start())
    }

    pub fn on(server: RedisServer) -> Self {
        let clock = Clock::manual(START);
        let broker = RedisBroker::open(&server.url(), clock.clone()).unwrap();
        Setup { broker: Arc::new(broker), clock, server: Some(server) }
    }

    pub fn server(&mut self) -> &mut RedisServer {
        self.server.as_mut().unwrap()
    }

    pub async fn process(&self) -> Process {
        Process::on(&self.broker).await
    }

    /// A process whose heartbeat stopped long ago, without waiting for it.
    pub fn lose(&self, process: &Process) {
        match &self.server {
            Some(server) => {
                redis::cmd("DEL")
                    .arg(format!("kiq:lease:{}", process.identity))
                    .exec(&mut server.connection())
                    .unwrap();
            }
            None => self.clock.advance(LEASE + Duration::from_secs(1)),
        }
    }

    /// Payloads in the order they run, to queue `q`.
    pub async fn push(&self, payloads: &[&str]) {
        let jobs: Vec<NewJob> = payloads.iter().map(|payload| to("q", payload)).collect();
        self.push_all(&jobs).await;
    }

    pub async fn push_all(&self, jobs: &[NewJob]) {
        let outcomes = self.broker.push(jobs).await;
        assert_eq!(outcomes.len(), jobs.len());
        for outcome in outcomes {
            outcome.unwrap();
        }
    }

    /// What waits in a queue, the next to run first.
    pub async fn queue(&self, name: &str) -> Vec<String> {
        texts(self.broker.queue_page(name, 0, 10_000).await.unwrap())
    }

    pub async fn set(&self, set: JobSet) -> Vec<(Timestamp, String)> {
        let entries = self.broker.set_page(set, 0, 10_000).await.unwrap();
        entries.into_iter().map(|entry| (entry.at, String::from_utf8_lossy(&entry.payload).into_owned())).collect()
    }

    /// processed, failed, in flight.
    pub async fn numbers(&self) -> (u64, u64, usize) {
        let stats = self.broker.stats().await.unwrap();
        (stats.processed, stats.failed, stats.in_flight)
    }
}

impl Process {
    pub async fn on(broker: &Arc<dyn Broker>) -> Self {
        let identity = Identity::of_this_process();
        let process = Process { consumer: broker.attach(identity.clone()), identity };
        process.consumer.beat(&beat()).await.unwrap();
        process
    }

    pub async fn fetch(&self, want: usize) -> Vec<UnitOfWork> {
        self.consumer.fetch(&["q".to_owned()], want).await.unwrap()
    }

    /// Waits at queues until there is a reason to fetch, or something is handed over; answers what was.
    pub async fn wait(&self, queues: &[&str], patience: Duration) -> Vec<UnitOfWork> {
        let queues: Vec<String> = queues.iter().map(|queue| (*queue).to_owned()).collect();
        let mut waiter = self.consumer.waiter();
        let mut units = waiter.wait(&queues, patience).await.units;
        while waiter.is_armed() {
            units.extend(waiter.rest().await);
        }
        units
    }

    /// Jobs in hand or fetched: what a processor would be given after a wait.
    pub async fn wait_and_fetch(&self, queues: &[&str], patience: Duration) -> Vec<UnitOfWork> {
        let units = self.wait(queues, patience).await;
        let queues: Vec<String> = queues.iter().map(|queue| (*queue).to_owned()).collect();
        if units.is_empty() { self.consumer.fetch(&queues, 1).await.unwrap() } else { units }
    }

    pub async fn settle(&self, unit: &UnitOfWork, end: Settlement) -> Settled {
        self.consumer.settle(unit, &end).await.unwrap()
    }
}

pub fn to(queue: &str, payload: &str) -> NewJob {
    NewJob { payload: payload.to_owned(), queue: queue.to_owned(), at: None, guard: None }
}

pub fn at(at: Timestamp, payload: &str) -> NewJob {
    NewJob { payload: payload.to_owned(), queue: "q".to_owned(), at: Some(at), guard: None }
}

pub fn texts(payloads: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<String> {
    payloads.into_iter().map(|payload| String::from_utf8_lossy(payload.as_ref()).into_owned()).collect()
}

pub fn payloads(units: &[UnitOfWork]) -> Vec<String> {
    texts(units.iter().map(|unit| &unit.payload))
}

pub const APPLIED: Settled = Settled::Applied { trimmed: 0 };

pub fn beat() -> Beat {
    let capsule = |name: &str, mode, queues: &[(&str, u32)]| CapsuleInfo {
        name: name.to_owned(),
        concurrency: 5,
        mode,
        queues: queues.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect(),
    };
    let capsules = vec![
        capsule("default", OrderMode::Strict, &[("q", 0)]),
        capsule("bulk", OrderMode::Weighted, &[("a", 2), ("q", 1)]),
    ];
    Beat {
        info: Arc::new(ProcessInfo { started_at: START, tag: "shop".to_owned(), capsules, embedded: false }),
        work: Vec::new(),
        quiet: false,
        lease: LEASE,
        rss_kib: 1234,
        at: START,
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

/// Stops a server in its tracks: connections stay, and nobody answers.
pub fn freeze(server: &RedisServer) {
    signal(server, "-STOP");
    // The signal takes a moment to arrive. (Elsewhere than on Linux it is taken to be there.)
    let stat = format!("/proc/{}/stat", server.pid().unwrap());
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") T ")) {
        std::thread::yield_now();
    }
}

/// Lets it go on.
pub fn thaw(server: &RedisServer) {
    signal(server, "-CONT");
}

fn signal(server: &RedisServer, name: &str) {
    let pid = server.pid().unwrap().to_string();
    assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
}
