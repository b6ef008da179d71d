//! Where orders come from: `POST /orders`, `GET /orders/{id}`, `DELETE /orders/{id}`.

use crate::jobs::TakeOrder;
use crate::shop::{NoSuchOrder, Shop};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

/// The pages of the shop.
pub fn router(shop: Shop) -> Router {
    Router::new().route("/orders", post(order)).route("/orders/{order_id}", get(show).delete(cancel)).with_state(shop)
}

#[derive(Deserialize)]
struct NewOrder {
    cake: String,
    tiers: u32,
    customer: String,
}

/// First the book, then the job: the job may be quicker than this handler.
async fn order(State(shop): State<Shop>, Json(new): Json<NewOrder>) -> Response {
    if !(1..=7).contains(&new.tiers) {
        return (StatusCode::UNPROCESSABLE_ENTITY, "a cake has 1 to 7 tiers").into_response();
    }
    let order_id = shop.orders.add(new.cake, new.tiers, new.customer);
    match TakeOrder::enqueue(order_id).await {
        Ok(_) => (StatusCode::ACCEPTED, order_id.to_string()).into_response(),
        Err(error) => {
            // Should the job be stored all the same, it finds no order and is discarded.
            let _ = shop.orders.cancel(order_id);
            (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response()
        }
    }
}

async fn show(State(shop): State<Shop>, Path(order_id): Path<u64>) -> Result<String, NoSuchOrder> {
    let order = shop.orders.get(order_id)?;
    let paid = if order.receipt.is_some() { "paid" } else { "not paid yet" };
    Ok(format!("{}: {} of {} tiers baked, {paid}", order.cake, order.baked.len(), order.tiers))
}

async fn cancel(State(shop): State<Shop>, Path(order_id): Path<u64>) -> Result<StatusCode, NoSuchOrder> {
    shop.orders.cancel(order_id)?;
    Ok(StatusCode::NO_CONTENT)
}

impl IntoResponse for NoSuchOrder {
    fn into_response(self) -> Response {
        (StatusCode::NOT_FOUND, self.to_string()).into_response()
    }
}
