//! A worker while Redis will not, or cannot: it waits, says so once, and goes on; no job is lost or run twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiq::{Data, Event};
use kiq_testing::{Events, RedisServer};
use redis::Commands as _;
use tokio::sync::Semaphore;

use crate::jobs::{Note, Notes};
use crate::logging::Log;
use crate::setup::Setup;

/// Begins, and ends when the gate of its name is opened.
#[kiq::job]
async fn hold(name: String, notes: Data<Notes>) {
    gate(&name).acquire().await.unwrap().forget();
    notes.add(name);
}

fn gate(name: &str) -> Arc<Semaphore> {
    static GATES: Mutex<Option<HashMap<String, Arc<Semaphore>>>> = Mutex::new(None);
    let mut gates = GATES.lock().unwrap();
    let gate = gates.get_or_insert_default().entry(name.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(0)));
    Arc::clone(gate)
}

fn try_send(server: &RedisServer, command: &[&str]) -> redis::RedisResult<()> {
    redis::cmd(command[0]).arg(&command[1..]).exec(&mut server.connection())
}

fn send(server: &RedisServer, command: &[&str]) {
    try_send(server, command).unwrap();
}

fn signal(server: &RedisServer, name: &str) {
    let pid = server.pid().unwrap().to_string();
    assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
}

/// How many connections are blocked.
fn blocked(server: &RedisServer) -> usize {
    let clients: String = redis::cmd("INFO").arg("clients").query(&mut server.connection()).unwrap();
    let count = clients.lines().find_map(|line| line.strip_prefix("blocked_clients:")).unwrap();
    count.parse().unwrap()
}

async fn until(mut condition: impl FnMut() -> bool) {
    let waited = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(60), waited).await.is_ok(), "it did not happen within a minute");
}

/// How many requests were refused with that code.
fn refused(server: &RedisServer, code: &str) -> usize {
    let errors: String = redis::cmd("INFO").arg("errorstats").query(&mut server.connection()).unwrap();
    let line = errors.lines().find_map(|line| line.strip_prefix(&format!("errorstat_{code}:count=")));
    line.map_or(0, |count| count.parse().unwrap())
}

const NO_FETCH: &str = "jobs cannot be fetched";
const NO_END: &str = "the end of jobs cannot be recorded";

/// A job ends while something is amiss, and another comes when it is over. Answers the warnings.
///
/// `what_is_amiss` brings the trouble on and answers what ends it; the words are what the errors must say.
async fn get_through(
    name: &str,
    words: &str,
    server: RedisServer,
    bring_on: impl FnOnce(&mut RedisServer) -> Box<dyn FnOnce(&mut RedisServer)>,
) -> Log {
    let log = Log::default();
    let listening = tracing::subscriber::set_default(log.clone());
    let mut s = Setup::on(server);
    let worker = s.worker().concurrency(2).build().unwrap();
    let mut events = Events::of(&worker);
    let mut server = s.server.take().unwrap();
    let notes = s.notes.clone();
    let test = async {
        let _ = Hold::enqueue(name).on(&s.client).await.unwrap();
        events.started("Hold").await;
        until(|| blocked(&server) == 1).await;

        let end = bring_on(&mut server);
        gate(name).add_permits(1);
        until(|| log.count(NO_END) == 1).await;
        // More attempts, and no more words, where the server can be asked how many it refused.
        if !["BUSY", "no answer", "timed out"].contains(&words) {
            until(|| refused(&server, words) >= 6).await;
        }
        end(&mut server);

        events.done("Hold").await;
        while Note::enqueue("after").on(&s.client).await.is_err() {}
        events.done("Note").await;
    };
    worker.run_until(test).await.unwrap();
    drop(listening);
    assert_eq!(notes.all(), [name, "after"]);
    let line = log.line(NO_END);
    assert!(line.contains(words), "{line}");
    assert!(log.count(NO_FETCH) <= 1);
    let stats = s.inspector().stats().await.unwrap();
    assert_eq!((stats.processed, stats.failed, stats.unsettled()), (2, 0, 0));
    log
}

