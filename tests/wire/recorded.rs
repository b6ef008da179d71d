//! Payloads recorded from Sidekiq 6.4, 7.3 and 8.1, and from rusty-sidekiq, without any of them: each runs here with its
//! arguments, and fails here without losing a byte. And where Sidekiq is at hand, it still writes what was recorded.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use kiq::{Event, JobContext, JobSet, Payload};
use kiq_testing::RedisServer;
use redis::Commands as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::jobs::{Setup, now};
use crate::ruby::{Sidekiq, act, enqueue, run};

/// What one program wrote.
#[derive(Debug)]
struct Recording {
    head: Head,
    rows: Vec<Row>,
}

/// The first line of a file.
#[derive(Debug, Deserialize, Serialize)]
struct Head {
    /// What was recorded.
    of: String,
    /// When, in seconds since 1970: no time in the payloads is before or after.
    from: f64,
    to: f64,
}

/// The other lines.
#[derive(Debug, Deserialize, Serialize)]
struct Row {
    what: String,
    /// A queue, `schedule`, `retry` or `dead`.
    r#in: String,
    text: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/payloads")
}

impl Recording {
    fn read(file: &Path) -> Option<Recording> {
        let text = fs::read_to_string(file).ok()?;
        let (head, rows) = text.split_once('\n').unwrap();
        let rows = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Some(Recording { head: serde_json::from_str(head).unwrap(), rows })
    }

    fn all() -> Vec<Recording> {
        let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
        let recordings: Vec<_> = files
            .filter(|file| file.extension().is_some_and(|extension| extension == "jsonl"))
            .map(|file| Recording::read(&file).unwrap())
            .collect();
        assert!(recordings.len() >= 4, "{recordings:?}");
        recordings
    }

    fn write(&self, file: &Path) {
        let mut text = serde_json::to_string(&self.head).unwrap();
        for row in &self.rows {
            write!(text, "\n{}", serde_json::to_string(row).unwrap()).unwrap();
        }
        fs::write(file, text + "\n").unwrap();
    }

