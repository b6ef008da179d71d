//! Tests that forgot to say where their jobs go, in a file that names nothing of what would have told it.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use bakery_sample::fakes::Fakes;
use bakery_sample::jobs::TakeOrder;
use bakery_sample::web;
use kiq::{Client, EnqueueError, Inspector};
use tower::ServiceExt as _;

#[tokio::test]
async fn a_forgotten_guard_is_an_error_that_names_the_remedy() {
    let client = Client::in_memory();
    kiq::init(client.clone()); // as the program does at its start

    let error = TakeOrder::enqueue(1).await.unwrap_err();

    assert!(matches!(error, EnqueueError::NoTestMode), "{error:?}");
    assert!(error.to_string().contains("kiq_testing::fake()"), "{error}");
    assert_eq!(Inspector::new(&client).stats().await.unwrap().enqueued, 0);
}

#[tokio::test]
async fn a_customer_is_told_and_the_order_is_not_kept() {
    let fakes = Fakes::default();
    let order = r#"{"cake": "sacher", "tiers": 1, "customer": "ann@example.com"}"#;
    let request = Request::post("/orders").header(header::CONTENT_TYPE, "application/json").body(Body::from(order));

    let response = web::router(fakes.shop()).oneshot(request.unwrap()).await.unwrap();

    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(fakes.orders.get(1).is_err());
}

#[tokio::test]
async fn a_client_that_is_named_is_used() {
    let client = Client::in_memory();

    TakeOrder::enqueue(1).on(&client).await.unwrap();

    assert_eq!(Inspector::new(&client).stats().await.unwrap().enqueued, 1);
}
