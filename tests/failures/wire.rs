//! What a failure leaves in Redis, byte by byte (wire: 3.1, 7): another program must be able to go on with it.

use std::time::Duration;

use kiq::{Backoff, Current};

use crate::setup::Setup;

/// Everything a Redis holds that is not about processes.
fn all(s: &Setup) -> Vec<(String, Vec<String>)> {
    let mut connection = s.server.as_ref().unwrap().connection();
    let mut found = Vec::new();
    for key in ["queue:default", "retry", "schedule", "dead"] {
        let command = if key.starts_with("queue:") { "LRANGE" } else { "ZRANGE" };
        let mut command = redis::cmd(command);
        command.arg(key).arg(0).arg(-1);
        if !key.starts_with("queue:") {
            command.arg("WITHSCORES");
        }
        let entries: Vec<String> = command.query(&mut connection).unwrap();
        if !entries.is_empty() {
            found.push((key.to_owned(), entries));
        }
    }
    found
}

/// One failed run of one payload.
async fn failed(payload: &str) -> Vec<(String, Vec<String>)> {
    let s = Setup::redis();
    s.push_raw("default", payload).await;
    s.run(s.worker().backoff(Backoff::custom(|_| Duration::from_secs(60))), async |events| {
        events.until(|event| matches!(event, kiq::Event::Failed { .. })).await;
    })
    .await;
    all(&s)
}

fn one(key: &str, payload: &str, score: &str) -> Vec<(String, Vec<String>)> {
    vec![(key.to_owned(), vec![payload.to_owned(), score.to_owned()])]
}

/// A20, A24, A27: the first failure, with what is unknown, odd and foreign kept as it was; the causes are kiq's own field.
#[tokio::test]
async fn a_first_failure() {
    let job = r#"{"class":"WriteFile","args":[],"jid":"a","queue":"default","retry":true,"created_at":1795452000.25,"n":123456789012345678901234567890,"cattr":[[1.10]]"#;
    let expected = format!(
        r#"{job},"error_message":"cannot write \"a\\b\" für Ünal","error_class":"failures::jobs::CannotWrite","kiq_causes":["the disk is full"],"failed_at":1795452509.500000,"retry_count":0}}"#
    );
    assert_eq!(failed(&format!("{job}}}")).await, one("retry", &expected, "1795452569.5"));
}

/// A27: a later failure, of a job that failed in Ruby before; times in the style the payload came with (Sidekiq 8:
/// milliseconds).
#[tokio::test]
async fn a_later_failure_of_a_job_of_sidekiq_8() {
    let job = r#"{"class":"Shop","args":["refused"],"jid":"a","queue":"default","retry":5,"created_at":1795452000250,"failed_at":1795452000500"#;
    let given = format!(r#"{job},"retry_count":0,"error_class":"RuntimeError","error_message":"x"}}"#);
    let expected = format!(
        r#"{job},"retry_count":1,"error_class":"failures::jobs::ShopError","error_message":"the card was refused","kiq_errors":[{{"class":"RuntimeError","message":"x","times":1,"last":1795452000.5}}],"retried_at":1795452509500}}"#
    );
    assert_eq!(failed(&given).await, one("retry", &expected, "1795452569.5"));
}

/// A21, A25: a fatal error at the first attempt: dead, with the fields of a failure.
#[tokio::test]
async fn a_death() {
    let job =
        r#"{"class":"Shop","args":["wrong key"],"jid":"a","queue":"default","retry":true,"created_at":1795452000.25"#;
    let expected = format!(
        r#"{job},"error_message":"the key is wrong","error_class":"failures::jobs::ShopError","failed_at":1795452509.500000,"retry_count":0}}"#
    );
    assert_eq!(failed(&format!("{job}}}")).await, one("dead", &expected, "1795452509.5"));
}

/// A25: a rate limit goes to the schedule, without `enqueued_at` and without the fields of a failure. The score has up to 10 s
/// of luck in it.
#[tokio::test]
async fn a_rate_limit() {
    let job =
        r#"{"class":"Shop","args":["too many"],"jid":"a","queue":"default","retry":true,"created_at":1795452000.25"#;
    let left = failed(&format!(r#"{job},"enqueued_at":1795452001.25}}"#)).await;

    let (key, entries) = &left[0];
    assert_eq!(
        (left.len(), key.as_str(), entries[0].as_str()),
        (1, "schedule", format!(r#"{job},"kiq_limited":1}}"#).as_str())
    );
    let score: f64 = entries[1].parse().unwrap();
    assert!((1_795_453_109.5..1_795_453_119.5).contains(&score), "{score}");
}

/// A25: a discarded error leaves nothing.
#[tokio::test]
async fn a_discarded_job() {
    let job = r#"{"class":"Shop","args":["gone"],"jid":"a","queue":"default","retry":true,"created_at":1795452000.25}"#;
    assert_eq!(failed(job).await, []);
}

/// A72: what is carried, in a job that is enqueued.
#[tokio::test]
async fn a_job_with_a_requests_values() {
    static TENANT: Current<u64> = Current::new("tenant");
    let s = Setup::redis();
    let jid: kiq::Jid = kiq::Jid::parse("0123456789abcdef01234567").unwrap();

    TENANT.scope(7, async { crate::jobs::See::enqueue().jid(jid).on(&s.client).await.unwrap() }).await;

    let expected = r#"{"class":"See","args":[],"jid":"0123456789abcdef01234567","queue":"default","retry":true,"created_at":1795452509.500000,"kiq_context":{"tenant":7},"enqueued_at":1795452509.500000}"#;
    assert_eq!(all(&s), [("queue:default".to_owned(), vec![expected.to_owned()])]);
}
