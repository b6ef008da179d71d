//! How quick the engine is, as ratios to what the same Redis does for `redis-benchmark` in the same round.
//!
//! ```text
//! cargo bench --bench engine                 5 rounds, the rows of the guide
//! cargo bench --bench engine -- --quick      1 round of fewer jobs, to see that it works
//! cargo bench --bench engine -- --full       also memory, large payloads, append-only files, slow jobs
//! cargo bench --bench engine -- --only drain
//! ```
//! Machines differ and are shared, so no absolute figure is a promise; a ratio of one round is. Needs `redis-server` and
//! `redis-benchmark`. Prints a table, and as its last line one JSON object.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on has failed"
)]

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kiq::broker::{Beat, Broker, CapsuleInfo, Identity, NewJob, OrderMode, ProcessInfo};
use kiq::{Client, Clock, JobContext, JobResult, NextRun, RedisBroker, Timestamp, Worker, WorkerBuilder};
use kiq_testing::RedisServer;
use redis::Commands as _;

static RUNS: AtomicU64 = AtomicU64::new(0);

#[kiq::job]
async fn nothing(number: u64, text: &str) {
    std::hint::black_box((number, text));
    RUNS.fetch_add(1, Ordering::Relaxed);
}

#[kiq::job]
async fn nap(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    RUNS.fetch_add(1, Ordering::Relaxed);
}

/// Keeps a core busy.
#[kiq::job]
async fn spin(micros: u64) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(micros) {
        std::hint::spin_loop();
    }
    RUNS.fetch_add(1, Ordering::Relaxed);
}

/// Says how long ago it was pushed.
#[kiq::job]
async fn clocked(pushed_at_micros: u64, cx: &JobContext) {
    let _ = cx;
    let now = Timestamp::from(std::time::SystemTime::now()).as_micros();
    LATENCIES.lock().unwrap().push(now as u64 - pushed_at_micros);
    RUNS.fetch_add(1, Ordering::Relaxed);
}

static LATENCIES: std::sync::Mutex<Vec<u64>> = std::sync::Mutex::new(Vec::new());