    /// Has the Sidekiq that is here write one payload of each shape.
    fn of_sidekiq(server: &RedisServer) -> Recording {
        let from = now().floor();
        let mut shapes: Vec<(String, String)> = Vec::new();

        let failing = |retry: Value| json!({"class": "Shared", "queue": "rust", "args": [1, "a", null], "retry": retry, "backtrace": 1});
        let mut ruby = Sidekiq::with(server, "record_failing.rb", &["rust"]);
        let jids =
            enqueue(server, &json!([failing(json!(true)), failing(json!(5)), failing(json!(0)), failing(json!(1))]));
        shapes.extend(
            ["failed", "failed twice", "dead at once", "dead after a retry"]
                .map(str::to_owned)
                .into_iter()
                .zip(jids.iter().cloned()),
        );
        let mut redis = server.connection();
        let mut wait_for = |retries: usize, dead: usize, retried: usize| loop {
            let [failed, died]: [Vec<String>; 2] = ["retry", "dead"].map(|set| redis.zrange(set, 0, -1).unwrap());
            let again = failed.iter().filter(|text| text.contains("retried_at")).count();
            if (failed.len(), died.len(), again) == (retries, dead, retried) {
                break;
            }
        };
        wait_for(3, 1, 0);
        act(server, &["retry", "add_to_queue", &jids[1]]);
        act(server, &["retry", "add_to_queue", &jids[3]]);
        wait_for(2, 2, 1);
        ruby.stop();

        let client = run(server, "record_client.rb", &[], &Value::Null);
        let active_job = run(server, "record_active_job.rb", &[], &Value::Null);
        for (what, jid) in client["shapes"].as_object().unwrap().iter().chain(active_job.as_object().unwrap()) {
            shapes.push((what.clone(), jid.as_str().unwrap().to_owned()));
        }

        let queued: Vec<String> = redis.lrange("queue:rust", 0, -1).unwrap();
        let sets = ["schedule", "retry", "dead"].map(|set| (set, redis.zrange::<_, Vec<String>>(set, 0, -1).unwrap()));
        let places = [("queue", queued)].into_iter().chain(sets);
        let stored: Vec<(&str, String)> =
            places.flat_map(|(place, texts)| texts.into_iter().map(move |text| (place, text))).collect();
        let rows = shapes.into_iter().map(|(what, jid)| {
            let (place, text) =
                stored.iter().find(|(_, text)| text.contains(&jid)).unwrap_or_else(|| panic!("{what} is not stored"));
            Row { what, r#in: (*place).to_owned(), text: text.clone() }
        });
        let rows = rows.collect();
        let of = format!("sidekiq-{}", client["version"].as_str().unwrap());
        Recording { head: Head { of, from, to: now().ceil() }, rows }
    }
}

impl Row {
    /// With what differs from run to run replaced by its kind.
    fn shape(&self) -> String {
        let mut shape = format!("{} in {}: ", self.what, self.r#in);
        let mut rest = self.text.as_str();
        while !rest.is_empty() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-');
            // A colon stands in times, and begins none.
            let end = if rest.starts_with(':') { 1 } else { rest.find(|c| !is_word(c)).unwrap_or(rest.len()) };
            let (word, after) = rest.split_at(end.max(1));
            let has_only = |more: &str| word.chars().all(|c| c.is_ascii_digit() || more.contains(c));
            shape.push_str(match word.len() {
                24 if has_only("abcdef") => "<jid>",
                36 if has_only("abcdef-") => "<uuid>",
                12.. if has_only("") => "<milliseconds>",
                12.. if has_only(".") => "<seconds>",
                20.. if has_only("-T:.Z") => "<time>",
                _ => word,
            });
            rest = after;
        }
        shape
    }
}

/// The recordings are true. `KIQ_OVERWRITE=1` makes the one of the version that is here.
#[test]
fn sidekiq_still_writes_what_was_recorded() {
    let server = RedisServer::start();
    let now = Recording::of_sidekiq(&server);
    let file = folder().join(&now.head.of).with_extension("jsonl");
    if std::env::var_os("KIQ_OVERWRITE").is_some() {
        now.write(&file);
    }
    let Some(then) = Recording::read(&file) else {
        panic!("there is no recording of {}; make one: run this test with KIQ_OVERWRITE=1", now.head.of)
    };

    for (now, then) in now.rows.iter().zip(&then.rows) {
        assert_eq!(now.shape(), then.shape());
    }
    assert_eq!(now.rows.len(), then.rows.len());
}

/// Fails with whatever arguments, as any job.
#[kiq::job(queue = "rust")]
async fn fails_always(a: u64, b: String, c: Value, cx: &JobContext) -> anyhow::Result<()> {
    anyhow::bail!("attempt {} with {a} {b} {c}", cx.attempt())
}

#[test]
fn their_times_are_read_as_what_they_are() {
    for Recording { head, rows } in Recording::all() {
        for Row { what, text, .. } in rows {
            let job = Payload::parse(text.as_bytes()).unwrap();
            for field in ["created_at", "enqueued_at", "failed_at", "retried_at"] {
                if job.raw(field).is_some_and(|raw| raw.get() != "null") {
                    let at = job.time(field).unwrap().as_micros() as f64 / 1e6;
                    assert!((head.from..=head.to).contains(&at), "{} {what}: {field} is {at}", head.of);
                }
            }
            assert_eq!(job.to_string(), text);
        }
    }
}

/// Puts it where it was found, and its time has come. The dead are brought back by hand only, so they come by the queue.
fn put(server: &RedisServer, place: &str, text: &str) {
    let mut redis = server.connection();
    let _: () = match place {
        "queue" | "dead" => redis.lpush("queue:rust", text).unwrap(),
        set => redis.zadd(set, text, now() - 1.0).unwrap(),
    };
}

#[tokio::test]
async fn each_runs_here() {
    let setup = Setup::new();
    let all: Vec<Row> = Recording::all().into_iter().flat_map(|recording| recording.rows).collect();
    all.iter().for_each(|row| put(&setup.server, &row.r#in, &row.text));

    setup
        .run(setup.worker(&["rust"]), async |events| {
            for _ in &all {
                events.until(|event| matches!(event, Event::Done { .. })).await;
            }
        })
        .await;

    assert_eq!(setup.runs.all().len(), all.len());
}

/// What a failure changes in a payload, or a way into a queue.
const CHANGING: [&str; 8] = [
    "queue",
    "enqueued_at",
    "retry_count",
    "failed_at",
    "retried_at",
    "error_class",
    "error_message",
    "error_backtrace",
];

/// What fails, from wherever it stood, keeps every other field as it was, and gets times in the form that its record came with.
#[tokio::test]
async fn each_fails_here_and_keeps_its_bytes() {
    let setup = Setup::new();
    let rows = Recording::all()
        .into_iter()
        .flat_map(|Recording { head, rows }| rows.into_iter().map(move |row| (head.of.clone(), row)));
    let all: Vec<(String, Row)> =
        rows.map(|(of, row)| (of, Row { text: row.text.replace("\"Shared\"", "\"FailsAlways\""), ..row })).collect();
    all.iter().for_each(|(_, row)| put(&setup.server, &row.r#in, &row.text));

    setup
        .run(setup.worker(&["rust"]), async |events| {
            for _ in &all {
                events.until(|event| matches!(event, Event::Failed { .. })).await;
            }
        })
        .await;

    for (of, Row { what, text, .. }) in &all {
        let place = format!("{of}, {what}");
        let before = Payload::parse(text.as_bytes()).unwrap();
        let mut found = None;
        for set in [JobSet::Retry, JobSet::Dead] {
            let entries = kiq::Inspector::new(&setup.client).set(set, 0, 999).await.unwrap();
            found = found
                .or(entries.into_iter().find(|entry| entry.jid() == before.jid().as_str()).map(|entry| (set, entry)));
        }
        let times = before.get::<u32>("retry_count").map_or(0, |times| times + 1);
        let retry: Value = before.get("retry").unwrap();
        let Some((set, after)) = found else {
            assert_eq!(retry, json!(false), "{place} is lost");
            continue;
        };
        let is_last = retry.as_u64().is_some_and(|retries| u64::from(times) >= retries);
        assert_eq!(set, if is_last { JobSet::Dead } else { JobSet::Retry }, "{place}");
        let after = after.payload.unwrap();
        let fields: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap();
        for field in fields.keys().filter(|field| !CHANGING.contains(&field.as_str())) {
            assert_eq!(
                after.raw(field).map(|raw| raw.get()),
                before.raw(field).map(|raw| raw.get()),
                "{place}: {field}"
            );
        }
        // The bytes of its head, up to the first field that changes.
        let head = CHANGING.iter().filter_map(|field| text.find(&format!("\"{field}\":"))).min().unwrap();
        assert!(after.to_string().starts_with(&text[..head]), "{place}: {after}");
        assert_eq!(after.get::<u32>("retry_count"), Some(times), "{place}");
        if before.raw("failed_at").is_some_and(|raw| raw.get() != "null") {
            assert_eq!(
                after.raw("failed_at").map(|raw| raw.get()),
                before.raw("failed_at").map(|raw| raw.get()),
                "{place}"
            );
        }
        // 8 writes whole milliseconds, 6 and 7 seconds with a fraction.
        let last = if times == 0 { "failed_at" } else { "retried_at" };
        assert_eq!(after.raw(last).unwrap().get().contains('.'), !of.starts_with("sidekiq-8"), "{place}: {after}");
    }
}
