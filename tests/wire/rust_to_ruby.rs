//! What Rust enqueued, scheduled, failed or buried runs in Ruby.

use std::time::Duration;

use redis::Commands as _;
use serde_json::{Value, json};

use crate::jobs::{FailsInRust, OnlyRuby, Relay, Setup};
use crate::ruby::{Sidekiq, act, enqueue, look};

/// Single, bulk, scheduled, with options: Ruby runs them with the arguments and options as they were.
#[tokio::test]
async fn what_rust_enqueues_runs_in_ruby() {
    let setup = Setup::new();
    let first = OnlyRuby::enqueue(1, "é \"\\ <b> ✓").on(&setup.client).await.unwrap();
    let bulk = (2..=4).map(|n| OnlyRuby::new(n, "bulk"));
    kiq::enqueue_all(bulk).tags(["bulk"]).on(&setup.client).await.unwrap();
    OnlyRuby::enqueue(5, "later").delay(Duration::from_millis(200)).on(&setup.client).await.unwrap();
    let mut stored: Vec<Value> = Vec::new();
    let texts: Vec<String> = setup.server.connection().lrange("queue:ruby", 0, -1).unwrap();
    stored.extend(texts.iter().rev().map(|text| serde_json::from_str::<Value>(text).unwrap()));

    let mut ruby = Sidekiq::start(&setup.server, &["ruby"]);
    let mut runs: Vec<Value> = (0..5).map(|_| ruby.next_run()).collect();
    runs.sort_by_key(|run| run["item"]["args"][0].as_u64());
    ruby.stop();

    for (run, stored) in runs.iter().zip(&stored) {
        assert_eq!(run["ended"], "ok");
        assert_eq!(&run["item"], stored);
    }
    let item = &runs[0]["item"];
    assert_eq!(item["jid"], first.jid.as_str());
    assert_eq!(item["args"], json!([1, "é \"\\ <b> ✓"]));
    assert_eq!((&item["retry"], &item["tags"]), (&json!(7), &json!(["from rust"])));
    assert_eq!(runs[3]["item"]["tags"], json!(["bulk"]));
    assert_eq!(runs[4]["item"]["args"][1], "later");
    assert_eq!(look(&setup.server)["stats"]["processed"], 5);
}

/// A job of Ruby's that fails here keeps all that Ruby put into it; Ruby reads the failure, and runs it.
#[tokio::test]
async fn a_job_that_failed_here_is_retried_in_ruby() {
    let setup = Setup::new();
    let item = json!({"class": "FailsInRust", "queue": "rust", "args": [7], "retry": 4, "cattr": {"user_id": 5},
        "custom": {"b": [1.0, null], "a": "\u{7}"}, "tags": ["t"]});
    let jid = &enqueue(&setup.server, &json!([item.clone()]))[0];
    let before: Vec<String> = setup.server.connection().lrange("queue:rust", 0, -1).unwrap();
    setup.run(setup.worker(&["rust"]), async |events| drop(events.failed("FailsInRust").await)).await;

    let after: Vec<String> = setup.server.connection().zrange("retry", 0, -1).unwrap();
    let kept = before[0].strip_suffix('}').unwrap();
    assert!(after[0].starts_with(kept), "{} was not kept in {}", before[0], after[0]);
    let seen = &look(&setup.server)["retry"][0];
    assert_eq!((&seen["jid"], &seen["error?"]), (&json!(jid), &json!(true)));
    assert_eq!(seen["item"]["retry_count"], 0);
    assert!(seen["item"]["error_class"].as_str().unwrap().ends_with("NotHere"), "{seen}");
    // What Sidekiq's pages print raw holds no markup.
    assert!(!seen["item"]["error_class"].as_str().unwrap().contains(['<', '>', '&']));
    // Within the hour: seconds, and no milliseconds.
    // 8 writes times in milliseconds, and gets them back so.
    let in_seconds = |time: f64| if time >= 1e11 { time / 1000.0 } else { time };
    let at = seen["at"].as_f64().unwrap() - in_seconds(seen["item"]["failed_at"].as_f64().unwrap());
    assert!((15.0..3600.0).contains(&at), "{seen}");

    let mut ruby = Sidekiq::start(&setup.server, &["rust"]);
    act(&setup.server, &["retry", "retry", jid]);
    let run = ruby.next_run();
    assert_eq!(run["ended"], "ok");
    assert_eq!(run["item"]["custom"], item["custom"]);
    assert_eq!(run["item"]["cattr"], item["cattr"]);
    assert_eq!(look(&setup.server)["stats"]["retry_size"], 0);
}

#[tokio::test]
async fn a_job_that_died_here_runs_in_ruby_once_somebody_retries_it() {
    let setup = Setup::new();
    let receipt = FailsInRust::enqueue(7).retry(0).on(&setup.client).await.unwrap();
    setup.run(setup.worker(&["rust"]), async |events| drop(events.failed("FailsInRust").await)).await;

    let seen = look(&setup.server);
    assert_eq!((&seen["stats"]["dead_size"], &seen["stats"]["retry_size"]), (&json!(1), &json!(0)));
    let dead = &seen["dead"][0];
    assert_eq!(dead["jid"], receipt.jid.as_str());
    assert_eq!(dead["item"]["error_message"], "not in <Rust>");

    let mut ruby = Sidekiq::start(&setup.server, &["rust"]);
    act(&setup.server, &["dead", "retry", receipt.jid.as_str()]);
    assert_eq!(ruby.next_run()["item"]["args"], json!([7]));
}

/// Rust → Ruby → Rust.
#[tokio::test]
async fn a_chain_goes_through_both() {
    let setup = Setup::new();
    let _ruby = Sidekiq::start(&setup.server, &["ruby"]);
    Relay::enqueue("Relayed", vec![42]).on(&setup.client).await.unwrap();

    setup.run(setup.worker(&["rust"]), async |events| drop(events.done("Relayed").await)).await;

    let job: Value = serde_json::from_str(&setup.runs.all()[0].record).unwrap();
    assert_eq!(job["args"], json!([42]));
}
