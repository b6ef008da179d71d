//! `/live`, `/ready` and `/metrics`, asked over a socket as a platform does.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use kiq::Client;
use kiq_testing::RedisServer;

use crate::running::{Nap, Worker, program};

/// The status and the body.
fn ask_with(at: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn ask(at: SocketAddr, path: &str) -> (u16, String) {
    ask_with(at, "GET", path)
}

/// Where it answers, by its log.
fn address(worker: &mut Worker) -> SocketAddr {
    let line = worker.until("health is answered");
    line.split("at=").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_worker_lives_and_is_ready_until_it_is_quiet() {
    let server = RedisServer::start();
    let mut worker = Worker::start(&server, &["--health", "0"]);
    let at = address(&mut worker);
    assert!(at.ip().is_loopback());

    assert_eq!(ask(at, "/live"), (200, "alive\n".to_owned()));
    while ask(at, "/ready") != (200, "ready\n".to_owned()) {}
    assert_eq!(ask_with(at, "HEAD", "/ready"), (200, String::new()));
    assert_eq!(ask_with(at, "POST", "/ready").0, 405);
    assert_eq!(ask(at, "/").0, 404);

    worker.signal("TSTP");
    worker.until("quiet: taking no more jobs");
    assert_eq!(ask(at, "/ready"), (503, "the worker was told to take no more jobs\n".to_owned()));
    assert_eq!(ask(at, "/live").0, 200);
    worker.signal("TERM");
    assert_eq!(worker.code(), Some(0));
}

#[test]
fn without_redis_it_lives_and_is_not_ready() {
    let mut server = RedisServer::start();
    let url = server.url();
    server.kill();
    let mut worker = Worker::spawn(program().env("REDIS_URL", &url).env("KIQ_HEALTH", "127.0.0.1:0"));
    let at = address(&mut worker);
    worker.until("the store is not there yet");
    assert_eq!(ask(at, "/live").0, 200);
    assert_eq!(ask(at, "/ready"), (503, "the worker has not started yet\n".to_owned()));
    worker.signal("TERM");
    assert_eq!(worker.code(), Some(0));
}

#[test]
fn it_is_not_ready_while_redis_confirms_no_heartbeat_and_is_again_when_it_does() {
    let server = RedisServer::start();
    let mut worker =
        Worker::spawn(program().env("REDIS_URL", server.url()).env("KIQ_HEALTH", "0").env("KIQ_LEASE", "1"));
    let at = address(&mut worker);
    while ask(at, "/ready").0 != 200 {}

    server.stop();
    let said = loop {
        let (status, said) = ask(at, "/ready");
        if status != 200 {
            break said;
        }
    };
    assert!(said.starts_with("the store has not confirmed a heartbeat for"), "{said}");
    assert_eq!(ask(at, "/live").0, 200);
    server.resume();
    while ask(at, "/ready").0 != 200 {}
}

/// C10 of the table of bad configurations.
#[test]
fn a_port_that_cannot_be_had_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let output = program().args(["--health", &at]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78));
    assert!(said.contains(&format!("--health: health cannot be answered on {at}")), "{said}");
    assert!(said.contains("another process has this port"), "{said}");
    // Of a network for documentation, so of no machine.
    let output = program().args(["--health", "192.0.2.1:7433"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(78) && said.contains("no interface of this machine"), "{said}");
}

/// A51 and A53: jobs, process, queues and memory, for Prometheus.
#[tokio::test]
async fn prometheus_finds_the_numbers_there() {
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    let mut worker = Worker::start(&server, &["--health", "0", "-c", "3"]);
    let at = address(&mut worker);
    let _ = Nap::enqueue(0.001).on(&client).await.unwrap();
    let bad = Nap::enqueue(0.0).on(&client).await.unwrap();
    drop(bad);

    let done = r#"kiq_jobs_total{class="Nap",queue="default",end="done"} 2"#;
    let numbers = loop {
        let (status, numbers) = ask(at, "/metrics");
        assert_eq!(status, 200);
        if numbers.contains(done) && numbers.contains("kiq_processes 1") {
            break numbers;
        }
    };
    for line in [
        "# TYPE kiq_jobs_total counter",
        r#"kiq_job_seconds_bucket{class="Nap",queue="default",le="+Inf"} 2"#,
        r#"kiq_job_seconds_count{class="Nap",queue="default"} 2"#,
        "kiq_slots 3",
        "kiq_dead 0",
        r#"kiq_reruns_total{cause="reclaimed"} 0"#,
        "kiq_store_memory_bytes ",
    ] {
        assert!(numbers.contains(line), "{line} is not in:\n{numbers}");
    }
}
