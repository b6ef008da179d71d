//! A Redis, a ledger, and workers: in this process or as processes of their own.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kiq::{Backoff, Client, EnqueueError, Event, Inspector, Jid, Worker, WorkerBuilder};
use kiq_testing::ledger::Run;
use kiq_testing::{Audit, Census, Entry, Events, Ledger, RedisServer};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::jobs::Task;

/// Holds the address of the Redis, in a process that is a worker.
const WORKER_OF: &str = "KIQ_FAULTS_WORKER_OF";

/// How long a test waits for a process or a store.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Jobs at once in a worker that is not told otherwise.
pub const CONCURRENCY: usize = 5;

/// Jobs a worker may have done without the store knowing: the default.
const MAX_UNACKED: usize = 256;

/// Long enough that no test meets it.
pub const LONG: Duration = Duration::from_secs(3600);

/// The longest a process's death may go unnoticed in tests where it is to be noticed.
pub const SHORT: Duration = Duration::from_millis(600);

pub struct Bench {
    pub server: RedisServer,
    /// Straight to the server, past any proxy.
    pub client: Client,
    pub ledger: Arc<Ledger>,
    folder: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Bench::on(RedisServer::start())
    }

    pub fn on(server: RedisServer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Arc::new(Ledger::open(&folder.path().join("ledger")));
        Bench { client: Client::connect(&server.url()).unwrap(), server, ledger, folder }
    }

    /// A file that is not there yet: a job that waits for it is let go by [`let_go`](Bench::let_go).
    pub fn gate(&self) -> PathBuf {
        self.folder.path().join("gate")
    }

    pub fn hold(&self) -> String {
        format!("hold {}", self.gate().display())
    }

    pub fn let_go(&self) {
        std::fs::write(self.gate(), "").unwrap();
    }

    pub async fn send(&self, command: &[&str]) -> redis::Value {
        redis::cmd(command[0]).arg(&command[1..]).query(&mut self.server.connection()).unwrap()
    }

    /// The digest of one of the scripts of kiq: what a request that runs it holds.
    pub fn script(&self, name: &str) -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/kiq-runtime/src/broker/redis/lua");
        let source = std::fs::read_to_string(format!("{folder}/{name}.lua")).unwrap();
        redis::cmd("SCRIPT").arg("LOAD").arg(source).query(&mut self.server.connection()).unwrap()
    }

    /// Enqueues a task and writes down what was answered.
    pub async fn enqueue(&self, client: &Client, what: &str) -> (Jid, Result<(), EnqueueError>) {
        let jid = Jid::random();
        let text = jid.to_string();
        let args = Ledger::digest(&serde_json::to_string(&[what]).unwrap());
        self.ledger.note(&Entry::Intent { jid: text.clone(), args });
        let answer = Task::enqueue(what).jid(jid.clone()).on(client).await;
        self.ledger.note(&match &answer {
            Ok(_) => Entry::Stored { jid: text },
            Err(EnqueueError::Unknown { .. }) => Entry::Unknown { jid: text },
            Err(_) => Entry::Rejected { jid: text },
        });
        (jid, answer.map(|_| ()))
    }

    pub async fn stored(&self, what: &str) -> Jid {
        let (jid, answer) = self.enqueue(&self.client, what).await;
        answer.unwrap();
        jid
    }

    /// Many at once, into the ledger as well.
    pub async fn stored_all(&self, count: usize, what: &str) -> Vec<Jid> {
        let receipts = kiq::enqueue_all((0..count).map(|_| Task::new(what))).on(&self.client).await.unwrap();
        for receipt in &receipts {
            self.ledger.note(&Entry::Stored { jid: receipt.jid.to_string() });
        }
        receipts.into_iter().map(|receipt| receipt.jid).collect()
    }

    /// A worker in this process, behind `url`. Give it to [`run`](Bench::run).
    pub fn worker(&self, url: &str) -> WorkerBuilder {
        quick(Worker::builder().client(Client::connect(url).unwrap()).lease(LONG))
            .data(Ledger::open(self.ledger.path()))
    }

    /// Runs a worker until `test` is over, then stops it. What the store confirms goes to the ledger.
    pub async fn run(&self, worker: WorkerBuilder, test: impl AsyncFnOnce(&mut Events)) {
        let worker = worker.build().unwrap();
        let mut events = Events::of(&worker);
        let listening = tokio::spawn(listen(worker.events(), Arc::clone(&self.ledger)));
        worker.run_until(test(&mut events)).await.unwrap();
        listening.await.unwrap();
    }

    /// A worker that is a process of its own.
    pub fn spawn(&self, url: &str, lease: Duration) -> Process {
        self.spawn_with(url, lease, &[])
    }

    pub fn spawn_with(&self, url: &str, lease: Duration, variables: &[(&str, String)]) -> Process {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["setup::worker_process", "--exact", "--nocapture", "--test-threads=1"])
            .env(WORKER_OF, url)
            .env("KIQ_FAULTS_LEDGER", self.ledger.path())
            .env("KIQ_FAULTS_LEASE_MS", lease.as_millis().to_string())
            .envs(variables.iter().cloned())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Process { child, ledger: Arc::clone(&self.ledger) }
    }

    /// Returns when that many runs of a job have begun.
    pub async fn started(&self, jid: &Jid, runs: usize) {
        let is_run = |entry: &&Entry| matches!(entry, Entry::Start { run, .. } if run.jid == jid.as_str());
        self.ledger.until(|entries| entries.iter().filter(is_run).count() >= runs).await;
    }

    /// Returns when so many runs of any job have begun.
    pub async fn started_any(&self, runs: usize) {
        let is_run = |entry: &&Entry| matches!(entry, Entry::Start { .. });
        self.ledger.until(|entries| entries.iter().filter(is_run).count() >= runs).await;
    }

    pub fn runs_of(&self, jid: &Jid) -> usize {
        let entries = self.ledger.entries();
        entries.iter().filter(|entry| matches!(entry, Entry::Start { run, .. } if run.jid == jid.as_str())).count()
    }

    /// Returns when `enough` says so of the totals.
    pub async fn until(&self, enough: impl Fn(&kiq::Stats) -> bool) {
        let inspector = Inspector::new(&self.client);
        let started = Instant::now();
        loop {
            let stats = inspector.stats().await;
            if stats.as_ref().is_ok_and(&enough) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "it did not come to it within {PATIENCE:?}: {stats:?}");
            // The store has nothing to wait on.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns when other processes have asked so often whether the lease of this one has run out.
    pub async fn looks_after(&self, pid: u32, looks: usize) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.server.port())).await.unwrap();
        stream.write_all(b"MONITOR\r\n").await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        let (question, whose) = ("\"EXISTS\" \"kiq:lease:", format!(":{pid}:"));
        let come = async {
            for _ in 0..looks {
                while !lines
                    .next_line()
                    .await
                    .unwrap()
                    .unwrap()
                    .split_once(question)
                    .is_some_and(|(_, key)| key.contains(&whose))
                {}
            }
        };
        let waited = tokio::time::timeout(PATIENCE, come).await;
        assert!(waited.is_ok(), "{pid} was not looked after {looks} times within {PATIENCE:?}");
    }

    pub async fn settled(&self) {
        self.until(|stats| stats.unsettled() == 0).await;
    }

    pub fn census(&self) -> Census {
        Census::take(&mut self.server.connection()).unwrap()
    }

    /// Everything is done, and nothing is lost, doubled or miscounted.
    pub fn audit(&self) -> Audit {
        let audit = Audit::of(&self.ledger.entries(), &self.census(), CONCURRENCY + MAX_UNACKED, true);
        audit.assert_passed();
        audit
    }
}

