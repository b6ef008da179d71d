//! The system test of the shop: a request, its jobs, the page afterwards. (A14, A18, A19, 18.6)
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use kiq_sample::jobs::{CompleteOrder, RequestFulfillment, SendNotification};
use kiq_sample::shop::Shop;
use kiq_sample::web::app;
use kiq_testing::{assert_enqueued, refute_enqueued};
use tower::ServiceExt as _;

async fn call(app: &Router, method: Method, path: &str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    (status, String::from_utf8(to_bytes(response.into_body(), 4096).await.unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn an_order_is_completed_by_its_jobs() {
    let shop = Shop::default();
    let kiq = kiq_testing::fake().worker(shop.worker());
    let app = app(shop);

    let (status, _) = call(&app, Method::POST, "/orders/7").await;

    assert_eq!(status, StatusCode::ACCEPTED);
    assert_enqueued!(CompleteOrder { order_id: 7 } in "high", now);
    refute_enqueued!(SendNotification);
    assert_eq!(call(&app, Method::GET, "/orders/7").await.1, "[null,null,null]");

    let report = kiq.drain_all().await.unwrap();

    assert_eq!((report.performed(), report.count::<RequestFulfillment>()), (3, 1));
    assert_eq!(call(&app, Method::GET, "/orders/7").await.1, r#"["ch_1","em_1","fr_1"]"#);
}

#[tokio::test]
async fn an_outage_of_the_payments_is_waited_out() {
    let shop = Shop::with_order(7);
    shop.break_payments(5);
    let kiq = kiq_testing::fake().worker(shop.worker());
    CompleteOrder::enqueue(7).await.unwrap();

    let error = kiq.drain_all().await.unwrap_err();
    assert!(error.to_string().contains("the service answered 503"), "{error}");
    let report = kiq.advance(Duration::from_secs(3600)).await.unwrap();

    assert!(report.failures().all(|run| run.outcome.error().is_some_and(|error| error.is_transient)));
    assert_eq!(shop.look().charges.len(), 1);
}

#[tokio::test]
async fn an_order_that_is_not_there_fails_for_a_reason_that_will_not_pass() {
    let kiq = kiq_testing::fake().worker(Shop::default().worker());
    CompleteOrder::enqueue(7).await.unwrap();

    let error = kiq.drain_all().await.unwrap_err();

    let run = &error.drained().unwrap().runs()[0];
    assert!(!run.outcome.error().unwrap().is_transient, "{error}");
}

#[tokio::test]
async fn a_handler_in_a_test_without_a_mode_says_so() {
    let (status, text) = call(&app(Shop::default()), Method::POST, "/orders/7").await;

    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("kiq_testing::fake()"), "{text}");
}

#[tokio::test]
async fn what_lies_in_redis_is_reviewed() {
    let kiq = kiq_testing::fake();
    CompleteOrder::enqueue(7).await.unwrap();

    // `cargo insta test --review` writes the new text here.
    insta::assert_snapshot!(kiq.snapshot(), @r#"
    [
      {
        "args": [7],
        "class": "CompleteOrder",
        "created_at": "[time]",
        "enqueued_at": "[time]",
        "jid": "[jid]",
        "queue": "high",
        "retry": true
      }
    ]
    "#);
}
