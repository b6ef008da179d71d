//! Worker processes killed with SIGKILL in the middle of their jobs: every job runs again, none is lost.
//!
//! The workers are this test program itself, started again with a variable that turns one of its tests into a worker.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use kiq::{Client, Event, Inspector, JobContext, Worker};
use kiq_testing::RedisServer;

/// Holds the address of the Redis, in a process that is a worker.
const WORKER_OF: &str = "KIQ_TEST_WORKER_OF";

/// Holds how many jobs that worker may have done without Redis knowing.
const MAX_UNACKED: &str = "KIQ_TEST_MAX_UNACKED";

const LEASE: Duration = Duration::from_millis(600);

/// Set in a worker that does not end when everything is settled: the milliseconds of its lease.
const STAYS: &str = "KIQ_TEST_STAYS";

/// Says that it runs, and on its first run never ends.
#[kiq::job]
async fn stall_once(marker: String, cx: &JobContext) {
    // The mark first: whoever hears of the run may kill this process at once.
    let is_first = std::fs::OpenOptions::new().write(true).create_new(true).open(&marker).is_ok();
    say(&format!("RUN {}", cx.jid()));
    if is_first {
        std::future::pending::<()>().await;
    }
}

#[kiq::job]
async fn count(cx: &JobContext) {
    say(&format!("RUN {}", cx.jid()));
    // Some wait, so that a kill finds jobs at every stage.
    tokio::task::yield_now().await;
}

/// Takes its process with it.
#[kiq::job]
async fn kill_process() {
    say("KILL");
    std::process::abort();
}

/// One line to the parent, in one write.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// A worker when this program is told to be one, and nothing otherwise.
#[tokio::test]
async fn worker_process() {
    let Ok(url) = std::env::var(WORKER_OF) else { return };
    let client = Client::connect(&url).unwrap();
    let inspector = Inspector::new(&client);
    let worker = Worker::builder()
        .client(client)
        .lease(std::env::var(STAYS).map_or(LEASE, |millis| Duration::from_millis(millis.parse().unwrap())))
        .poll_interval(Duration::from_millis(50))
        .max_unacked(std::env::var(MAX_UNACKED).unwrap().parse().unwrap())
        .build()
        .unwrap();
    let mut events = worker.events();
    let all_settled = async {
        if std::env::var(STAYS).is_ok() {
            std::future::pending::<()>().await;
        }
        // A reclaim may bring the last job at any time, so look again at every event and every so often.
        loop {
            let event = tokio::time::timeout(Duration::from_millis(100), events.next()).await;
            if matches!(event, Ok(Some(Event::Started { .. }))) {
                continue;
            }
            if inspector.stats().await.is_ok_and(|stats| stats.unsettled() == 0) {
                return;
            }
        }
    };
    worker.run_until(all_settled).await.unwrap();
    say("SETTLED");
}

/// A worker process; killed when the test ends before it.
struct WorkerProcess {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl WorkerProcess {
    fn start(server: &RedisServer, max_unacked: usize) -> Self {
        Self::spawn(Self::command(server, max_unacked))
    }

    /// One that does not end by itself, as soon as it waits for jobs and so many connections are blocked in all.
    fn start_waiting(server: &RedisServer, waiting: usize, lease: Duration) -> Self {
        let mut command = Self::command(server, 256);
        command.env(STAYS, lease.as_millis().to_string());
        let worker = Self::spawn(command);
        while blocked(server) != waiting {
            std::thread::yield_now();
        }
        worker
    }