fn quick(worker: WorkerBuilder) -> WorkerBuilder {
    worker
        // What a job asks for, a worker that knows the job must have.
        .data(crate::payloads::Seen::default())
        .concurrency(CONCURRENCY)
        .poll_interval(Duration::from_millis(50))
        .backoff(Backoff::custom(|_| Duration::from_millis(10)))
}

/// Writes down what the store has confirmed.
async fn listen(mut events: kiq::EventStream, ledger: Arc<Ledger>) {
    while let Some(event) = events.next().await {
        if let Event::Done { job, .. } | Event::Failed { job, .. } = event {
            ledger.note(&Entry::Ack { run: Run::here(job.jid().as_str(), job.attempt()) });
        }
    }
}

/// A worker when this program is told to be one, and nothing otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_process() {
    let variable = |name: &str| std::env::var(name).ok();
    let number = |name: &str| variable(name).map(|text| text.parse::<u64>().unwrap());
    let Some(url) = variable(WORKER_OF) else { return };
    let ledger = Arc::new(Ledger::open(&PathBuf::from(variable("KIQ_FAULTS_LEDGER").unwrap())));
    let lease = Duration::from_millis(number("KIQ_FAULTS_LEASE_MS").unwrap());
    let mut worker = quick(Worker::builder().client(Client::connect(&url).unwrap())).lease(lease);
    worker = worker.data(Ledger::open(ledger.path()));
    if let Some(timeout) = number("KIQ_FAULTS_TIMEOUT_MS") {
        worker = worker.shutdown_timeout(Duration::from_millis(timeout));
    }
    if let Some(backoff) = number("KIQ_FAULTS_BACKOFF_MS") {
        worker = worker.backoff(Backoff::custom(move |_| Duration::from_millis(backoff)));
    }
    let worker = worker.build().unwrap();
    let listening = tokio::spawn(listen(worker.events(), Arc::clone(&ledger)));
    worker.run().await.unwrap();
    listening.await.unwrap();
    ledger.note(&Entry::Stopped { pid: std::process::id() });
    // A blocking job cannot be stopped, and the runtime would wait for it.
    std::process::exit(0);
}

/// A worker process; killed when the test ends before it.
pub struct Process {
    child: Child,
    ledger: Arc<Ledger>,
}

impl Process {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no destructor runs, nothing is said to Redis.
    pub fn kill(&mut self) {
        self.ledger.note(&Entry::Killed { pid: self.pid() });
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// SIGSTOP, for longer than its lease.
    pub fn freeze(&self) {
        self.ledger.note(&Entry::Frozen { pid: self.pid() });
        self.signal("STOP");
    }

    /// Returns when it has ended by itself, and says how.
    pub async fn ended(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                if !status.success() {
                    self.ledger.note(&Entry::Killed { pid: self.pid() });
                }
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "the worker did not end within {PATIENCE:?}");
            // The standard library has no other way to wait with a deadline.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().unwrap();
    assert!(sent.success(), "no {name} to {pid}");
}