/// All figures of a name, one a round.
#[derive(Default)]
struct Figures(BTreeMap<&'static str, Vec<f64>>);

impl Figures {
    fn add(&mut self, name: &'static str, value: f64) {
        self.0.entry(name).or_default().push(value);
    }

    fn median(&self, name: &str) -> f64 {
        let mut values = self.0[name].clone();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }

    fn table(&self) {
        println!("{:<28} {:>14} {:>14} {:>14}", "figure", "median", "min", "max");
        for (name, values) in &self.0 {
            let (min, max) = values.iter().fold((f64::MAX, f64::MIN), |(min, max), v| (min.min(*v), max.max(*v)));
            println!("{name:<28} {:>14.3} {min:>14.3} {max:>14.3}", self.median(name));
        }
    }

    fn json(&self) -> String {
        let fields: Vec<String> = self.0.keys().map(|name| format!("\"{name}\":{:.4}", self.median(name))).collect();
        format!("{{{}}}", fields.join(","))
    }
}

/// What a Redis has used and done so far.
struct Usage {
    cpu_us: f64,
    commands: f64,
}

fn info(server: &RedisServer, section: &str) -> BTreeMap<String, String> {
    let text: String = redis::cmd("INFO").arg(section).query(&mut server.connection()).unwrap();
    text.lines().filter_map(|line| line.split_once(':')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn usage(server: &RedisServer) -> Usage {
    let cpu = info(server, "cpu");
    let seconds = |name: &str| cpu[name].parse::<f64>().unwrap();
    // Commands inside of scripts are counted here, and not in `total_commands_processed`.
    let stats = info(server, "commandstats");
    let calls = stats
        .iter()
        .filter(|(name, _)| !["cmdstat_info", "cmdstat_hello"].contains(&name.as_str()))
        .map(|(_, value)| value.split(',').next().unwrap().strip_prefix("calls=").unwrap().parse::<f64>().unwrap())
        .sum();
    Usage { cpu_us: (seconds("used_cpu_user") + seconds("used_cpu_sys")) * 1e6, commands: calls }
}

/// CPU time of this process, in microseconds.
fn own_cpu_us() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: f64 = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks * 10_000.0
}

fn rss_mb(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|l| l.strip_prefix(line)).unwrap_or("0 kB");
    found.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Requests a second.
fn redis_benchmark(server: &RedisServer, test: &str, pipeline: u32, clients: u32, requests: u32) -> f64 {
    let output = Command::new("redis-benchmark")
        .args(["-h", "127.0.0.1", "-p", &server.port().to_string(), "-t", test, "--csv", "-d", "168"])
        .args(["-n", &requests.to_string(), "-P", &pipeline.to_string(), "-c", &clients.to_string()])
        .output()
        .expect("redis-benchmark comes with redis-server (Debian: redis-tools)");
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().last().unwrap();
    line.split(',').nth(1).unwrap().trim_matches('"').parse().unwrap()
}

fn flush(server: &RedisServer) {
    redis::cmd("FLUSHALL").exec(&mut server.connection()).unwrap();
}

/// As Sidekiq writes a job; some 170 bytes.
fn payload(class: &str, number: u64, args: &str) -> String {
    format!(
        r#"{{"retry":true,"queue":"default","class":"{class}","args":{args},"jid":"{number:024x}","created_at":1795452509.5,"enqueued_at":1795452509.5}}"#
    )
}

/// Fills three queues with `count` jobs by plain LPUSH.
fn preload(server: &RedisServer, count: u64, class: &str, args: impl Fn(u64) -> String) {
    let mut connection = server.connection();
    for (at, queue) in ["queue:high", "queue:default", "queue:low"].iter().enumerate() {
        let _: () = connection.sadd("queues", &queue[6..]).unwrap();
        let share = count / 3 + u64::from(at == 0) * (count % 3);
        let mut number = 0;
        while number < share {
            let chunk: Vec<String> = (number..share.min(number + 1000)).map(|n| payload(class, n, &args(n))).collect();
            let _: () = connection.lpush(*queue, chunk).unwrap();
            number += 1000;
        }
    }
}

struct Setting {
    concurrency: usize,
    max_unacked: usize,
}

fn worker(server: &RedisServer, setting: &Setting) -> Worker {
    builder(server, setting).build().unwrap()
}

/// Does nothing but go on.
async fn pass(cx: JobContext, next: NextRun) -> JobResult {
    next.run(cx).await
}

fn builder(server: &RedisServer, setting: &Setting) -> WorkerBuilder {
    Worker::builder()
        .client(Client::connect(&server.url()).unwrap())
        .queues(["high", "default", "low"])
        .concurrency(setting.concurrency)
        .max_unacked(setting.max_unacked)
}

/// Waits for `count` runs since the counter was reset.
async fn runs(count: u64) {
    while RUNS.load(Ordering::Relaxed) < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn runtime(threads: usize) -> tokio::runtime::Runtime {
    if threads == 1 {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    } else {
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
    }
}

struct Drained {
    per_second: f64,
    redis_us: f64,
    own_us: f64,
    commands: f64,
}

/// Jobs that wait are performed by a whole worker: from the start of the worker to the last run.
fn drain(server: &RedisServer, count: u64, threads: usize, setting: &Setting) -> Drained {
    drain_by(worker(server, setting), server, count, threads)
}

fn drain_by(worker: Worker, server: &RedisServer, count: u64, threads: usize) -> Drained {
    RUNS.store(0, Ordering::Relaxed);
    let (usage_before, own_before) = (usage(server), own_cpu_us());
    let started = Instant::now();
    let seconds = runtime(threads).block_on(async {
        let mut seconds = 0.0;
        worker
            .run_until(async {
                runs(count).await;
                seconds = started.elapsed().as_secs_f64();
            })
            .await
            .unwrap();
        seconds
    });
    let (usage_after, own_after) = (usage(server), own_cpu_us());
    let processed: u64 = server.connection().get("stat:processed").unwrap();
    assert_eq!(processed, count, "jobs processed by the store's count");
    Drained {
        per_second: count as f64 / seconds,
        redis_us: (usage_after.cpu_us - usage_before.cpu_us) / count as f64,
        own_us: (own_after - own_before) / count as f64,
        commands: (usage_after.commands - usage_before.commands) / count as f64,
    }
}

fn beat() -> Beat {
    let capsules = vec![CapsuleInfo {
        name: "default".into(),
        concurrency: 10,
        mode: OrderMode::Strict,
        queues: ["high", "default", "low"].iter().map(|name| ((*name).to_owned(), 0)).collect(),
    }];
    let info = ProcessInfo { started_at: Timestamp::from_micros(0), tag: String::new(), capsules, embedded: true };
    Beat {
        info: info.into(),
        work: Vec::new(),
        quiet: false,
        lease: Duration::from_secs(60),
        rss_kib: 0,
        at: Timestamp::from_micros(0),
    }
}

/// The store's part alone, fetch and acknowledge, without performing: one fetch under way while the last is acknowledged.
fn drain_store(server: &RedisServer, count: u64) -> f64 {
    runtime(1).block_on(async {
        let broker = RedisBroker::open(&server.url(), Clock::system()).unwrap();
        let consumer = broker.attach(Identity::of_this_process());
        consumer.beat(&beat()).await.unwrap();
        let queues = ["high", "default", "low"].map(str::to_owned);
        let started = Instant::now();
        let mut done = 0;
        let mut last = consumer.fetch(&queues, 500).await.unwrap();
        while !last.is_empty() {
            let (acked, next) = tokio::join!(consumer.ack(&last), consumer.fetch(&queues, 500));
            done += acked.unwrap().len() as u64;
            last = next.unwrap();
        }
        let rate = count as f64 / started.elapsed().as_secs_f64();
        assert_eq!(done, count);
        consumer.leave().await.unwrap();
        rate
    })
}

/// Jobs pushed a second by `tasks` tasks that await each.
fn enqueue_each(server: &RedisServer, count: u64, tasks: u64) -> f64 {
    runtime(1).block_on(async {
        let client = Client::connect(&server.url()).unwrap();
        let started = Instant::now();
        let mut set = tokio::task::JoinSet::new();
        for task in 0..tasks {
            let client = client.clone();
            set.spawn(async move {
                for number in (task..count).step_by(tasks as usize) {
                    let _ = Nothing::enqueue(number, "some text of an order").on(&client).await.unwrap();
                }
            });
        }
        while let Some(ended) = set.join_next().await {
            ended.unwrap();
        }
        count as f64 / started.elapsed().as_secs_f64()
    })
}

fn enqueue_bulk(server: &RedisServer, count: u64) -> f64 {
    runtime(1).block_on(async {
        let client = Client::connect(&server.url()).unwrap();
        let started = Instant::now();
        let half = |from: u64| {
            let client = client.clone();
            async move {
                for start in (from..from + count / 2).step_by(10_000) {
                    let jobs = (start..(start + 10_000).min(from + count / 2))
                        .map(|n| Nothing::new(n, "some text of an order"));
                    kiq::enqueue_all(jobs).on(&client).await.unwrap();
                }
            }
        };
        tokio::join!(half(0), half(count / 2));
        count as f64 / started.elapsed().as_secs_f64()
    })
}

/// Bulk pushes and a worker at once: jobs a second through both.
fn push_and_drain(server: &RedisServer, count: u64) -> f64 {
    let worker = worker(server, &Setting { concurrency: 10, max_unacked: 256 });
    RUNS.store(0, Ordering::Relaxed);
    runtime(2).block_on(async {
        let client = Client::connect(&server.url()).unwrap();
        let started = Instant::now();
        let pusher = tokio::spawn(async move {
            for start in (0..count).step_by(1000) {
                let jobs = (start..(start + 1000).min(count)).map(|n| Nothing::new(n, "some text of an order"));
                kiq::enqueue_all(jobs).on(&client).await.unwrap();
            }
        });
        let mut rate = 0.0;
        worker
            .run_until(async {
                runs(count).await;
                rate = count as f64 / started.elapsed().as_secs_f64();
            })
            .await
            .unwrap();
        pusher.await.unwrap();
        rate
    })
}

/// Commands a second of an idle worker.
fn idle(server: &RedisServer, seconds: u64) -> f64 {
    let worker = worker(server, &Setting { concurrency: 10, max_unacked: 256 });
    runtime(1).block_on(async {
        let mut commands = 0.0;
        worker
            .run_until(async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let before = usage(server).commands;
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                commands = usage(server).commands - before;
            })
            .await
            .unwrap();
        commands / seconds as f64
    })
}

/// From LPUSH to the start of the job, at 1,000 a second: p50 and p99 in microseconds, of a worker and of a bare BRPOP.
fn wake(server: &RedisServer, jobs: u64) -> [f64; 4] {
    let percentiles = |latencies: &mut Vec<u64>| {
        latencies.sort_unstable();
        [latencies[latencies.len() / 2] as f64, latencies[latencies.len() * 99 / 100] as f64]
    };
    let now = || Timestamp::from(std::time::SystemTime::now()).as_micros() as u64;
    let port = server.port();
    let push = move |jobs: u64, queue: &'static str| {
        std::thread::spawn(move || {
            let client = redis::Client::open(format!("redis://127.0.0.1:{port}/0")).unwrap();
            let mut connection = client.get_connection().unwrap();
            for number in 0..jobs {
                std::thread::sleep(Duration::from_millis(1));
                let job = payload("Clocked", number, &format!("[{}]", now()));
                let _: () = connection.lpush(queue, job).unwrap();
            }
        })
    };
    LATENCIES.lock().unwrap().clear();
    RUNS.store(0, Ordering::Relaxed);
    let worker = worker(server, &Setting { concurrency: 10, max_unacked: 256 });
    runtime(1).block_on(async {
        let mut events = worker.events();
        worker
            .run_until(async {
                while !matches!(events.next().await, Some(kiq::Event::Ready)) {}
                drop(events);
                tokio::time::sleep(Duration::from_millis(200)).await;
                push(jobs, "queue:default");
                runs(jobs).await;
            })
            .await
            .unwrap();
    });
    let ours = percentiles(&mut LATENCIES.lock().unwrap());
    let mut bare = Vec::new();
    let mut connection = server.connection();
    let pusher = push(jobs, "queue:bare");
    for _ in 0..jobs {
        let (_, job): (String, String) = connection.brpop("queue:bare", 5.0).unwrap();
        let args = job.split("\"args\":[").nth(1).unwrap().split(']').next().unwrap();
        bare.push(now() - args.parse::<u64>().unwrap());
    }
    pusher.join().unwrap();
    let bare = percentiles(&mut bare);
    [ours[0], ours[1], bare[0], bare[1]]
}

/// Due jobs moved a second, in steps of 100 as the worker's poller does.
fn promote(server: &RedisServer, count: u64) -> f64 {
    runtime(1).block_on(async {
        let broker = RedisBroker::open(&server.url(), Clock::system()).unwrap();
        for start in (0..count).step_by(1000) {
            let jobs: Vec<NewJob> = (start..start + 1000)
                .map(|n| NewJob {
                    payload: payload("Nothing", n, "[1,\"x\"]"),
                    queue: "default".into(),
                    at: Some(Timestamp::from_micros(1_600_000_000_000_000 + n as i64)),
                    guard: None,
                })
                .collect();
            for outcome in broker.push(&jobs).await {
                outcome.unwrap();
            }
        }
        let started = Instant::now();
        let mut moved = 0;
        while moved < count {
            moved += broker.promote(100).await.unwrap().moved as u64;
        }
        count as f64 / started.elapsed().as_secs_f64()
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let only = arguments.iter().position(|argument| argument == "--only").and_then(|at| arguments.get(at + 1));
    let wants = |row: &str| only.is_none_or(|only| only == row);
    let (quick, full) = (has("--quick"), has("--full"));
    let rounds = if quick { 1 } else { 5 };
    let jobs: u64 = if quick { 100_000 } else { 600_000 };
    let mut figures = Figures::default();

    println!(
        "kiq {}, {} jobs of about 170 bytes a row, 3 queues in strict order, {rounds} rounds",
        env!("CARGO_PKG_VERSION"),
        jobs
    );
    if full {
        // Before anything else has touched this program's memory.
        million(&mut figures);
    }
    for round in 1..=rounds {
        let server = RedisServer::start();
        if round == 1 {
            println!("Redis {}", info(&server, "server")["redis_version"]);
        }
        println!("round {round}");
        let requests = u32::try_from(jobs).unwrap();
        let lpush100 = redis_benchmark(&server, "lpush", 100, 8, requests);
        let before = usage(&server);
        let rpop100 = redis_benchmark(&server, "rpop", 100, 8, requests);
        let rpop_us = (usage(&server).cpu_us - before.cpu_us) / jobs as f64;
        figures.add("rpop_p100_per_s", rpop100);
        figures.add("lpush_p100_per_s", lpush100);
        if wants("drain") {
            flush(&server);
            preload(&server, jobs, "Nothing", |n| format!("[{n},\"some text of an order\"]"));
            figures.add("drain_ratio", drain_store(&server, jobs) / rpop100);
            for (threads, max_unacked, name) in [
                (1, 256, "drain_stack_ratio"),
                (2, 256, "drain_stack_2_threads_ratio"),
                // Four times the reruns that a crash may cost.
                (1, 1024, "drain_stack_1024_unacked_ratio"),
            ] {
                flush(&server);
                preload(&server, jobs, "Nothing", |n| format!("[{n},\"some text of an order\"]"));
                let drained = drain(&server, jobs, threads, &Setting { concurrency: 10, max_unacked });
                figures.add(name, drained.per_second / rpop100);
                if name == "drain_stack_ratio" {
                    figures.add("drain_stack_per_s", drained.per_second);
                    figures.add("redis_us_per_job", drained.redis_us);
                    figures.add("redis_us_ratio", drained.redis_us / rpop_us);
                    figures.add("client_us_per_job", drained.own_us);
                    figures.add("commands_per_job", drained.commands);
                }
                if max_unacked == 1024 {
                    figures.add("commands_per_job_1024_unacked", drained.commands);
                }
            }
        }
        if wants("middleware") {
            // Side by side, so that what else the machine does is in both.
            let mut without = None;
            for (links, name) in [
                (0, ""),
                (1, "middleware_1_ns_per_job"),
                (5, "middleware_5_ns_per_job"),
                (10, "middleware_10_ns_per_job"),
            ] {
                flush(&server);
                preload(&server, jobs, "Nothing", |n| format!("[{n},\"some text of an order\"]"));
                let plain = builder(&server, &Setting { concurrency: 10, max_unacked: 256 });
                let worker = (0..links).fold(plain, |worker, _| worker.middleware(pass)).build().unwrap();
                let drained = drain_by(worker, &server, jobs, 1);
                match without {
                    None => without = Some(drained),
                    Some(ref plain) => {
                        figures.add(name, (drained.own_us - plain.own_us) * 1000.0);
                        if links == 5 {
                            figures.add("middleware_5_of_none", drained.per_second / plain.per_second);
                        }
                    }
                }
            }
        }
        if wants("strict") {
            flush(&server);
            preload(&server, jobs / 2, "Nothing", |n| format!("[{n},\"some text of an order\"]"));
            let drained = drain(&server, jobs / 2, 1, &Setting { concurrency: 100, max_unacked: 0 });
            figures.add("strict_ratio", drained.per_second / rpop100);
        }
        if wants("push") {
            flush(&server);
            figures.add("push_drain_ratio", push_and_drain(&server, jobs) / lpush100);
        }
        if wants("enqueue") {
            flush(&server);
            let lpush16 = redis_benchmark(&server, "lpush", 16, 16, requests);
            flush(&server);
            figures.add("enqueue_ratio", enqueue_each(&server, jobs / 3, 64) / lpush16);
            flush(&server);
            figures.add("group_commit_ratio", enqueue_each(&server, jobs, 1000) / lpush16);
            flush(&server);
            figures.add("bulk_ratio", enqueue_bulk(&server, jobs) / lpush100);
        }
        if wants("wake") {
            flush(&server);
            let [p50, p99, bare_p50, bare_p99] = wake(&server, if quick { 500 } else { 3000 });
            figures.add("wake_p50_us", p50);
            figures.add("wake_p99_us", p99);
            figures.add("wake_p50_ratio", p50 / bare_p50);
            figures.add("wake_p99_ratio", p99 / bare_p99);
        }
        if wants("idle") {
            flush(&server);
            figures.add("idle_commands_per_s", idle(&server, if quick { 5 } else { 20 }));
            figures.add("rss_idle_mb", rss_mb("VmRSS:"));
        }
        if wants("promote") {
            flush(&server);
            figures.add("promote_per_s", promote(&server, if quick { 20_000 } else { 200_000 }));
        }
        if full {
            slow_jobs(&server, &mut figures);
            large_payloads(&server, rpop100, &mut figures);
        }
        if full && round == 1 {
            append_only(&mut figures);
        }
    }
    figures.table();
    println!("{}", figures.json());
}

/// Jobs that sleep, and jobs that compute, at concurrency 200: what part of the ideal is reached.
fn slow_jobs(server: &RedisServer, figures: &mut Figures) {
    let setting = Setting { concurrency: 200, max_unacked: 256 };
    flush(server);
    preload(server, 60_000, "Nap", |_| "[10]".to_owned());
    let drained = drain(server, 60_000, 1, &setting);
    // tokio's timer goes by the millisecond, so a sleep of 10 ms is one of 11.
    figures.add("sleep_10ms_of_ideal", drained.per_second / (200.0 / 0.011));
    flush(server);
    preload(server, 20_000, "Spin", |_| "[100]".to_owned());
    let drained = drain(server, 20_000, 1, &setting);
    figures.add("cpu_100us_of_ideal", drained.per_second / 10_000.0);
}

fn large_payloads(server: &RedisServer, rpop100: f64, figures: &mut Figures) {
    for (name, bytes, count) in [("drain_1kb_ratio", 1_000, 100_000), ("drain_10kb_ratio", 10_000, 20_000)] {
        flush(server);
        let text = "x".repeat(bytes - 170);
        preload(server, count, "Nothing", |n| format!("[{n},\"{text}\"]"));
        let drained = drain(server, count, 1, &Setting { concurrency: 10, max_unacked: 256 });
        figures.add(name, drained.per_second / rpop100);
    }
}

fn million(figures: &mut Figures) {
    let server = RedisServer::start();
    preload(&server, 1_000_000, "Nothing", |n| format!("[{n},\"some text of an order\"]"));
    drain(&server, 1_000_000, 1, &Setting { concurrency: 10, max_unacked: 256 });
    figures.add("rss_peak_mb", rss_mb("VmHWM:"));
}

fn append_only(figures: &mut Figures) {
    for (name, fsync) in [("drain_aof_everysec_per_s", "everysec"), ("drain_aof_always_per_s", "always")] {
        let server = RedisServer::with_arguments(&["--appendonly", "yes", "--appendfsync", fsync]);
        preload(&server, 200_000, "Nothing", |n| format!("[{n},\"some text of an order\"]"));
        let drained = drain(&server, 200_000, 1, &Setting { concurrency: 10, max_unacked: 256 });
        figures.add(name, drained.per_second);
    }
}