    fn command(server: &RedisServer, max_unacked: usize) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["worker_process", "--exact", "--nocapture", "--test-threads=1"])
            .env(WORKER_OF, server.url())
            .env(MAX_UNACKED, max_unacked.to_string())
            .stdout(Stdio::piped());
        command
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        WorkerProcess { child, lines }
    }

    /// The jid of the next run; `None` when everything is settled.
    fn next_run(&mut self) -> Option<String> {
        loop {
            let line = self.lines.next().expect("the worker ended without a word").unwrap();
            // The test harness writes its own words before ours, on the same line.
            if let Some((_, jid)) = line.split_once("RUN ") {
                return Some(jid.to_owned());
            }
            if line.contains("SETTLED") {
                return None;
            }
        }
    }

    /// SIGKILL: no destructor runs, nothing is said to Redis.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The same, and all that it had said before.
    fn kill_and_hear(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        let lines = self.lines.by_ref().map_while(Result::ok);
        lines.filter_map(|line| line.split_once("RUN ").map(|(_, jid)| jid.to_owned())).collect()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many connections wait for jobs.
fn blocked(server: &RedisServer) -> usize {
    let clients: String = redis::cmd("INFO").arg("clients").query(&mut server.connection()).unwrap();
    clients.lines().find_map(|line| line.strip_prefix("blocked_clients:")).unwrap().parse().unwrap()
}

#[tokio::test]
async fn no_job_is_lost_to_kills_of_workers_that_are_just_handed_one() {
    const KILLS: u32 = 50;
    const EARLY: Duration = Duration::from_micros(400);
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    let mut runs: HashMap<String, usize> = HashMap::new();
    let wait_until = |moment: std::time::Instant| {
        while std::time::Instant::now() < moment {
            std::hint::spin_loop();
        }
    };

    for number in 0..KILLS {
        // None takes over from another before the end: who is unlucky three times would be taken for poison.
        let worker = WorkerProcess::start_waiting(&server, 1, Duration::from_secs(3600));
        let jid = format!("{number:024}");
        let job = format!(r#"{{"class":"Count","args":[],"jid":"{jid}","queue":"default"}}"#);
        runs.insert(jid, 0);
        let mut redis = server.connection();
        let begin = std::time::Instant::now() + EARLY;
        let push = std::thread::spawn(move || {
            wait_until(begin + 3 * EARLY);
            redis::cmd("LPUSH").arg("queue:default").arg(job).exec(&mut redis).unwrap();
        });
        // From before it is handed over to well after Redis knows that it is done.
        wait_until(begin + EARLY / 5 * number);
        for jid in worker.kill_and_hear() {
            *runs.entry(jid).or_default() += 1;
        }
        push.join().unwrap();
        while blocked(&server) != 0 {}
    }
    let leases: Vec<String> = redis::cmd("KEYS").arg("kiq:lease:*").query(&mut server.connection()).unwrap();
    redis::cmd("DEL").arg(leases).exec(&mut server.connection()).unwrap();
    let mut last = WorkerProcess::start(&server, 256);
    while let Some(jid) = last.next_run() {
        *runs.entry(jid).or_default() += 1;
    }

    assert_eq!(runs.len(), KILLS as usize);
    let lost: Vec<&String> = runs.iter().filter(|(_, runs)| **runs == 0).map(|(jid, _)| jid).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let stats = Inspector::new(&client).stats().await.unwrap();
    assert_eq!((stats.unsettled(), stats.dead, stats.failed, stats.processed), (0, 0, 0, u64::from(KILLS)));
}

#[tokio::test]
async fn a_process_that_was_stopped_does_not_run_what_was_handed_to_it_meanwhile() {
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    let first = WorkerProcess::start_waiting(&server, 1, LEASE);
    first.signal("-STOP");
    let leases = || -> usize {
        redis::cmd("KEYS").arg("kiq:lease:*").query::<Vec<String>>(&mut server.connection()).unwrap().len()
    };
    while leases() > 0 {
        std::thread::yield_now();
    }
    // The one that is stopped has waited longest, so it is handed the job; the other finds it there.
    let mut second = WorkerProcess::start_waiting(&server, 2, LEASE);
    let receipt = Count::enqueue().on(&client).await.unwrap();
    assert_eq!(second.next_run().as_deref(), Some(receipt.jid.as_str()));
    // Only what Redis knows of survives the kill below; else it would run once more, and rightly.
    let is_recorded =
        || redis::cmd("GET").arg("stat:processed").query::<Option<u64>>(&mut server.connection()).unwrap();
    while is_recorded() != Some(1) {
        std::thread::yield_now();
    }

    first.signal("-CONT");
    while leases() < 2 {
        std::thread::yield_now();
    }
    second.kill();
    // It is well again, and this is the first job it runs.
    let mut first = first;
    let receipt = Count::enqueue().on(&client).await.unwrap();
    assert_eq!(first.next_run().as_deref(), Some(receipt.jid.as_str()));
}

#[tokio::test]
async fn a_job_whose_process_is_killed_runs_again() {
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("ran once").to_str().unwrap().to_owned();
    let receipt = StallOnce::enqueue(marker).on(&client).await.unwrap();

    let mut first = WorkerProcess::start(&server, 256);
    assert_eq!(first.next_run().as_deref(), Some(receipt.jid.as_str()));
    first.kill();
    let stats = Inspector::new(&client).stats().await.unwrap();
    assert_eq!((stats.in_flight, stats.enqueued, stats.processed), (1, 0, 0));

    let mut second = WorkerProcess::start(&server, 256);
    assert_eq!(second.next_run().as_deref(), Some(receipt.jid.as_str()));
    assert_eq!(second.next_run(), None);
    let stats = Inspector::new(&client).stats().await.unwrap();
    assert_eq!((stats.unsettled(), stats.processed, stats.failed), (0, 1, 0));
}

#[tokio::test]
async fn no_job_is_lost_to_ten_kills() {
    kill_ten_times(0).await;
}

#[tokio::test]
async fn no_job_is_lost_to_ten_kills_when_ends_are_told_in_groups() {
    kill_ten_times(256).await;
}

async fn kill_ten_times(max_unacked: usize) {
    const JOBS: usize = 3000;
    const KILLS: usize = 10;
    const CONCURRENCY: usize = 10;
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    let receipts = kiq::enqueue_all((0..JOBS).map(|_| Count::new())).on(&client).await.unwrap();
    let mut runs: HashMap<String, usize> = receipts.iter().map(|receipt| (receipt.jid.to_string(), 0)).collect();

    for _ in 0..KILLS {
        let mut worker = WorkerProcess::start(&server, max_unacked);
        for _ in 0..JOBS / (2 * KILLS) {
            let jid = worker.next_run().unwrap();
            *runs.get_mut(&jid).unwrap() += 1;
        }
        worker.child.kill().unwrap();
        // What it had said before it died counts too.
        for line in worker.lines.by_ref().map_while(Result::ok) {
            if let Some(runs) = line.split_once("RUN ").and_then(|(_, jid)| runs.get_mut(jid)) {
                *runs += 1;
            }
        }
    }
    let mut last = WorkerProcess::start(&server, max_unacked);
    while let Some(jid) = last.next_run() {
        *runs.get_mut(&jid).unwrap() += 1;
    }

    let lost = runs.values().filter(|runs| **runs == 0).count();
    let again: usize = runs.values().map(|runs| runs.saturating_sub(1)).sum();
    assert_eq!(lost, 0);
    let bound = KILLS * (CONCURRENCY + max_unacked);
    assert!(again <= bound, "{again} runs too many for {KILLS} kills, of at most {bound}");
    let stats = Inspector::new(&client).stats().await.unwrap();
    assert_eq!((stats.unsettled(), stats.dead, stats.failed), (0, 0, 0));
    assert_eq!(stats.processed, JOBS as u64);
}

#[tokio::test]
async fn a_job_that_kills_its_process_is_dead_after_three_and_its_neighbours_run() {
    const NEIGHBOURS: usize = 30;
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    let neighbours = kiq::enqueue_all((0..NEIGHBOURS).map(|_| Count::new())).on(&client).await.unwrap();
    let poison = KillProcess::enqueue().on(&client).await.unwrap();
    let more = kiq::enqueue_all((0..NEIGHBOURS).map(|_| Count::new())).on(&client).await.unwrap();
    let mut unseen: Vec<String> = neighbours.iter().chain(&more).map(|receipt| receipt.jid.to_string()).collect();

    let mut deaths = 0;
    loop {
        let mut worker = WorkerProcess::start(&server, 256);
        let mut is_settled = false;
        for line in worker.lines.by_ref().map_while(Result::ok) {
            if let Some((_, jid)) = line.split_once("RUN ") {
                unseen.retain(|unseen| unseen != jid);
            }
            is_settled |= line.contains("SETTLED");
        }
        worker.child.wait().unwrap();
        if is_settled {
            break;
        }
        deaths += 1;
        assert!(deaths <= 3, "the job goes on killing");
    }

    assert_eq!((deaths, unseen), (3, Vec::new()));
    let dead = Inspector::new(&client).set(kiq::JobSet::Dead, 0, 10).await.unwrap();
    let job = dead[0].payload.as_ref().unwrap();
    assert_eq!(job.jid(), &poison.jid);
    assert_eq!(job.get::<String>("error_class").as_deref(), Some("kiq::Poison"));
    let stats = Inspector::new(&client).stats().await.unwrap();
    assert_eq!((stats.unsettled(), stats.dead, stats.processed), (0, 1, 2 * NEIGHBOURS as u64 + 1));
}
