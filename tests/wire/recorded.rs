//! Payloads of Sidekiq 6.4, 7.3 and 8.1, and of rusty-sidekiq, without any of them: each runs here with its arguments, and fails here without losing a byte.

use kiq::{JobContext, Payload};
use redis::Commands as _;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::jobs::{Setup, now};

#[derive(Deserialize)]
struct Recorded {
    version: String,
    r#in: String,
    text: String,
}

fn recorded() -> Vec<Recorded> {
    let lines = include_str!("payloads/recorded.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Fails with whatever arguments, as any job.
#[kiq::job(queue = "fails")]
async fn fails_always(a: u64, b: String, c: Value, cx: &JobContext) -> anyhow::Result<()> {
    anyhow::bail!("attempt {} with {a} {b} {c}", cx.attempt())
}

#[test]
fn their_times_are_read_as_what_they_are() {
    for Recorded { version, text, .. } in recorded() {
        let job = Payload::parse(text.as_bytes()).unwrap();
        for field in ["created_at", "enqueued_at", "failed_at", "retried_at"] {
            if job.raw(field).is_some_and(|raw| raw.get() != "null") {
                let millis = if version.starts_with("rusty") { 0 } else { 373 };
                assert_eq!(
                    job.time(field).unwrap().as_micros() / 1000,
                    1_795_452_509_000 + millis,
                    "{version} {field}"
                );
            }
        }
        assert_eq!(job.to_string(), text);
    }
}

/// From wherever it stands, at once.
#[tokio::test]
async fn each_runs_here() {
    let setup = Setup::new();
    let all = recorded();
    for Recorded { r#in, text, .. } in &all {
        let mut redis = setup.server.connection();
        // The dead are brought back by hand only, so they come by the queue.
        let _: () = match r#in.as_str() {
            "queue" | "dead" => redis.lpush("queue:rust", text).unwrap(),
            set => redis.zadd(set, text, now() - 1.0).unwrap(),
        };
    }
    setup
        .run(setup.worker(&["rust"]), async |events| {
            for _ in &all {
                events.until(|event| matches!(event, kiq::Event::Done { .. })).await;
            }
        })
        .await;
    assert_eq!(setup.runs.all().len(), all.len());
}

/// What fails keeps every field, and times in the form the record came with.
#[tokio::test]
async fn each_fails_here_and_keeps_its_bytes() {
    let setup = Setup::new();
    let all: Vec<Recorded> =
        recorded().into_iter().filter(|job| job.r#in == "queue" && !job.text.contains("wrapped")).collect();
    for job in &all {
        let text = job.text.replace("\"Shared\"", "\"FailsAlways\"");
        let _: () = setup.server.connection().lpush("queue:fails", text).unwrap();
    }
    setup
        .run(setup.worker(&["fails"]), async |events| {
            for _ in &all {
                events.failed("FailsAlways").await;
            }
        })
        .await;
    let kept: Vec<String> = setup.server.connection().zrange("retry", 0, -1).unwrap();
    assert_eq!(kept.len(), all.len());
    for job in &all {
        let text = job.text.replace("\"Shared\"", "\"FailsAlways\"");
        // A field that says "nothing yet" is set where it stands.
        let start = text
            .split(",\"failed_at\":null")
            .next()
            .unwrap()
            .trim_end_matches('}')
            .replace("\"queue\":\"rust\"", "\"queue\":\"fails\"");
        let after =
            kept.iter().find(|after| after.starts_with(&start)).unwrap_or_else(|| panic!("{start} not in {kept:?}"));
        let after: Value = serde_json::from_str(after).unwrap();
        // 8 writes whole milliseconds, 6 and 7 seconds with a fraction.
        assert_eq!(after["failed_at"].is_u64(), job.version.starts_with('8'), "{after}");
        assert_eq!(after["retry_count"], json!(0));
    }
}
