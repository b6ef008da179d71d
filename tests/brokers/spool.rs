//! Jobs on the local disk while Redis is away: kept over a crash, sent in order and once, refused when there is no room.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use kiq::{BrokerError, Client, EnqueueError, Payload, Replicas, Spool, Stored};
use kiq_testing::RedisServer;
use redis::Commands as _;

use crate::setup::Note;

const MINUTE: Duration = Duration::from_secs(60);

fn open(url: &str, spool: Spool) -> Client {
    Client::connect(url).unwrap().with_spool(spool).unwrap()
}

async fn spool_notes(client: &Client, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let receipt = Note::enqueue(number.to_string()).on(client).await.unwrap();
        assert_eq!(receipt.stored, Stored::Spooled, "{number}");
    }
}

/// The arguments of what waits, the next to run first.
fn stored(server: &RedisServer) -> Vec<String> {
    let jobs: Vec<Vec<u8>> = server.connection().lrange("queue:q", 0, -1).unwrap();
    let args = |bytes: &Vec<u8>| Payload::parse(bytes).unwrap().args().get().trim_matches(['[', ']', '"']).to_owned();
    jobs.iter().rev().map(args).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn files(folder: &Path, word: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().contains(word));
    files.sort();
    files
}

/// Returns when the keeper of a client that is gone has let go of its file.
fn released(folder: &Path) {
    while files(folder, ".spool").iter().any(|path| {
        let file = std::fs::OpenOptions::new().read(true).write(true).open(path);
        file.is_ok_and(|file| fs4::FileExt::try_lock(&file).is_err())
    }) {
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn jobs_of_an_outage_wait_on_disk_and_are_sent_in_order() {
    let mut server = RedisServer::start();
    let folder = tempfile::tempdir().unwrap();
    let client = open(&server.url(), Spool::in_folder(folder.path().join("new")));
    assert_eq!(Note::enqueue("first").on(&client).await.unwrap().stored, Stored::New);
    let mut spool = client.spool().unwrap();
    assert_eq!(spool.status().jobs, 0);
    server.kill();
    // Time for the runtime to look at its sockets: an enqueue on a connection that is gone does not know what became of it.
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }

    spool_notes(&client, 0..20).await;
    let bulk = kiq::enqueue_all((20..2000).map(|n| Note::new(n.to_string()))).on(&client).await.unwrap();
    assert!(bulk.iter().all(|receipt| receipt.stored == Stored::Spooled));
    let later = Note::enqueue("later").delay(MINUTE).on(&client).await.unwrap();
    assert_eq!((later.stored, later.at.is_some()), (Stored::Spooled, true));
    assert_eq!(spool.status().jobs, 2001);
    server.restart();
    spool.drained().await;

    assert_eq!(stored(&server), numbers(0..2000));
    let scheduled: usize = server.connection().zcard("schedule").unwrap();
    assert_eq!(scheduled, 1);
    // And the file is empty again, and enqueues go to Redis.
    let [file] = &files(&folder.path().join("new"), ".spool")[..] else { panic!("one file") };
    assert!(std::fs::metadata(file).unwrap().len() < 20);
    assert_eq!(Note::enqueue("2000").on(&client).await.unwrap().stored, Stored::New);
    drop(client);
    while file.exists() {
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_lost_answer_goes_to_the_spool_only_if_it_can_be_repeated() {
    let mut server = RedisServer::start();
    let folder = tempfile::tempdir().unwrap();
    let client = open(&server.url(), Spool::in_folder(folder.path()));
    Note::enqueue("warm").on(&client).await.unwrap();
    server.stop();

    let lost = Note::enqueue("once").on(&client).await.unwrap_err();
    assert!(lost.is_unknown(), "{lost:?}");
    server.resume();
    while client.broker().check().await.is_err() {}
    server.stop();
    let kept = Note::enqueue("kept").idempotent(MINUTE).on(&client).await.unwrap();
    assert_eq!(kept.stored, Stored::Spooled);
    let durable = Note::enqueue("durable").durable(Replicas::new(1)).on(&client).await.unwrap_err();
    assert!(matches!(durable, EnqueueError::Rejected { .. } | EnqueueError::Unknown { .. }), "{durable:?}");
    server.resume();
    client.spool().unwrap().drained().await;

    let stored = stored(&server);
    assert_eq!(stored.iter().filter(|text| *text == "kept").count(), 1, "{stored:?}");
    assert!(stored.iter().filter(|text| *text == "once").count() <= 1, "{stored:?}");
    let _: () = server.connection().del("queue:q").unwrap();
    server.kill();
}

#[tokio::test]
async fn a_server_that_answers_no_is_not_spooled() {
    let server = RedisServer::start();
    let folder = tempfile::tempdir().unwrap();
    let client = open(&server.url(), Spool::in_folder(folder.path()));
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(1).exec(&mut server.connection()).unwrap();

    let error = Note::enqueue("x").on(&client).await.unwrap_err();

    assert!(matches!(error, EnqueueError::Rejected { source: BrokerError::Refused { .. }, .. }), "{error:?}");
    assert_eq!(client.spool().unwrap().status().jobs, 0);
}

#[tokio::test]
async fn a_full_spool_rejects_with_the_reason() {
    let mut server = RedisServer::start();
    let folder = tempfile::tempdir().unwrap();
    let client = open(&server.url(), Spool::in_folder(folder.path()).max_jobs(5));
    server.kill();

    spool_notes(&client, 0..3).await;
    let bulk = kiq::enqueue_all((3..8).map(|n| Note::new(n.to_string()))).on(&client).await.unwrap_err();
    assert_eq!((bulk.stored.len(), bulk.unknown.len(), bulk.rejected.len()), (2, 0, 3));
    let error = Note::enqueue("x").on(&client).await.unwrap_err();
    assert!(matches!(error, EnqueueError::Rejected { .. }), "{error:?}");
    assert!(error.to_string().contains("it is full, with 5 jobs"), "{error}");

    let small = open(&server.url(), Spool::in_folder(folder.path().join("small")).max_bytes(2000));
    Note::enqueue("x").on(&small).await.unwrap();
    let error = Note::enqueue("x".repeat(2000)).on(&small).await.unwrap_err();
    assert!(error.to_string().contains("it is full"), "{error}");

    server.restart();
    client.spool().unwrap().drained().await;
    assert_eq!(stored(&server).iter().filter(|text| *text != "x").cloned().collect::<Vec<_>>(), numbers(0..5));
}

/// Holds the address of the Redis and the folder, in a process that fills a spool and never ends.
const FILL: &str = "KIQ_TEST_FILL_SPOOL";

/// A process that spools when this program is told to be one, and nothing otherwise.
#[tokio::test]
async fn filling_process() {
    let Ok(place) = std::env::var(FILL) else { return };
    let (url, folder) = place.split_once(' ').unwrap();
    let client = open(url, Spool::in_folder(folder));
    for number in 0.. {
        Note::enqueue(number.to_string()).on(&client).await.unwrap();
        let mut out = std::io::stdout().lock();
        out.write_all(format!("OK {number}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn what_a_killed_process_was_told_is_stored_is_sent_by_the_next() {
    use std::io::BufRead as _;

    let mut server = RedisServer::start();
    server.kill();
    let folder = tempfile::tempdir().unwrap();
    let mut filler = Command::new(std::env::current_exe().unwrap())
        .args(["spool::filling_process", "--exact", "--nocapture"])
        .env(FILL, format!("{} {}", server.url(), folder.path().display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = 0;
    for line in std::io::BufReader::new(filler.stdout.take().unwrap()).lines() {
        if line.unwrap().ends_with(&format!("OK {told}")) {
            told += 1;
        }
        if told == 50 {
            break;
        }
    }
    filler.kill().unwrap();
    filler.wait().unwrap();

    // The file is there; the next process takes it over while Redis is still away, and dies in its turn.
    let second = open(&server.url(), Spool::in_folder(folder.path()));
    assert!(second.spool().unwrap().status().jobs >= 50);
    assert_eq!(Note::enqueue("later").on(&second).await.unwrap().stored, Stored::Spooled);
    drop(second);
    released(folder.path());
    server.restart();
    let third = open(&server.url(), Spool::in_folder(folder.path()));
    third.spool().unwrap().drained().await;

    let stored = stored(&server);
    assert_eq!(stored.last().map(String::as_str), Some("later"));
    assert!(stored.len() > 50 && stored[..stored.len() - 1] == numbers(0..stored.len() - 1), "{stored:?}");
    assert_eq!(files(folder.path(), "").len(), 1, "only the third's own file is left");
}

#[tokio::test]
async fn a_torn_record_is_cut_and_a_broken_one_set_aside_and_all_others_sent() {
    let mut server = RedisServer::start();
    server.kill();
    let folder = tempfile::tempdir().unwrap();
    let client = open(&server.url(), Spool::in_folder(folder.path()));
    spool_notes(&client, 0..6).await;
    drop(client);
    released(folder.path());
    let [file] = &files(folder.path(), ".spool")[..] else { panic!("one file") };
    let mut bytes = std::fs::read(file).unwrap();
    let begins: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"\xF5kiq")).collect();
    assert_eq!(begins.len(), 6);
    bytes[begins[2] + 30] ^= 1;
    bytes.truncate(begins[5] + 40);
    std::fs::write(file, &bytes).unwrap();
    std::fs::write(folder.path().join("0-garbage.spool"), b"no spool at all").unwrap();

    server.restart();
    let client = open(&server.url(), Spool::in_folder(folder.path()));
    client.spool().unwrap().drained().await;

    assert_eq!(stored(&server), ["0", "1", "3", "4"]);
    let kept: BTreeSet<Vec<u8>> =
        files(folder.path(), ".aside").iter().map(|path| std::fs::read(path).unwrap()).collect();
    let broken = [&bytes[begins[2]..begins[3]], &bytes[begins[5]..]].concat();
    assert_eq!(kept, BTreeSet::from([b"no spool at all".to_vec(), broken]));
}

#[tokio::test]
async fn a_job_that_can_never_be_stored_is_set_aside_and_does_not_stop_the_others() {
    let mut server = RedisServer::with_aof();
    let _: () = server.connection().set("queue:odd", "text").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let client = open(&server.url(), Spool::in_folder(folder.path()));
    server.kill();

    Note::enqueue("a").on(&client).await.unwrap();
    Note::enqueue("b").queue("odd").on(&client).await.unwrap();
    Note::enqueue("c").on(&client).await.unwrap();
    server.restart();
    client.spool().unwrap().drained().await;

    assert_eq!(stored(&server), ["a", "c"]);
    let [aside] = &files(folder.path(), ".aside")[..] else { panic!("one file") };
    // Repaired: under another name it is a spool again.
    let _: () = server.connection().del("queue:odd").unwrap();
    std::fs::rename(aside, folder.path().join("0-again.spool")).unwrap();
    let again = open(&server.url(), Spool::in_folder(folder.path()));
    again.spool().unwrap().drained().await;
    let odd: usize = server.connection().llen("queue:odd").unwrap();
    assert_eq!(odd, 1);
}

#[tokio::test]
async fn what_was_sent_and_not_noted_is_not_stored_twice() {
    let mut server = RedisServer::with_aof();
    server.kill();
    let folder = tempfile::tempdir().unwrap();
    let client = open(&server.url(), Spool::in_folder(folder.path()));
    spool_notes(&client, 0..10).await;
    // As it was before anything was sent: the process died before it could note that it was.
    let [file] = &files(folder.path(), ".spool")[..] else { panic!("one file") };
    let before = std::fs::read(file).unwrap();
    server.restart();
    client.spool().unwrap().drained().await;
    std::fs::write(folder.path().join("0-left.spool"), before).unwrap();

    let next = open(&server.url(), Spool::in_folder(folder.path()));
    next.spool().unwrap().drained().await;

    assert_eq!(stored(&server), numbers(0..10));
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();

    let error = Client::in_memory().with_spool(Spool::in_folder(&file)).unwrap_err();

    assert!(error.to_string().starts_with(&format!("{} cannot hold a spool: ", file.display())), "{error}");
}

#[tokio::test]
async fn ten_thousand_at_once_are_synced_in_groups() {
    let mut server = RedisServer::start();
    server.kill();
    let folder = tempfile::tempdir().unwrap();
    let client = open(&server.url(), Spool::in_folder(folder.path()).max_jobs(20_000));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..10_000 {
        let client = client.clone();
        tasks.spawn(async move { Note::enqueue(number.to_string()).on(&client).await.unwrap().stored });
    }

    assert!(tasks.join_all().await.iter().all(|stored| *stored == Stored::Spooled));

    server.restart();
    client.spool().unwrap().drained().await;
    let sent: BTreeSet<String> = stored(&server).into_iter().collect();
    assert_eq!(sent.len(), 10_000);
}
