//! Jobs that Rails enqueued through ActiveJob: performed where a Rust job has their name, and otherwise kept whole.

use redis::Commands as _;
use serde_json::{Value, json};

use crate::jobs::Setup;
use crate::ruby::{enqueue, look};

fn wrapped(wrapper: &str, class: &str, arguments: Value) -> Value {
    json!({"class": wrapper, "wrapped": class, "queue": "rust", "retry": true, "args": [{
        "job_class": class, "job_id": "5d0d7b3e-0000-4000-8000-000000000001", "provider_job_id": null, "queue_name": "rust",
        "priority": null, "arguments": arguments, "executions": 0, "exception_executions": {}, "locale": "en",
        "timezone": "UTC", "enqueued_at": "2026-11-23T16:48:29.373000000Z", "scheduled_at": null}]})
}

const OLD: &str = "ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper";
const NEW: &str = "Sidekiq::ActiveJob::Wrapper";

#[tokio::test]
async fn a_rust_job_of_the_wrapped_name_takes_the_real_arguments() {
    let setup = Setup::new();
    let items = json!([wrapped(OLD, "Relayed", json!([41])), wrapped(NEW, "Relayed", json!([42]))]);
    let jids = enqueue(&setup.server, &items);

    setup
        .run(setup.worker(&["rust"]), async |events| {
            for _ in &jids {
                // The event has the class as it is stored.
                events.until(|event| matches!(event, kiq::Event::Done { .. })).await;
            }
        })
        .await;

    assert_eq!(setup.runs.all().len(), 2);
}

/// Ruby's integers have no limit, and come out of the wrapper with every digit.
#[tokio::test]
async fn a_number_beyond_64_bits_stays_exact() {
    let setup = Setup::new();
    let huge = "123456789012345678901234567890";
    let record = wrapped(NEW, "Shared", json!(["HUGE", {"deep": ["HUGE"]}, 1.0])).to_string();
    // As Ruby writes it; serde_json here would make it a float.
    let record = record.replace("\"HUGE\"", huge).replace("\"args\"", "\"jid\":\"5d0d7b3e\",\"args\"");
    let _: () = setup.server.connection().lpush("queue:rust", record).unwrap();

    setup
        .run(setup.worker(&["rust"]), async |events| {
            drop(events.until(|event| matches!(event, kiq::Event::Done { .. })).await)
        })
        .await;

    assert_eq!(setup.runs.all()[0].args, [huge, &format!("{{\"deep\":[{huge}]}}"), "1.0"]);
}

/// No such job here, or a record of Rails among the arguments: the retry set has it, with the reason and whole.
#[tokio::test]
async fn what_only_rails_can_run_is_kept_with_the_reason() {
    let setup = Setup::new();
    let items = json!([
        wrapped(OLD, "WelcomeMail", json!([1])),
        wrapped(OLD, "Relayed", json!([{"_aj_globalid": "gid://shop/User/5"}])),
    ]);
    enqueue(&setup.server, &items);
    let before: Vec<String> = setup.server.connection().lrange("queue:rust", 0, -1).unwrap();

    setup
        .run(setup.worker(&["rust"]), async |events| {
            for _ in 0..2 {
                events.failed(OLD).await;
            }
        })
        .await;

    let after: Vec<String> = setup.server.connection().zrange("retry", 0, -1).unwrap();
    for text in &before {
        let kept = text.strip_suffix('}').unwrap();
        assert!(after.iter().any(|after| after.starts_with(kept)), "{text} is not among {after:?}");
    }
    let seen = look(&setup.server);
    let message = |class: &str| {
        let of_class = |job: &&Value| job["item"]["wrapped"] == class;
        let job = seen["retry"].as_array().unwrap().iter().find(of_class).unwrap();
        job["item"]["error_message"].as_str().unwrap().to_owned()
    };
    assert!(message("WelcomeMail").contains("ActiveJob \"WelcomeMail\""), "{}", message("WelcomeMail"));
    assert!(message("Relayed").contains("gid://shop/User/5"), "{}", message("Relayed"));
    // Ruby shows the real class. (6.4 knows this wrapper only.)
    assert_eq!(seen["retry"][0]["display_class"], seen["retry"][0]["item"]["wrapped"]);
}
