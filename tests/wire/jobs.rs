//! The jobs of the Rust side. Names and queues are those of `ruby/jobs.rs`'s classes where both have them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiq::{Client, Data, JobContext, Worker, WorkerBuilder};
use kiq_testing::{Events, RedisServer};
use serde_json::value::RawValue;
use tokio::sync::Notify;

/// One run: the stored record as the run saw it, and which attempt it was.
#[derive(Clone, Debug)]
pub struct Run {
    pub record: String,
    pub attempt: u32,
    /// Its arguments, where the job keeps them as they are.
    pub args: Vec<String>,
}

/// The runs in Rust, in order.
#[derive(Clone, Debug, Default)]
pub struct Runs(Arc<Mutex<Vec<Run>>>);

impl Runs {
    fn add(&self, cx: &JobContext) {
        self.add_with(cx, &[]);
    }

    fn add_with(&self, cx: &JobContext, args: &[&RawValue]) {
        let args = args.iter().map(|arg| arg.get().to_owned()).collect();
        self.0.lock().unwrap().push(Run { record: cx.payload().to_string(), attempt: cx.attempt(), args });
    }

    pub fn all(&self) -> Vec<Run> {
        self.0.lock().unwrap().clone()
    }
}

/// Any three arguments.
#[kiq::job(queue = "rust")]
pub async fn shared(a: Box<RawValue>, b: Box<RawValue>, c: Box<RawValue>, runs: Data<Runs>, cx: &JobContext) {
    runs.add_with(cx, &[&a, &b, &c]);
}

/// Only enqueued here.
#[kiq::job(queue = "ruby", tags = ["from rust"], retry = 7)]
pub async fn only_ruby(number: u64, text: String) {
    let _ = (number, text);
}

/// Only enqueued here: it enqueues `name` with `args`.
#[kiq::job(queue = "ruby")]
pub async fn relay(name: String, args: Vec<u64>) {
    let _ = (name, args);
}

#[kiq::job(queue = "rust")]
pub async fn relayed(number: u64, runs: Data<Runs>, cx: &JobContext) {
    let _ = number;
    runs.add(cx);
}

#[kiq::job(queue = "ruby")]
pub async fn fails_in_ruby(number: u64, runs: Data<Runs>, cx: &JobContext) {
    let _ = number;
    runs.add(cx);
}

#[kiq::job(queue = "ruby")]
pub async fn dies_in_ruby(number: u64, runs: Data<Runs>, cx: &JobContext) {
    let _ = number;
    runs.add(cx);
}

#[derive(Debug, thiserror::Error)]
#[error("not in <Rust>")]
pub struct NotHere;

#[kiq::job(queue = "rust")]
pub async fn fails_in_rust(number: u64) -> Result<(), NotHere> {
    let _ = number;
    Err(NotHere)
}

/// Waits until it may end.
#[kiq::job(queue = "rust")]
pub async fn wait(gate: Data<Gate>) {
    gate.0.notified().await;
}

#[derive(Clone, Debug, Default)]
pub struct Gate(pub Arc<Notify>);

/// Seconds since 1970.
pub fn now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// A Redis, a client of it, and what its runs leave.
pub struct Setup {
    pub server: RedisServer,
    pub client: Client,
    pub runs: Runs,
    pub gate: Gate,
}

impl Setup {
    pub fn new() -> Self {
        let server = RedisServer::start();
        let client = Client::connect(&server.url()).unwrap();
        Setup { server, client, runs: Runs::default(), gate: Gate::default() }
    }

    /// Beats and polls often.
    pub fn worker(&self, queues: &[&str]) -> WorkerBuilder {
        Worker::builder()
            .client(self.client.clone())
            .data(self.runs.clone())
            .data(self.gate.clone())
            .queues(queues.iter().copied())
            .lease(Duration::from_millis(600))
            .poll_interval(Duration::from_millis(20))
    }

    /// Runs a worker until `test` is over.
    pub async fn run(&self, worker: WorkerBuilder, test: impl AsyncFnOnce(&mut Events)) {
        let worker = worker.build().unwrap();
        let mut events = Events::of(&worker);
        worker.run_until(test(&mut events)).await.unwrap();
    }
}
