//! The program as a process: signals of the system and of Redis, exit codes, systemd.

use std::io::{BufRead as _, BufReader, Lines, Read as _};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use kiq::inspect::Signal;
use kiq::{Client, Inspector};
use kiq_testing::RedisServer;

/// As the example enqueues it.
#[kiq::job]
async fn nap(seconds: f64);

/// The example `worker`. A run of all tests builds it; a run of this file alone may have to.
fn program() -> Command {
    let deps = std::env::current_exe().unwrap();
    let path = deps.parent().unwrap().parent().unwrap().join("examples/worker");
    if !path.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--example", "worker", "--all-features"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.unwrap().success());
    }
    let mut command = Command::new(path);
    for variable in
        ["KIQ_REDIS_URL", "REDIS_PROVIDER", "REDIS_URL", "KIQ_CONFIG", "KIQ_QUEUES", "KIQ_LOG", "NOTIFY_SOCKET"]
    {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

/// A worker that runs; killed when the test ends before it.
struct Worker {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    seen: Vec<String>,
}

impl Worker {
    fn start(server: &RedisServer, arguments: &[&str]) -> Self {
        Self::spawn(program().args(arguments).env("REDIS_URL", server.url()))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Worker { child, lines, seen: Vec::new() }
    }

    /// Reads its log until a line has these words in it.
    fn until(&mut self, words: &str) -> String {
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            self.seen.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
        panic!("the worker ended without {words:?}: {:#?}", self.seen)
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end, and answers its exit code.
    fn code(&mut self) -> Option<i32> {
        for line in self.lines.by_ref() {
            self.seen.push(line.unwrap());
        }
        self.child.wait().unwrap().code()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn naps(client: &Client, seconds: f64) {
    let _ = Nap::enqueue(seconds).on(client).await.unwrap();
}

/// Waits until a worker runs so many jobs, by what it says with its heartbeats.
async fn until_in_flight(inspector: &Inspector, jobs: usize) {
    while inspector.stats().await.unwrap().in_flight != jobs {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn term_and_int_let_jobs_end_and_the_program_ends_with_zero() {
    for signal in ["TERM", "INT"] {
        let server = RedisServer::start();
        let client = Client::connect(&server.url()).unwrap();
        let inspector = Inspector::new(&client);
        let mut worker = Worker::start(&server, &["-v"]);
        let receipt = Nap::enqueue(0.3).on(&client).await.unwrap();
        worker.until(receipt.jid.as_str());

        worker.signal(signal);

        assert_eq!(worker.code(), Some(0), "{:#?}", worker.seen);
        let stats = inspector.stats().await.unwrap();
        assert_eq!((stats.processed, stats.failed, stats.unsettled(), stats.processes), (1, 0, 0, 0));
    }
}

#[tokio::test]
async fn tstp_takes_no_more_jobs_and_says_so_to_redis() {
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    let inspector = Inspector::new(&client);
    let mut worker = Worker::spawn(program().env("REDIS_URL", server.url()).env("KIQ_LEASE", "1"));
    while inspector.processes().await.unwrap().is_empty() {}

    worker.signal("TSTP");
    worker.until("quiet: taking no more jobs");
    while !inspector.processes().await.unwrap().first().is_some_and(|process| process.is_quiet) {}
    naps(&client, 0.0).await;
    worker.signal("TERM");

    assert_eq!(worker.code(), Some(0));
    assert_eq!(inspector.stats().await.unwrap().enqueued, 1);
}

#[tokio::test]
async fn ttin_logs_what_every_processor_is_doing() {
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    let mut worker = Worker::start(&server, &["-v", "-t", "1"]);
    let receipt = Nap::enqueue(3600.0).on(&client).await.unwrap();
    worker.until(receipt.jid.as_str());

    worker.signal("TTIN");

    worker.until("what every processor is doing");
    let line = worker.until("Nap");
    assert!(line.contains(receipt.jid.as_str()) && line.contains("default"), "{line}");
    worker.signal("TERM");
    assert_eq!(worker.code(), Some(0));
}

#[tokio::test]
async fn a_process_is_quieted_and_stopped_through_redis() {
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    let inspector = Inspector::new(&client);
    let mut worker = Worker::spawn(program().env("REDIS_URL", server.url()).env("KIQ_LEASE", "1"));
    while inspector.processes().await.unwrap().is_empty() {}
    let identity = inspector.processes().await.unwrap()[0].identity.clone();

    assert!(inspector.signal(&identity, Signal::Quiet).await.unwrap());
    worker.until("quiet: taking no more jobs");
    // As Sidekiq's own page leaves it.
    let mut connection = server.connection();
    redis::cmd("LPUSH").arg(format!("{identity}-signals")).arg("TERM").exec(&mut connection).unwrap();

    assert_eq!(worker.code(), Some(0));
    assert!(!inspector.signal(&identity, Signal::Stop).await.unwrap());
}

#[tokio::test]
async fn jobs_beyond_the_timeout_are_given_back_and_the_program_ends_in_time() {
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    let inspector = Inspector::new(&client);
    let mut worker = Worker::start(&server, &["-t", "1", "-c", "20"]);
    for _ in 0..20 {
        naps(&client, 60.0).await;
    }
    until_in_flight(&inspector, 20).await;

    let told = Instant::now();
    worker.signal("TERM");

    assert_eq!(worker.code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
    let stats = inspector.stats().await.unwrap();
    assert_eq!((stats.enqueued, stats.in_flight, stats.processed, stats.failed), (20, 0, 0, 0));
}

#[tokio::test]
async fn two_processes_share_queues_by_their_weights() {
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    let inspector = Inspector::new(&client);
    for queue in ["a", "b"] {
        // Long enough that none is fetched far ahead, as that takes many from one queue at a time.
        let naps = (0..2000).map(|_| Nap::new(0.001));
        let _ = kiq::enqueue_all(naps).queue(queue).on(&client).await.unwrap();
    }
    let arguments = ["-q", "a,3", "-q", "b,1", "-c", "1"];
    let both =
        [0, 1].map(|_| Worker::spawn(program().args(arguments).env("REDIS_URL", server.url()).env("KIQ_LOG", "off")));
    let half = loop {
        let queues = inspector.queues().await.unwrap();
        let left = |name: &str| queues.iter().find(|queue| queue.name == name).map_or(0, |queue| queue.size);
        if left("a") <= 200 {
            break (2000 - left("a"), 2000 - left("b"));
        }
        tokio::task::yield_now().await;
    };
    drop(both);
    let share = half.0 as f64 / (half.0 + half.1) as f64;
    assert!((0.65..0.85).contains(&share), "of {half:?} jobs, a had {share}");
}

#[test]
fn systemd_is_told_when_the_worker_is_ready_and_when_it_stops() {
    let server = RedisServer::start();
    let path = server.folder().join("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut worker = Worker::spawn(
        program().env("REDIS_URL", server.url()).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000"),
    );
    let heard = || {
        let mut message = [0; 512];
        let length = systemd.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).trim().to_owned()
    };
    assert_eq!(heard(), "READY=1");
    assert_eq!(heard(), "WATCHDOG=1");
    worker.signal("TERM");
    let mut message = heard();
    while message == "WATCHDOG=1" {
        message = heard();
    }
    assert_eq!(message, "STOPPING=1");
    assert_eq!(worker.code(), Some(0));
}

#[test]
fn exit_codes_say_what_was_wrong() {
    let code = |arguments: &[&str]| output(arguments).status.code();
    assert_eq!(code(&["--help"]), Some(0));
    assert_eq!(code(&["--version"]), Some(0));
    assert_eq!(code(&["--jobs"]), Some(0));
    assert_eq!(code(&["--colour"]), Some(2));
    assert_eq!(code(&["-c", "1", "-c", "2"]), Some(2));
    assert_eq!(code(&["-c", "0"]), Some(78));
    assert_eq!(code(&["-q", "a", "-q", "a"]), Some(78));
    assert_eq!(code(&["-C", "/nowhere/kiq.toml"]), Some(78));
    let old = RedisServer::with_arguments(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let refused = program().env("REDIS_URL", old.url()).output().unwrap();
    assert_eq!(refused.status.code(), Some(69));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("error: the worker cannot start") && said.contains("set it to noeviction"), "{said}");
}

#[test]
fn the_program_tells_its_jobs_and_its_settings() {
    let jobs = String::from_utf8(output(&["--jobs"]).stdout).unwrap();
    assert!(jobs.contains("Resize") && jobs.contains("high") && jobs.contains("examples/worker.rs:"), "{jobs}");
    let settings = program().args(["--show-config", "-c", "3"]).env("REDIS_URL", "redis://:hush@h/1").output().unwrap();
    let settings = String::from_utf8(settings.stdout).unwrap();
    assert!(
        settings.contains("--concurrency") && settings.contains("$REDIS_URL") && !settings.contains("hush"),
        "{settings}"
    );
}

#[test]
fn help_into_a_closed_pipe_is_no_panic() {
    let mut child = program().arg("--help").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    assert!(!said.contains("panic"), "{said}");
}
