//! A worker process: this program, started again.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use kiq::{Backoff, Client, Event, Worker};
use kiq_testing::ledger::Run;
use kiq_testing::{Entry, Ledger};

/// Holds the address of the Redis, in a process that is a worker.
pub const WORKER_OF: &str = "KIQ_SOAK_WORKER_OF";

const LEDGER: &str = "KIQ_SOAK_LEDGER";

pub const CONCURRENCY: usize = 10;
pub const MAX_UNACKED: usize = 256;
pub const LEASE: Duration = Duration::from_secs(2);
pub const SHUTDOWN: Duration = Duration::from_millis(500);

/// Until it is told to stop, or killed.
pub async fn run(url: &str) {
    let path = PathBuf::from(std::env::var(LEDGER).unwrap());
    let ledger = Arc::new(Ledger::open(&path));
    let client = Client::connect(url).unwrap();
    let worker = Worker::builder()
        .client(client.clone())
        .concurrency(CONCURRENCY)
        .max_unacked(MAX_UNACKED)
        .lease(LEASE)
        .shutdown_timeout(SHUTDOWN)
        .poll_interval(Duration::from_millis(200))
        .backoff(Backoff::custom(|retry| Duration::from_millis(100 << retry.min(5))))
        .data(Ledger::open(&path))
        .data(client)
        .build()
        .unwrap();
    let mut events = worker.events();
    let notes = Arc::clone(&ledger);
    let listening = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if let Event::Done { job, .. } | Event::Failed { job, .. } = event {
                notes.note(&Entry::Ack { run: Run::here(job.jid().as_str(), job.attempt()) });
            }
        }
    });
    worker.run().await.unwrap();
    listening.await.unwrap();
    ledger.note(&Entry::Stopped { pid: std::process::id() });
}

/// Starts one.
pub fn start(url: &str, ledger: &Ledger) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .env(WORKER_OF, url)
        .env(LEDGER, ledger.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
