//! Orders, as a customer makes them: a request, the jobs it caused, and the page that shows what they did.

use crate::{Tested, open};
use axum::Router;
use axum::body::Body;
use axum::http::{self, Request, StatusCode, header};
use bakery_sample::jobs::{BakeTier, TakeOrder};
use bakery_sample::web;
use kiq_testing::{assert_enqueued, refute_enqueued};
use tower::ServiceExt as _;

async fn ask(router: &Router, request: Request<Body>) -> Result<(StatusCode, String), Box<dyn std::error::Error>> {
    let response = router.clone().oneshot(request).await?;
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 4096).await?;
    Ok((status, String::from_utf8(body.to_vec())?))
}

fn order(body: &'static str) -> http::Result<Request<Body>> {
    let request = Request::post("/orders").header(header::CONTENT_TYPE, "application/json");
    request.body(Body::from(body))
}

fn page(path: &str) -> http::Result<Request<Body>> {
    Request::get(path).body(Body::empty())
}

#[tokio::test]
async fn an_order_is_baked_paid_and_announced() -> Tested {
    let (fakes, kiq) = open();
    let router = web::router(fakes.shop());

    let request = order(r#"{"cake": "sacher", "tiers": 2, "customer": "ann@example.com"}"#)?;
    assert_eq!(ask(&router, request).await?, (StatusCode::ACCEPTED, "1".to_owned()));

    assert_enqueued!(TakeOrder { order_id: 1 } in "orders", now, times 1);
    assert_eq!(ask(&router, page("/orders/1")?).await?.1, "sacher: 0 of 2 tiers baked, not paid yet");

    kiq.drain_all().await?;

    assert_eq!(ask(&router, page("/orders/1")?).await?.1, "sacher: 2 of 2 tiers baked, paid");
    assert_eq!(fakes.post.subjects(), ["We bake order 1", "Order 1 is ready"]);
    Ok(())
}

#[tokio::test]
async fn a_cake_of_no_tiers_is_refused_and_causes_nothing() -> Tested {
    let (fakes, kiq) = open();

    let request = order(r#"{"cake": "sacher", "tiers": 0, "customer": "ann@example.com"}"#)?;
    let (status, _) = ask(&web::router(fakes.shop()), request).await?;

    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(kiq.is_empty());
    Ok(())
}

#[tokio::test]
async fn what_is_left_of_a_cancelled_order_is_discarded() -> Tested {
    let (fakes, kiq) = open();
    let router = web::router(fakes.shop());
    let request = order(r#"{"cake": "sacher", "tiers": 2, "customer": "ann@example.com"}"#)?;
    ask(&router, request).await?;
    kiq.perform_one::<TakeOrder>().await?;
    kiq.drain::<BakeTier>().await?;

    let cancel = Request::delete("/orders/1").body(Body::empty())?;
    assert_eq!(ask(&router, cancel).await?.0, StatusCode::NO_CONTENT);
    let drained = kiq.drain_all().allow_failures().await?;

    assert_eq!(
        drained.failures().map(|run| run.class()).collect::<Vec<_>>(),
        ["ConfirmOrder", "ChargeOrder", "NotifyReady"]
    );
    assert!(drained.failures().all(|run| matches!(run.outcome, kiq_testing::Outcome::Discarded { .. })), "{drained}");
    assert_eq!((fakes.till.charges().len(), fakes.post.subjects().len()), (0, 0));
    refute_enqueued!(BakeTier);
    Ok(())
}
