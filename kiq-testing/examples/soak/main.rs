//! Load and mishaps together, for as long as you like, and then the books are audited.
//!
//! ```text
//! cargo run -p kiq-testing --example soak -- --seed 7
//! cargo run -p kiq-testing --example soak -- --profile nightly --minutes 10
//! cargo run -p kiq-testing --example soak -- --profile kill9     # 200,000 jobs, 25 × kill -9
//! cargo run -p kiq-testing --example soak -- --profile cut       # 200,000 jobs, 25 × CLIENT KILL TYPE normal
//! cargo run -p kiq-testing --example soak -- --profile freeze    # 200,000 jobs, 25 × SIGSTOP past the lease
//! ```
//!
//! The seed decides what is enqueued and what goes wrong in which order; when exactly, the machine does. Ends with 0 when the
//! audit is passed: no job lost, in two places or in limbo, each run too many with its cause, every counter exact.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a program for tests"
)]

mod dice;
mod jobs;
mod load;
mod nemesis;
mod worker;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kiq::{Client, Inspector};
use kiq_testing::{Audit, Census, Footprint, Ledger, RedisServer};

use dice::Dice;
use nemesis::Nemesis;

/// How long all may take to come to rest when nothing goes wrong any more.
const REST: Duration = Duration::from_secs(180);

/// What a worker may take up more at the end than before it had done anything: the large payloads it had at hand and what the
/// allocator keeps of them,
const MORE_MEMORY: u64 = 128 << 20;
/// a connection that is being made anew,
const MORE_CONNECTIONS: usize = 3;
/// and threads for names that are looked up.
const MORE_THREADS: usize = 4;

/// What is done, and how much of it.
struct Plan {
    profile: String,
    seed: u64,
    load_for: Duration,
    /// Jobs enqueued beforehand, and nothing but quick ones; 0 for a mix that is enqueued meanwhile.
    bulk: usize,
    mishaps: usize,
}

