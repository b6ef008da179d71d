//! Ruby and Rust processes side by side.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use kiq::{Client, JobContext, Worker};
use redis::Commands as _;
use serde_json::Value;

use crate::jobs::{Gate, Runs, Setup};
use crate::ruby::{Sidekiq, look};

/// Holds the address of the Redis, in a process that is a worker.
const WORKER_OF: &str = "KIQ_TEST_WORKER_OF";

const JOBS: usize = 20_000;

/// Tells the list `rust:runs` that it ran. Ruby has a class of the name, too.
#[kiq::job]
async fn tell(number: u64, cx: &JobContext) -> anyhow::Result<()> {
    let _ = number;
    let mut redis = REDIS.get().cloned().expect("this process is a worker of the fleet");
    redis::cmd("RPUSH").arg("rust:runs").arg(cx.jid().as_str()).exec_async(&mut redis).await?;
    Ok(())
}

static REDIS: OnceLock<redis::aio::MultiplexedConnection> = OnceLock::new();

/// A worker when this program is told to be one, and nothing otherwise.
#[tokio::test]
async fn worker_process() {
    let Ok(url) = std::env::var(WORKER_OF) else { return };
    let redis = redis::Client::open(url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    REDIS.set(redis).unwrap();
    let worker = Worker::builder()
        .client(Client::connect(&url).unwrap())
        // Of the other tests' jobs.
        .data(Runs::default())
        .data(Gate::default())
        .queues(["shared", "rust"])
        .build()
        .unwrap();
    println!("WORKS");
    worker.run().await.unwrap();
}

struct RustWorker(Child);

impl RustWorker {
    fn start(setup: &Setup) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["fleet::worker_process", "--exact", "--nocapture"])
            .env(WORKER_OF, setup.server.url())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.by_ref().any(|line| line.unwrap().contains("WORKS")));
        std::thread::spawn(move || lines.for_each(drop));
        RustWorker(child)
    }

    fn stop(&mut self) {
        let told = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        assert!(told.success());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for RustWorker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Two processes each, a queue for each kind and one for both: every job runs once, each kind has its part of the shared
/// queue, and both count into the same totals.
#[tokio::test]
async fn a_mixed_fleet_drains_its_queues_and_loses_nothing() {
    let setup = Setup::new();
    let mut ruby =
        [Sidekiq::start(&setup.server, &["shared", "ruby"]), Sidekiq::start(&setup.server, &["shared", "ruby"])];
    let mut rust = [RustWorker::start(&setup), RustWorker::start(&setup)];

    let mut queue_of = HashMap::new();
    for (at, queue) in ["shared", "ruby", "shared", "rust"].iter().enumerate() {
        let jobs = (0..JOBS / 4).map(|number| Tell::new((at * JOBS + number) as u64));
        for receipt in kiq::enqueue_all(jobs).queue(*queue).on(&setup.client).await.unwrap() {
            queue_of.insert(receipt.jid.to_string(), *queue);
        }
    }

    let mut runs: HashMap<String, Vec<&str>> = HashMap::new();
    let mut connection = setup.server.connection();
    while runs.len() < JOBS {
        let told: Option<(String, String)> =
            redis::cmd("BLPOP").arg(&["ruby:runs", "rust:runs"]).arg(60).query(&mut connection).unwrap();
        let Some((list, first)) = told else { panic!("{} of {JOBS} jobs ran", runs.len()) };
        let more: Vec<String> = redis::cmd("LPOP").arg(&list).arg(1000).query(&mut connection).unwrap_or_default();
        for text in std::iter::once(first).chain(more) {
            if list == "rust:runs" {
                runs.entry(text).or_default().push("rust");
            } else {
                let run: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(run["ended"], "ok");
                runs.entry(run["item"]["jid"].as_str().unwrap().to_owned()).or_default().push("ruby");
            }
        }
    }
    rust.iter_mut().for_each(RustWorker::stop);
    ruby.iter_mut().for_each(Sidekiq::stop);

    let mut shared = HashMap::from([("ruby", 0), ("rust", 0)]);
    for (jid, queue) in &queue_of {
        let by = &runs[jid];
        assert_eq!(by.len(), 1, "{jid} of {queue} ran as {by:?}");
        match *queue {
            "shared" => *shared.get_mut(by[0]).unwrap() += 1,
            queue => assert_eq!(by[0], queue),
        }
    }
    println!("of the shared queue: {shared:?}");
    assert!(shared.values().all(|count| *count > 0), "{shared:?}");
    let seen = look(&setup.server);
    assert_eq!(seen["stats"]["processed"], JOBS);
    assert_eq!(seen["stats"]["failed"], 0);
    assert_eq!(seen["stats"]["enqueued"], 0);
    // Nothing of the processes is left; which jobs they knew is, for 90 days.
    let left: Vec<String> = connection.keys("kiq:*").unwrap();
    assert_eq!(left, ["kiq:known"]);
}
