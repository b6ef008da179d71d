//! What Ruby enqueued, scheduled, failed or buried runs in Rust.

use redis::Commands as _;
use serde_json::{Value, json};

use crate::jobs::{Setup, now};
use crate::ruby::{Sidekiq, act, enqueue, look};

/// Single, bulk, tags, a request's context, fields of others, numbers no float can hold: every byte of the record arrives.
#[tokio::test]
async fn what_ruby_enqueues_arrives_byte_for_byte() {
    let setup = Setup::new();
    let jids = enqueue(
        &setup.server,
        &json!([
            {"class": "Shared", "queue": "rust", "args": [1, "é ✓ \u{1f600}", {"k": null, "a": [1.0, -0.5, true]}]},
            {"class": "Shared", "queue": "rust", "args": [{"$big": 1}, [], ""], "retry": 3, "tags": ["a", "b"],
             "cattr": {"user_id": 5}, "locale": "de", "custom": {"deep": [{"er": 1}]}, "backtrace": 3, "dead": false},
            {"class": "Shared", "queue": "rust", "bulk": true, "args": [["b", 1, 1], ["b", 2, 2], ["b", 3, 3]]},
        ]),
    );
    assert_eq!(jids.len(), 5);
    let mut stored: Vec<String> = setup.server.connection().lrange("queue:rust", 0, -1).unwrap();
    stored.reverse();

    setup
        .run(setup.worker(&["rust"]), async |events| {
            for _ in &jids {
                events.done("Shared").await;
            }
        })
        .await;

    let mut ran: Vec<String> = setup.runs.all().into_iter().map(|run| run.record).collect();
    ran.sort();
    stored.sort();
    assert_eq!(ran, stored);
}

#[tokio::test]
async fn what_ruby_schedules_runs_at_its_time() {
    let setup = Setup::new();
    let at = now() + 1.0;
    let jid = &enqueue(&setup.server, &json!([{"class": "Shared", "queue": "rust", "args": [1, 2, 3], "at": at}]))[0];

    setup.run(setup.worker(&["rust"]), async |events| drop(events.done("Shared").await)).await;

    let job: Value = serde_json::from_str(&setup.runs.all()[0].record).unwrap();
    assert_eq!(job["jid"], **jid);
    assert!(job["enqueued_at"].as_f64().unwrap() >= at, "{job}");
    assert!(job.get("at").is_none(), "{job}");
}

#[tokio::test]
async fn a_job_that_failed_in_ruby_is_retried_here() {
    let setup = Setup::new();
    let mut ruby = Sidekiq::start(&setup.server, &["ruby"]);
    enqueue(
        &setup.server,
        &json!([{"class": "FailsInRuby", "queue": "ruby", "args": [7], "retry": 5, "backtrace": true}]),
    );
    assert_eq!(ruby.next_run()["ended"], "raised");
    ruby.stop();

    setup.run(setup.worker(&["ruby"]), async |events| drop(events.done("FailsInRuby").await)).await;

    let run = &setup.runs.all()[0];
    // Ruby may have tried once more before it stopped.
    assert!(run.attempt >= 2, "{run:?}");
    let job: Value = serde_json::from_str(&run.record).unwrap();
    assert_eq!((&job["error_class"], &job["error_message"]), (&json!("ArgumentError"), &json!("not in <Ruby>")));
    assert!(job["error_backtrace"].is_string(), "{job}");
    assert_eq!(look(&setup.server)["stats"]["retry_size"], 0);
}

#[tokio::test]
async fn a_job_that_died_in_ruby_runs_here_once_somebody_retries_it() {
    let setup = Setup::new();
    let mut ruby = Sidekiq::start(&setup.server, &["ruby"]);
    let jid = &enqueue(&setup.server, &json!([{"class": "DiesInRuby", "queue": "ruby", "args": [7], "retry": 0}]))[0];
    ruby.next_run();
    ruby.stop();
    assert_eq!(look(&setup.server)["dead"][0]["jid"], **jid);

    act(&setup.server, &["dead", "retry", jid]);
    setup.run(setup.worker(&["ruby"]), async |events| drop(events.done("DiesInRuby").await)).await;

    assert_eq!(setup.runs.all().len(), 1);
    assert_eq!(look(&setup.server)["stats"]["dead_size"], 0);
}
