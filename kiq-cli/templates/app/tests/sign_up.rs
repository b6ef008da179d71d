//! Sign-ups, from the {% if web %}request{% else %}call{% endif %} to the mail.
//!
//! No server is needed: `kiq_testing::fake()` keeps the jobs of a test in memory, and runs them when the test says so.

use std::time::Duration;
{% if web %}
use axum::body::{self, Body};
use axum::http::{Request, StatusCode};
use kiq_testing::{assert_enqueued, refute_enqueued};
use tower::ServiceExt as _;
{% else %}
use kiq_testing::{assert_enqueued, refute_enqueued};
{% endif %}
use {{crate_name}}::jobs::send_welcome::SendWelcome;
use {{crate_name}}::mail::MailError;
{%- if web %}
use {{crate_name}}::web;
{%- else %}
use {{crate_name}}::sign_up::{self, SignUpError};
{%- endif %}

use world::World;

mod world;
{% if web %}
/// Sends the form, and answers with what came back.
async fn sign_up(form: &str) -> (StatusCode, String) {
    let request = Request::post("/sign-ups")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap();
    let response = web::router().oneshot(request).await.unwrap();
    let status = response.status();
    let body = body::to_bytes(response.into_body(), 4096).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn whoever_signs_up_is_welcomed() {
    let world = World::default();
    let kiq = kiq_testing::fake().app(&world.app());

    let (status, _) = sign_up("name=Ann&email=ann@example.com").await;

    assert_eq!(status, StatusCode::ACCEPTED);
    assert_enqueued!(SendWelcome { email: "ann@example.com", .. } in "{{queue}}");
    assert!(world.mailer.sent().is_empty());

    kiq.drain_all().await.unwrap();

    let mails = world.mailer.sent();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, "ann@example.com");
    assert_eq!(mails[0].text, "Welcome, Ann.");
}

#[tokio::test]
async fn a_form_that_is_sent_twice_is_one_sign_up() {
    let _kiq = kiq_testing::fake();

    sign_up("name=Ann&email=ann@example.com").await;
    let (status, _) = sign_up("name=Ann&email=ann@example.com").await;

    assert_eq!(status, StatusCode::ACCEPTED);
    assert_enqueued!(SendWelcome { .. }, times 1);
}

#[tokio::test]
async fn who_has_no_address_cannot_sign_up() {
    let _kiq = kiq_testing::fake();

    let (status, answer) = sign_up("name=Ann&email=ann").await;

    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer, "\"ann\" is no mail address\n");
    refute_enqueued!(SendWelcome);
}
{% else %}
#[tokio::test]
async fn whoever_signs_up_is_welcomed() {
    let world = World::default();
    let kiq = kiq_testing::fake().app(&world.app());

    sign_up::sign_up("Ann", "ann@example.com").await.unwrap();

    assert_enqueued!(SendWelcome { email: "ann@example.com", .. } in "{{queue}}");
    assert!(world.mailer.sent().is_empty());

    kiq.drain_all().await.unwrap();

    let mails = world.mailer.sent();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, "ann@example.com");
    assert_eq!(mails[0].text, "Welcome, Ann.");
}

#[tokio::test]
async fn who_signs_up_twice_is_one_sign_up() {
    let _kiq = kiq_testing::fake();

    sign_up::sign_up("Ann", "ann@example.com").await.unwrap();
    sign_up::sign_up("Ann", "ann@example.com").await.unwrap();

    assert_enqueued!(SendWelcome { .. }, times 1);
}

#[tokio::test]
async fn who_has_no_address_cannot_sign_up() {
    let _kiq = kiq_testing::fake();

    let error = sign_up::sign_up("Ann", "ann").await.unwrap_err();

    assert!(matches!(error, SignUpError::NoAddress(email) if email == "ann"));
    refute_enqueued!(SendWelcome);
}
{% endif %}
#[tokio::test]
async fn an_outage_of_the_mail_service_is_waited_out_and_wakes_nobody() {
    let world = World::default();
    let kiq = kiq_testing::fake().app(&world.app());
    SendWelcome::enqueue("Ann", "ann@example.com")
        .await
        .unwrap();

    world.mailer.fail_with(MailError::Unreachable);
    kiq.drain_all().allow_failures().await.unwrap();
    assert!(world.mailer.sent().is_empty());

    world.mailer.recover();
    kiq.advance(Duration::from_secs(3600)).await.unwrap();

    assert_eq!(world.mailer.sent().len(), 1);
    assert!(world.alerts.sent().is_empty());
}

#[tokio::test]
async fn somebody_is_told_of_a_mailbox_that_does_not_exist() {
    let world = World::default();
    let kiq = kiq_testing::fake().app(&world.app());
    SendWelcome::enqueue("Ann", "ann@example.com")
        .await
        .unwrap();

    world.mailer.fail_with(MailError::NoMailbox {
        address: "ann@example.com".to_owned(),
    });
    let error = kiq.drain_all().await.unwrap_err();

    assert!(error.to_string().contains("no mailbox"), "{error}");
    let alerts = world.alerts.sent();
    let death = alerts.iter().find(|alert| alert.is_death).unwrap();
    assert!(death.text.contains("no mailbox"), "{}", death.text);
}
