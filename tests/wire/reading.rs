//! Sidekiq's data API, on which its pages are built, reads what kiq writes; its buttons work on kiq.

use std::time::Duration;

use kiq::Event;
use kiq_testing::Events;
use serde_json::{Value, json};

use crate::jobs::{FailsInRust, OnlyRuby, Setup, Shared, Wait, now};
use crate::ruby::{act, look};

fn is_recent(time: &Value) -> bool {
    time.as_f64().is_some_and(|time| (now() - time).abs() < 300.0)
}

/// What `wanted` finds in what Ruby sees, as soon as it is there: a heartbeat may have to come first.
fn see<T>(setup: &Setup, wanted: impl Fn(&Value) -> Option<T>) -> T {
    let mut seen = Value::Null;
    for _ in 0..50 {
        seen = look(&setup.server);
        if let Some(found) = wanted(&seen) {
            return found;
        }
    }
    panic!("not seen by Ruby: {seen:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ruby_sees_a_process_its_work_and_stops_it() {
    let setup = Setup::new();
    let worker = setup.worker(&["rust", "other"]).concurrency(3).tag("shop").build().unwrap();
    let mut events = Events::of(&worker);
    let receipt = Wait::enqueue().on(&setup.client).await.unwrap();
    // Not embedded: one that owns its process can be told to stop.
    let worker = tokio::spawn(worker.run());
    events.started("Wait").await;

    let (process, work) = see(&setup, |seen| {
        let work = seen["work"].get(0)?;
        Some((seen["processes"][0].clone(), work.clone()))
    });
    assert_eq!((&process["tag"], &process["concurrency"], &process["busy"]), (&json!("shop"), &json!(3), &json!(1)));
    assert_eq!(process["queues"], json!(["other", "rust"]));
    assert_eq!((&process["quiet"], &process["stopping"]), (&json!("false"), &json!(false)));
    assert_eq!(process["pid"], json!(std::process::id()));
    assert!(is_recent(&process["beat"]) && is_recent(&process["started_at"]), "{process}");
    assert!(process["rss"].as_u64().unwrap() > 1000, "in KiB: {process}");
    assert_eq!((&work["queue"], &work["payload"]["jid"]), (&json!("rust"), &json!(receipt.jid.as_str())));
    assert!(work["run_at"].is_u64() && is_recent(&work["run_at"]), "{work}");
    assert!((1..=60).contains(&work["ttl"].as_i64().unwrap()), "{work}");

    act(&setup.server, &["process", "quiet"]);
    see(&setup, |seen| (seen["processes"][0]["quiet"] == "true").then_some(()));

    act(&setup.server, &["process", "stop"]);
    setup.gate.0.notify_one();
    worker.await.unwrap().unwrap();
    assert_eq!(look(&setup.server)["stats"]["processes_size"], 0);
}

#[tokio::test]
async fn ruby_counts_what_ran_and_what_waits() {
    let setup = Setup::new();
    for number in 0..3 {
        FailsInRust::enqueue(number).retry(0).on(&setup.client).await.unwrap();
    }
    OnlyRuby::enqueue(1, "waits").on(&setup.client).await.unwrap();
    let later = OnlyRuby::enqueue(2, "later").delay(Duration::from_secs(3600)).on(&setup.client).await.unwrap();
    setup
        .run(setup.worker(&["rust"]), async |events| {
            for _ in 0..3 {
                events.failed("FailsInRust").await;
            }
        })
        .await;

    let seen = look(&setup.server);
    assert_eq!(
        seen["stats"],
        json!({"processed": 3, "failed": 3, "scheduled_size": 1, "retry_size": 0, "dead_size": 3, "enqueued": 1,
            "processes_size": 0})
    );
    assert_eq!(seen["today"], json!({"processed": 3, "failed": 3}));
    let waits = &seen["queues"]["ruby"][0];
    assert!(is_recent(&waits["created_at"]) && is_recent(&waits["enqueued_at"]), "{waits}");
    assert!((0.0..300.0).contains(&waits["latency"].as_f64().unwrap()), "{waits}");
    let scheduled = &seen["schedule"][0];
    assert_eq!(scheduled["jid"], later.jid.as_str());
    assert!((scheduled["at"].as_f64().unwrap() - now() - 3600.0).abs() < 300.0, "{scheduled}");
    assert!(scheduled["item"].get("enqueued_at").is_none(), "{scheduled}");
}

#[tokio::test]
async fn rubys_buttons_work_on_what_kiq_keeps() {
    let setup = Setup::new();
    let failing: Vec<String> = {
        let mut jids = Vec::new();
        for number in 0..3 {
            jids.push(FailsInRust::enqueue(number).retry(9).on(&setup.client).await.unwrap().jid.to_string());
        }
        jids
    };
    let text = |text: &str| serde_json::value::to_raw_value(text).unwrap();
    let later = Shared::enqueue(text("a"), text("b"), text("c"))
        .delay(Duration::from_secs(3600))
        .on(&setup.client)
        .await
        .unwrap();
    OnlyRuby::enqueue(1, "to be cleared").on(&setup.client).await.unwrap();
    setup
        .run(setup.worker(&["rust"]), async |events| {
            for _ in &failing {
                events.failed("FailsInRust").await;
            }
            act(&setup.server, &["retry", "kill", &failing[0]]);
            act(&setup.server, &["retry", "delete", &failing[1]]);
            act(&setup.server, &["retry", "retry", &failing[2]]);
            // Which runs at once, as its first attempt: a retry by hand uses none up.
            let again = events
                .until(|event| matches!(event, Event::Failed { job, .. } if job.jid().as_str() == failing[2]))
                .await;
            assert!(matches!(again, Event::Failed { job, .. } if job.attempt() == 1));
            act(&setup.server, &["schedule", "add_to_queue", later.jid.as_str()]);
            events.done("Shared").await;
        })
        .await;
    act(&setup.server, &["queue", "clear", "ruby"]);

    let seen = look(&setup.server);
    let jids =
        |set: &str| -> Vec<Value> { seen[set].as_array().unwrap().iter().map(|job| job["jid"].clone()).collect() };
    assert_eq!(jids("dead"), [json!(failing[0])]);
    assert_eq!(jids("retry"), [json!(failing[2])]);
    assert_eq!(seen["stats"]["scheduled_size"], 0);
    assert_eq!(seen["stats"]["enqueued"], 0);
}