#[tokio::test]
async fn a_server_that_became_a_replica_is_waited_for_and_its_connections_given_up() {
    let log = get_through("replica", "READONLY", RedisServer::start(), |server| {
        let before = connections(server);
        send(server, &["REPLICAOF", "127.0.0.1", "1"]);
        Box::new(move |server| {
            // Whoever was told READONLY asks elsewhere next time: by now over another connection, to the same server here.
            let kept = connections(server).into_iter().filter(|id| before.contains(id)).count();
            assert!(kept < before.len(), "all {kept} connections were kept");
            send(server, &["REPLICAOF", "NO", "ONE"]);
        })
    })
    .await;
    // Waiting ends with the change, so fetching meets it, too.
    assert!(log.line(NO_FETCH).contains("READONLY"));
}

/// The connections of kiq.
fn connections(server: &RedisServer) -> Vec<String> {
    let clients: String = redis::cmd("CLIENT").arg("LIST").query(&mut server.connection()).unwrap();
    let ours = clients.lines().filter(|line| line.contains(" lib-name=kiq") || !line.contains(" cmd=client|list"));
    ours.map(|line| line.split([' ', '=']).nth(1).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_server_that_cannot_save_is_waited_for() {
    let server = RedisServer::with_arguments(&["--enable-protected-configs", "yes"]);
    send(&server, &["CONFIG", "SET", "save", "3600 1000"]);
    get_through("misconf", "MISCONF", server, |server| {
        let aside = tempfile::tempdir().unwrap();
        let gone = aside.path().join("gone");
        std::fs::create_dir(&gone).unwrap();
        send(server, &["CONFIG", "SET", "dir", gone.to_str().unwrap()]);
        std::fs::remove_dir(&gone).unwrap();
        save(server, "err");
        Box::new(move |server| {
            send(server, &["CONFIG", "SET", "dir", aside.path().to_str().unwrap()]);
            save(server, "ok");
            // Its folder is about to go.
            send(server, &["CONFIG", "SET", "save", ""]);
        })
    })
    .await;
}

/// Saves, and sees how that went.
fn save(server: &RedisServer, outcome: &str) {
    let _ = try_send(server, &["BGSAVE"]);
    let expected = format!("rdb_last_bgsave_status:{outcome}");
    loop {
        let info: String = redis::cmd("INFO").arg("persistence").query(&mut server.connection()).unwrap();
        if info.contains(&expected) && info.contains("rdb_bgsave_in_progress:0") {
            return;
        }
    }
}

#[tokio::test]
async fn a_server_that_is_busy_with_a_script_is_waited_for() {
    let server = RedisServer::start();
    send(&server, &["CONFIG", "SET", "busy-reply-threshold", "10"]);
    get_through("busy", "BUSY", server, |server| {
        let mut endless = server.connection();
        let script = std::thread::spawn(move || redis::cmd("EVAL").arg("while true do end").arg(0).exec(&mut endless));
        while try_send(server, &["PING"]).is_ok() {}
        Box::new(move |server| {
            send(server, &["SCRIPT", "KILL"]);
            script.join().unwrap().unwrap_err();
        })
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_still_loading_is_waited_for() {
    let server = RedisServer::start();
    let mut redis = server.connection();
    let mut fill = redis::pipe();
    for number in 0..1500 {
        fill.set(format!("filler:{number}"), "x").ignore();
    }
    fill.exec(&mut redis).unwrap();
    // Microseconds for each key, while others are told that it is loading.
    send(&server, &["CONFIG", "SET", "key-load-delay", "1000", "loading-process-events-interval-bytes", "1024"]);
    get_through("loading", "LOADING", server, |server| {
        let mut reload = server.connection();
        let reload = std::thread::spawn(move || redis::cmd("DEBUG").arg("RELOAD").exec(&mut reload));
        while try_send(server, &["GET", "x"]).is_ok() {}
        Box::new(move |_| reload.join().unwrap().unwrap())
    })
    .await;
}

#[tokio::test]
async fn a_right_that_is_taken_away_and_given_back_is_waited_for() {
    let server = RedisServer::start();
    get_through("noperm", "NOPERM", server, |server| {
        send(server, &["ACL", "SETUSER", "default", "-evalsha"]);
        Box::new(|server| send(server, &["ACL", "SETUSER", "default", "+evalsha"]))
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_killed_and_comes_back_is_waited_for() {
    get_through("killed", "no answer", RedisServer::with_aof(), |server| {
        server.kill();
        Box::new(|server| server.restart())
    })
    .await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_waited_for() {
    get_through("stopped", "timed out", RedisServer::start(), |server| {
        signal(server, "-STOP");
        Box::new(|server| signal(server, "-CONT"))
    })
    .await;
}

#[tokio::test]
async fn a_full_server_is_drained_and_waited_for() {
    const JOBS: usize = 200;
    let log = Log::default();
    let _listening = tracing::subscriber::set_default(log.clone());
    let s = Setup::redis();
    let server = s.server.as_ref().unwrap();
    let _receipts = kiq::enqueue_all((0..JOBS).map(|n| Note::new(n.to_string()))).on(&s.client).await.unwrap();
    send(server, &["CONFIG", "SET", "maxmemory", "1"]);

    s.run(s.worker(), async |events| {
        for _ in 0..JOBS {
            events.done("Note").await;
        }
        // Each attempt is three commands.
        until(|| refused(server, "OOM") >= 15).await;
        Note::enqueue("refused").on(&s.client).await.unwrap_err();
        send(server, &["CONFIG", "SET", "maxmemory", "0"]);
        until(|| blocked(server) == 1).await;
        let _ = Note::enqueue("after").on(&s.client).await.unwrap();
        events.done("Note").await;
    })
    .await;

    assert_eq!(s.notes.all().len(), JOBS + 1);
    log.line("the store does not let this process wait");
    assert_eq!((log.count(NO_FETCH), log.count(NO_END)), (0, 0));
}

#[tokio::test]
async fn a_lost_lease_is_renewed_at_once() {
    let s = Setup::redis();
    let server = s.server.as_ref().unwrap();

    // The next heartbeat is not due for months.
    s.run(s.worker(), async |events| {
        let _ = Note::enqueue("before").on(&s.client).await.unwrap();
        events.done("Note").await;
        let leases: Vec<String> = server.connection().keys("kiq:lease:*").unwrap();
        let _: () = server.connection().del(leases).unwrap();
        // More than one, so that some have to be fetched.
        let _receipts = kiq::enqueue_all((0..50).map(|n| Note::new(n.to_string()))).on(&s.client).await.unwrap();
        for _ in 0..50 {
            events.done("Note").await;
        }
    })
    .await;

    assert_eq!(s.inspector().stats().await.unwrap().unsettled(), 0);
}

#[tokio::test]
async fn connections_that_are_cut_all_the_time_cost_no_job_and_repeat_none() {
    const JOBS: usize = 300;
    let s = Setup::redis();
    let server = s.server.as_ref().unwrap();
    let client = redis::Client::open(server.url()).unwrap();

    s.run(s.worker().concurrency(4), async |events| {
        let mut redis = client.get_connection().unwrap();
        for number in 0..JOBS {
            // Not over kiq's own connections, so that each is stored once.
            let job = format!(r#"{{"class":"Note","args":["{number}"],"jid":"{number:024}","queue":"default"}}"#);
            let mut push = redis::pipe();
            push.lpush("queue:default", job).ignore();
            if number % 3 == 0 {
                // In the same write: whoever is handed the job does not hear of it.
                push.cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes").ignore();
            }
            push.exec(&mut redis).unwrap();
            if number % 10 == 0 {
                events.done("Note").await;
            }
        }
        for _ in JOBS.div_ceil(10)..JOBS {
            events.done("Note").await;
        }
    })
    .await;

    let mut seen: Vec<usize> = s.notes.all().iter().map(|note| note.parse().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..JOBS).collect::<Vec<_>>());
    let stats = s.inspector().stats().await.unwrap();
    assert_eq!((stats.processed, stats.failed, stats.unsettled()), (JOBS as u64, 0, 0));
}

#[tokio::test]
async fn a_busy_worker_leaves_jobs_to_an_idle_one() {
    let s = Setup::redis();
    let server = s.server.as_ref().unwrap();
    let (one, two) = (s.worker().concurrency(1).build().unwrap(), s.worker().concurrency(1).build().unwrap());
    let (mut busy, mut idle) = (Events::of(&one), Events::of(&two));
    let idle_controls = two.controls();
    let test = async {
        let _ = Hold::enqueue("busy").on(&s.client).await.unwrap();
        busy.started("Hold").await;
        // Until it has ended its wait, and the other has begun one.
        until(|| blocked(server) == 0).await;
        let other = two.run_until(async {
            until(|| blocked(server) == 1).await;
            for number in 0..5 {
                let _ = Note::enqueue(number.to_string()).on(&s.client).await.unwrap();
                idle.done("Note").await;
                until(|| blocked(server) == 1).await;
            }
        });
        other.await.unwrap();
        gate("busy").add_permits(1);
        busy.done("Hold").await;
    };
    one.run_until(test).await.unwrap();
    drop(idle_controls);

    assert_eq!(s.notes.all(), ["0", "1", "2", "3", "4", "busy"]);
    assert!(!busy.seen().iter().any(|event| matches!(event, Event::GivenBack { .. })));
}

#[tokio::test]
async fn where_waits_cannot_be_ended_a_busy_worker_gives_back_what_comes() {
    let s = Setup::redis();
    let server = s.server.as_ref().unwrap();
    send(server, &["ACL", "SETUSER", "default", "-client|unblock"]);

    s.run(s.worker().queues(["default", "high"]).concurrency(1), async |events| {
        until(|| blocked(server) == 2).await;
        let _ = Hold::enqueue("full").on(&s.client).await.unwrap();
        events.started("Hold").await;
        let _ = crate::jobs::NoteHigh::enqueue("comes back").on(&s.client).await.unwrap();
        events.until(|event| matches!(event, Event::GivenBack { jobs: 1 })).await;
        // A worker that believes its jobs to be quick may take it once more.
        while s.inspector().queue("high", 0, 5).await.unwrap().len() != 1 {}
        gate("full").add_permits(1);
        events.done("NoteHigh").await;
    })
    .await;

    assert_eq!(s.notes.all(), ["full", "comes back"]);
}

#[tokio::test]
async fn a_quiet_worker_waits_for_no_job() {
    let s = Setup::redis();
    let server = s.server.as_ref().unwrap();
    let worker = s.worker().build().unwrap();
    let (mut events, controls) = (Events::of(&worker), worker.controls());

    worker
        .run_until(async {
            until(|| blocked(server) == 1).await;
            controls.quiet();
            events.until(|event| matches!(event, Event::Quiet)).await;
            assert_eq!(blocked(server), 0);
            let _ = Note::enqueue("stays").on(&s.client).await.unwrap();
            assert_eq!(s.inspector().queue("default", 0, 5).await.unwrap().len(), 1);
        })
        .await
        .unwrap();

    let left: Vec<String> = server.connection().keys("kiq:*").unwrap();
    // But for the list of the jobs that programs know, which outlives them.
    let left: Vec<&String> = left.iter().filter(|key| *key != "kiq:known").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn what_comes_to_a_quiet_worker_whose_waits_cannot_be_ended_comes_back() {
    let s = Setup::redis();
    let server = s.server.as_ref().unwrap();
    send(server, &["ACL", "SETUSER", "default", "-client|unblock"]);
    let worker = s.worker().build().unwrap();
    let (mut events, controls) = (Events::of(&worker), worker.controls());

    worker
        .run_until(async {
            until(|| blocked(server) == 1).await;
            controls.quiet();
            // Nobody tells the server, so the job is handed over; until then it counts as enqueued or in flight.
            let _ = Note::enqueue("comes back").on(&s.client).await.unwrap();
            events.until(|event| matches!(event, Event::Quiet)).await;
            until(|| blocked(server) == 0).await;
            assert_eq!(s.inspector().stats().await.unwrap().unsettled(), 1);
        })
        .await
        .unwrap();

    assert_eq!(s.inspector().queue("default", 0, 5).await.unwrap().len(), 1);
    s.run(s.worker(), async |events| {
        events.done("Note").await;
    })
    .await;
    assert_eq!(s.notes.all(), ["comes back"]);
}

#[tokio::test]
async fn where_waits_cannot_be_ended_a_job_of_a_paused_queue_goes_back() {
    let s = Setup::redis();
    let server = s.server.as_ref().unwrap();
    send(server, &["ACL", "SETUSER", "default", "-client|unblock"]);
    let inspector = s.inspector();

    // The lease is short here: pauses are heard of with a heartbeat.
    let worker = s.worker().queues(["default", "high"]).lease(Duration::from_secs(4));
    s.run(worker, async |events| {
        until(|| blocked(server) == 2).await;
        inspector.pause("high").await.unwrap();
        events.until(|event| matches!(event, Event::Paused { .. })).await;

        let _ = crate::jobs::NoteHigh::enqueue("paused").on(&s.client).await.unwrap();
        events.until(|event| matches!(event, Event::GivenBack { jobs: 1 })).await;
        let _ = Note::enqueue("open").on(&s.client).await.unwrap();
        events.done("Note").await;
        assert_eq!(inspector.queue("high", 0, 5).await.unwrap().len(), 1);

        inspector.resume("high").await.unwrap();
        events.done("NoteHigh").await;
    })
    .await;

    assert_eq!(s.notes.all(), ["open", "paused"]);
}

/// F36: at the start it was `noeviction`.
#[tokio::test]
async fn a_store_that_begins_to_throw_jobs_away_is_told_of_once_and_again_when_it_is_put_right() {
    let s = Setup::redis();
    let server = s.server.as_ref().unwrap();
    let set = |policy: &str| send(server, &["CONFIG", "SET", "maxmemory-policy", policy]);
    // How often the worker has looked. This asks, too.
    let own = std::cell::Cell::new(0);
    let looks = || {
        let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut server.connection()).unwrap();
        let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_info:calls="));
        let all: u64 = line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap());
        let looks = all - own.get();
        own.set(own.get() + 1);
        looks
    };

    // It looks every four leases.
    s.run(s.worker().lease(Duration::from_millis(60)), async |events| {
        // The first look is of the store as it was at the start.
        until(|| looks() >= 2).await;
        for (policy, words) in [
            ("allkeys-lru", Some("its maxmemory-policy is allkeys-lru, so it throws jobs away when it is full; set it to noeviction")),
            ("volatile-ttl", Some("its maxmemory-policy is volatile-ttl, so it drops leases when it is full, and jobs run twice; set it to noeviction")),
            ("noeviction", None),
        ] {
            set(policy);
            let Event::Fitness { unfit } = events.until(|event| matches!(event, Event::Fitness { .. })).await else {
                unreachable!()
            };
            assert_eq!(unfit.as_deref(), words);
            // It looks again, and says no more.
            let before = looks();
            until(|| looks() > before + 1).await;
        }
        let told = events.seen().iter().filter(|event| matches!(event, Event::Fitness { .. })).count();
        assert_eq!(told, 3);
    })
    .await;
}
