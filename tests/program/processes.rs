//! The program as a process: signals of the system and of Redis, exit codes, systemd.

use std::io::Read as _;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::{Duration, Instant};

use kiq::inspect::Signal;
use kiq::{Client, Inspector};
use kiq_testing::RedisServer;

use crate::running::{Nap, Worker, output, program};

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

/// 20.1 of the features: nothing is lost, and the program ends within its timeout and a second.
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

/// Without retries the first failure is the last, and of three that die two are kept.
#[tokio::test]
async fn what_an_operator_says_of_retries_and_dead_jobs_reaches_the_worker() {
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    let settings = [("KIQ_MAX_RETRIES", "0"), ("KIQ_DEAD_MAX_JOBS", "2")];
    let mut worker = Worker::spawn(program().env("REDIS_URL", server.url()).envs(settings));
    for _ in 0..3 {
        let _ = Unheard::enqueue().on(&client).await.unwrap();
    }
    for _ in 0..3 {
        worker.until("failed for good; kept among the dead");
    }

    let inspector = Inspector::new(&client);
    while inspector.stats().await.unwrap().failed < 3 {}
    let stats = inspector.stats().await.unwrap();
    assert_eq!((stats.retries, stats.dead), (0, 2));
}

/// No job of the example's.
#[kiq::job]
async fn unheard() {}

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

/// A5 too: `-h` and what is wrong with arguments.
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
    assert!(jobs.contains("picture width") && jobs.contains("25 over 20 days"), "{jobs}");
    let json: serde_json::Value = serde_json::from_slice(&output(&["--jobs=json"]).stdout).unwrap();
    let resize = json.as_array().unwrap().iter().find(|job| job["name"] == "Resize").unwrap();
    assert_eq!(resize["arguments"], serde_json::json!(["picture", "width"]));
    assert_eq!((&resize["queue"], &resize["retries"], &resize["dead"]), (&"high".into(), &25.into(), &true.into()));
    assert_eq!(resize["retry_waits_seconds"][2], 31, "two to the fourth and fifteen");
    let settings = program().args(["--show-config", "-c", "3"]).env("REDIS_URL", "redis://:hush@h/1").output().unwrap();
    let settings = String::from_utf8(settings.stdout).unwrap();
    assert!(
        settings.contains("--concurrency") && settings.contains("$REDIS_URL") && !settings.contains("hush"),
        "{settings}"
    );
}

/// C8 and C9 of the table of bad configurations: a server that cannot be used is said to be so, with what is missing.
#[test]
fn a_redis_that_cannot_be_used_ends_the_program_with_the_reason() {
    let closed = RedisServer::with_arguments(&["--requirepass", "right"]);
    let address = closed.url().replace("redis://", "redis://:wrong@");
    let server = RedisServer::start();
    let user = ["SETUSER", "few", "on", ">pw", "~*", "&*", "+@all", "-evalsha"];
    redis::cmd("ACL").arg(&user[..]).exec(&mut server.connection()).unwrap();
    let limited = server.url().replace("redis://", "redis://few:pw@");
    let port = server.port().to_string();
    let replica = RedisServer::with_arguments(&["--replicaof", "127.0.0.1", &port]);
    for (address, words) in
        [(address, "WRONGPASS"), (limited, "+evalsha"), (replica.url(), "it is a replica, which takes no jobs")]
    {
        let ended = program().env("REDIS_URL", &address).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(69), "{said}");
        assert!(said.contains(words) && !said.contains("wrong@"), "{words} is not in: {said}");
    }
}

/// C12: an argument that is no text, and a place without home, language, terminal or a folder to write to.
#[test]
fn odd_surroundings_are_borne() {
    use std::os::unix::ffi::OsStrExt as _;
    let odd = program().args(["--tag".as_ref(), std::ffi::OsStr::from_bytes(b"\xff")]).output().unwrap();
    assert_eq!(odd.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&odd.stderr).contains("invalid UTF-8"));
    let mut bare = program();
    let bare = bare.env_clear().env("LANG", "C").current_dir("/proc").arg("--show-config").output().unwrap();
    assert_eq!(bare.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&bare.stdout).contains("redis://127.0.0.1:6379/0"));
}

/// C11.
#[test]
fn help_into_a_closed_pipe_is_no_panic() {
    let mut child = program().arg("--help").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    assert!(!said.contains("panic"), "{said}");
}
