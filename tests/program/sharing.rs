//! Two processes on the same queues: the proportions they keep, over 10,000 jobs.

use kiq::inspect::Place;
use kiq::{Client, Inspector};
use kiq_testing::RedisServer;

use crate::running::{Nap, Worker, program};

/// In each of both queues.
const JOBS: usize = 10_000;

struct Two {
    _server: RedisServer,
    inspector: Inspector,
    client: Client,
    workers: Vec<Worker>,
}

impl Two {
    /// Two processes of one processor each, and jobs in `a` and `b`. They nap a little, so that none is fetched far ahead, as
    /// that takes many from one queue at a time.
    async fn start(arguments: &[&str]) -> Self {
        let server = RedisServer::start();
        let client = Client::connect(&server.url()).unwrap();
        let inspector = Inspector::new(&client);
        for queue in ["a", "b"] {
            let naps = (0..JOBS).map(|_| Nap::new(0.000_3));
            let _ = kiq::enqueue_all(naps).queue(queue).on(&client).await.unwrap();
        }
        let start = |_| Worker::spawn(program().args(arguments).env("REDIS_URL", server.url()).env("KIQ_LOG", "off"));
        let workers = (0..2).map(start).collect();
        Two { _server: server, inspector, client, workers }
    }

    /// How many jobs of `a` and of `b` were taken so far.
    async fn taken(&self) -> (usize, usize) {
        let queues = self.inspector.queues().await.unwrap();
        let left = |name: &str| queues.iter().find(|queue| queue.name == name).map_or(0, |queue| queue.size);
        (JOBS - left("a"), JOBS - left("b"))
    }

    async fn until(&self, enough: impl Fn((usize, usize)) -> bool) -> (usize, usize) {
        loop {
            let taken = self.taken().await;
            if enough(taken) {
                return taken;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// A56. The first 10,000 jobs that both took together, of weights 3 and 1.
#[tokio::test]
async fn by_weight_each_queue_has_its_share_of_ten_thousand_jobs() {
    let two = Two::start(&["-q", "a,3", "-q", "b,1", "-c", "1"]).await;

    let (a, b) = two.until(|(a, b)| a + b >= JOBS).await;

    let share = a as f64 / (a + b) as f64;
    println!("of {} jobs, a with weight 3 had {a} and b with weight 1 had {b}: {share:.3}", a + b);
    assert!((0.72..0.78).contains(&share), "of {} jobs, a had {share}", a + b);
    assert_eq!(two.workers.len(), 2);
}

/// A55. Nobody takes a job of `b` while `a` has one: when `b` begins, all 10,000 of `a` are taken.
#[tokio::test]
async fn strictly_the_second_queue_waits_for_all_ten_thousand_of_the_first() {
    let two = Two::start(&["-q", "a", "-q", "b", "-c", "1"]).await;

    let (a, b) = two.until(|(_, b)| b > 0).await;

    println!("when {b} jobs of the second queue were taken, {a} of the first were");
    assert_eq!(a, JOBS);
    // And one that comes later is before those.
    let late = Nap::enqueue(0.0).queue("a").on(&two.client).await.unwrap();
    let first = Place::Queue("a".to_owned());
    while two.inspector.queue("a", 0, 1).await.unwrap().iter().any(|found| found.jid() == late.jid.as_str()) {}
    let (_, b) = two.taken().await;
    assert!(b < JOBS, "the late job of {first} was taken while the second queue still had some");
}
