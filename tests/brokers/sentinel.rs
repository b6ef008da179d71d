//! A primary that Sentinels name: found, lost, found again.

use std::time::{Duration, Instant};

use kiq::{Client, Event, Stored, Worker};
use kiq_testing::RedisServer;

use crate::durable::copies_all;
use crate::setup::Note;

const MINUTE: Duration = Duration::from_secs(60);

fn url(sentinels: &str) -> String {
    format!("redis+sentinel://:secret@{sentinels}/main/0?sentinel_password=watcher")
}

fn ask(sentinel: &RedisServer, command: &[&str]) -> redis::Value {
    let url = sentinel.url().replace("redis://", "redis://:watcher@").replace("/0", "");
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    redis::cmd("SENTINEL").arg(command).query(&mut connection).unwrap()
}

/// The port at which a Sentinel says the primary is.
fn primary_port(sentinel: &RedisServer) -> u16 {
    let (_, port): (String, u16) =
        redis::from_redis_value(ask(sentinel, &["GET-MASTER-ADDR-BY-NAME", "main"])).unwrap();
    port
}

#[tokio::test]
async fn jobs_go_on_at_the_new_primary_when_the_old_one_is_killed() {
    fail_over(|first| first.kill(), |first| first.restart()).await;
}

/// No connection breaks: each must give up waiting by itself.
#[tokio::test]
async fn jobs_go_on_at_the_new_primary_when_the_old_one_hangs() {
    fail_over(|first| first.stop(), |first| first.resume()).await;
}

/// The primary is lost; all connections of client and worker go to the one that takes its place, within ten seconds.
async fn fail_over(lose: impl Fn(&mut RedisServer), bring_back: impl Fn(&mut RedisServer)) {
    let mut first = RedisServer::with_arguments(&[
        "--requirepass",
        "secret",
        "--masterauth",
        "secret",
        "--repl-diskless-sync-delay",
        "0",
    ]);
    let port = first.port().to_string();
    let second = RedisServer::with_arguments(&[
        "--requirepass",
        "secret",
        "--masterauth",
        "secret",
        "--replicaof",
        "127.0.0.1",
        &port,
    ]);
    let with_password = |server: &RedisServer| {
        let url = server.url().replace("redis://", "redis://:secret@");
        redis::Client::open(url).unwrap().get_connection().unwrap()
    };
    copies_all(&mut with_password(&first), &mut with_password(&second));
    let settings = ["sentinel auth-pass main secret", "requirepass watcher"];
    let sentinel = RedisServer::sentinel("main", first.port(), &settings);
    // It learns of the replica from the primary, which it asks every ten seconds.
    let started = Instant::now();
    loop {
        let replicas = format!("{:?}", ask(&sentinel, &["REPLICAS", "main"]));
        if replicas.contains(&second.port().to_string()) && !replicas.contains("disconnected") {
            break;
        }
        assert!(started.elapsed() < MINUTE, "{replicas}");
        std::thread::yield_now();
    }
    // The first of the two that are named is not there.
    let client = Client::connect(&url(&format!("127.0.0.1:1,127.0.0.1:{}", sentinel.port()))).unwrap();
    let worker = Worker::builder().client(client.clone()).queues(["q"]).build().unwrap();
    let mut events = worker.events();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(worker.run_until(async move { drop(stopped.await) }));
    let enqueue = async |text: &str| {
        let jid = kiq::Jid::random();
        loop {
            let enqueue = Note::enqueue(text).jid(jid.clone()).idempotent(MINUTE).on(&client);
            if let Ok(receipt) = enqueue.await {
                return receipt;
            }
        }
    };
    let mut done = async |jid: &kiq::Jid| {
        while !matches!(events.next().await, Some(Event::Done { job, .. }) if job.jid() == jid) {}
    };
    let receipt = enqueue("before").await;
    done(&receipt.jid).await;

    lose(&mut first);
    while primary_port(&sentinel) != second.port() {
        tokio::task::yield_now().await;
    }
    let switched = Instant::now();
    let receipt = enqueue("after").await;
    done(&receipt.jid).await;
    let healed = switched.elapsed();

    assert_eq!(receipt.stored, Stored::New);
    assert!(healed < Duration::from_secs(10), "{healed:?}");
    println!("healed {healed:?} after the Sentinel's word");
    // The old one comes back as a replica, and nobody minds.
    bring_back(&mut first);
    let receipt = enqueue("later").await;
    done(&receipt.jid).await;
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_sentinels_do_not_know_is_said() {
    let server = RedisServer::start();
    let sentinel = RedisServer::sentinel("main", server.port(), &["requirepass watcher"]);
    let says = async |url: &str| {
        let client = Client::connect(url).unwrap();
        let error = Note::enqueue("x").on(&client).await.unwrap_err();
        assert!(matches!(error, kiq::EnqueueError::Rejected { .. }), "{error:?}");
        error.to_string()
    };
    let place = format!("127.0.0.1:{}", sentinel.port());

    let words = says(&url(&place).replace("/main", "/other").replace(":secret@", "")).await;
    assert!(words.contains("a Sentinel knows no primary of the name \"other\""), "{words}");
    let words = says(&url(&place).replace("watcher", "wrong")).await;
    assert!(words.contains("WRONGPASS") && !words.contains("secret"), "{words}");
    let words = says(&url("127.0.0.1:1")).await;
    assert!(words.contains("no answer from redis+sentinel://127.0.0.1:1/main/0"), "{words}");
    // A Sentinel that names a server which is no primary, as one that missed a failover does.
    let replica = RedisServer::with_arguments(&["--replicaof", "127.0.0.1", &server.port().to_string()]);
    let stale = RedisServer::sentinel("main", replica.port(), &[]);
    let words = says(&format!("redis+sentinel://127.0.0.1:{}/main", stale.port())).await;
    assert!(words.contains("says that it is none") || words.contains("no connection"), "{words}");
}
