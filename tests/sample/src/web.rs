//! The shop's pages.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};

use crate::jobs::CompleteOrder;
use crate::shop::Shop;

/// The pages of a shop.
pub fn app(shop: Shop) -> Router {
    Router::new().route("/orders/{id}", post(place)).route("/orders/{id}", get(show)).with_state(shop)
}

async fn place(State(shop): State<Shop>, Path(id): Path<u64>) -> Result<StatusCode, (StatusCode, String)> {
    shop.add(id);
    let enqueued = CompleteOrder::enqueue(id).await;
    enqueued.map(|_| StatusCode::ACCEPTED).map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
}

async fn show(State(shop): State<Shop>, Path(id): Path<u64>) -> Result<Json<[Option<String>; 3]>, StatusCode> {
    let order = shop.order(id).await.map_err(|_| StatusCode::NOT_FOUND)?;
    Ok(Json([order.charge_id, order.email_id, order.fulfillment_id]))
}