impl Plan {
    fn of(arguments: &[String]) -> Result<Self, String> {
        let value = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name)?;
            arguments.get(at + 1).cloned()
        };
        let number = |name: &str| match value(name) {
            Some(text) => text.parse::<f64>().map(Some).map_err(|_| format!("{name} {text}: that is no number")),
            None => Ok(None),
        };
        for argument in arguments.iter().filter(|argument| argument.starts_with('-')) {
            if !["--profile", "--seed", "--minutes", "--jobs"].contains(&argument.as_str()) {
                return Err(format!("{argument}: the options are --profile, --seed, --minutes and --jobs"));
            }
        }
        let profile = value("--profile").unwrap_or_else(|| "smoke".to_owned());
        let (minutes, bulk, mishaps) = match profile.as_str() {
            "smoke" => (0.5, 0, usize::MAX),
            "nightly" => (10.0, 0, usize::MAX),
            "long" => (60.0, 0, usize::MAX),
            "kill9" | "cut" | "freeze" => (60.0, 200_000, 25),
            other => return Err(format!("{other}: the profiles are smoke, nightly, long, kill9, cut and freeze")),
        };
        let bulk = if bulk > 0 { number("--jobs")?.map_or(bulk, |jobs| jobs as usize) } else { 0 };
        Ok(Plan {
            profile,
            seed: number("--seed")?.map_or(1, |seed| seed as u64),
            load_for: Duration::from_secs_f64(60.0 * number("--minutes")?.unwrap_or(minutes)),
            bulk,
            mishaps,
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    if let Ok(url) = std::env::var(worker::WORKER_OF) {
        worker::run(&url).await;
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let plan = match Plan::of(&arguments) {
        Ok(plan) => plan,
        Err(reason) => {
            eprintln!("{reason}");
            return ExitCode::from(2);
        }
    };
    println!("profile {}, seed {}", plan.profile, plan.seed);
    if soak(&plan).await { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn soak(plan: &Plan) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::open(&folder.path().join("ledger")));
    // Every write is on the disk before it is acknowledged, so that a kill of the server loses none.
    let server = if plan.bulk > 0 { RedisServer::start() } else { RedisServer::with_aof() };
    let client = Client::connect(&server.url()).unwrap();
    let started = Instant::now();

    if plan.bulk > 0 {
        // A freeze takes seconds, so that there must be enough to do meanwhile for all of them to hit running jobs.
        let what = if plan.profile == "freeze" { "wait 20" } else { "quick" };
        load::bulk(plan.bulk, what, &client, &ledger).await;
    }
    let mut nemesis = Nemesis::new(server, Arc::clone(&ledger), Dice::new(plan.seed));
    nemesis.until_all_are_there().await;
    let before = nemesis.footprint();
    let producers = load::Producers::start(plan, nemesis.proxy_url(), &ledger);
    let over = started + plan.load_for;
    let mut done = 0;
    if plan.bulk > 0 {
        nemesis.until_processed(1).await;
    } else {
        nemesis.measure_the_usual().await;
    }
    while done < plan.mishaps && Instant::now() < over {
        let happened = match plan.profile.as_str() {
            "kill9" => nemesis.kill_worker().await,
            "cut" => nemesis.cut_clients().await,
            "freeze" => nemesis.freeze_past_lease().await,
            _ => nemesis.something().await,
        };
        done += 1;
        println!("{:6.1} s  {happened}", started.elapsed().as_secs_f64());
        if plan.bulk > 0 {
            // Spread over all of the work.
            nemesis.until_processed((plan.bulk * done / (plan.mishaps + 2)) as u64).await;
        }
    }
    producers.stop().await;
    nemesis.peace().await;
    println!("{:6.1} s  peace, after {done} mishaps", started.elapsed().as_secs_f64());

    let is_at_rest = rest(&client).await;
    nemesis.until_all_are_there().await;
    let after = nemesis.footprint();
    nemesis.stop_workers().await;
    let census = Census::take(&mut nemesis.server().connection()).unwrap();
    let per_death = worker::CONCURRENCY + worker::MAX_UNACKED;
    let mut audit = Audit::of(&ledger.entries(), &census, per_death, true);
    if !is_at_rest {
        audit.faults.insert(0, format!("I7 it did not come to rest within {REST:?}"));
    }
    audit.faults.extend(grown(before, after));
    let malformed = census.others().iter().filter(|(key, _)| key != "dead").count();
    if malformed > 0 {
        audit.faults.push(format!("P {malformed} entries that are no jobs are not among the dead"));
    }
    println!("{audit}\nseed {}, {:.1} s", plan.seed, started.elapsed().as_secs_f64());
    if !audit.is_passed() {
        let kept = std::env::temp_dir().join(format!("kiq-soak-{}.ledger", plan.seed));
        if std::fs::copy(ledger.path(), &kept).is_ok() {
            println!("the ledger is at {}", kept.display());
        }
    }
    audit.is_passed()
}

/// I8: what the busiest worker took up and what the server had of connections, when nothing was enqueued yet and at the end.
fn grown(before: (Footprint, usize), after: (Footprint, usize)) -> Option<String> {
    let ((a, clients_before), (b, clients_after)) = (before, after);
    let mib = |bytes: u64| bytes >> 20;
    let text = format!(
        "before and after: {} and {} MiB, {} and {} files, {} and {} threads, {clients_before} and {clients_after} connections",
        mib(a.rss),
        mib(b.rss),
        a.files,
        b.files,
        a.threads,
        b.threads
    );
    println!("{text}");
    let is_bounded = b.rss <= a.rss + MORE_MEMORY
        && b.files <= a.files + MORE_CONNECTIONS
        && b.threads <= a.threads + MORE_THREADS
        && clients_after <= clients_before + MORE_CONNECTIONS;
    (!is_bounded).then(|| format!("I8 the workers grew; {text}"))
}

/// Waits until nothing is left to be done.
async fn rest(client: &Client) -> bool {
    let inspector = Inspector::new(client);
    let started = Instant::now();
    while started.elapsed() < REST {
        if inspector.stats().await.is_ok_and(|stats| stats.unsettled() == 0) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("not at rest: {:?}", inspector.stats().await);
    false
}
