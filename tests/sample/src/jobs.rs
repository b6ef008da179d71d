//! The three jobs of an order, each of which may be run twice.

use kiq::{Data, EnqueueError};

use crate::shop::{ServiceError, Shop};

/// What goes wrong in a job.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// A service.
    #[error("order: {0}")]
    Service(#[from] ServiceError),
    /// The next job could not be enqueued.
    #[error("next job: {0}")]
    Enqueue(#[from] EnqueueError),
}

/// Charges the customer, under a key, and goes on whether this run or an earlier one did.
#[kiq::job(queue = "high", transient_if = |e: &ServiceError| matches!(e, ServiceError::Http(_)))]
pub async fn complete_order(order_id: u64, shop: Data<Shop>) -> Result<(), OrderError> {
    let order = shop.order(order_id).await?;
    if order.charge_id.is_none() {
        let charge_id = shop.charge(order_id, Some(format!("order-{order_id}"))).await?;
        shop.update(order_id, |order| order.charge_id = Some(charge_id)).await;
    }
    SendNotification::enqueue(order_id).await?;
    Ok(())
}

/// Tells the customer, unless an email is there.
#[kiq::job]
pub async fn send_notification(order_id: u64, shop: Data<Shop>) -> Result<(), OrderError> {
    let email_id = match shop.emails(order_id).await.pop() {
        Some(sent) => sent,
        None => shop.send_email(order_id).await,
    };
    shop.update(order_id, |order| order.email_id = Some(email_id)).await;
    RequestFulfillment::enqueue(order_id).await?;
    Ok(())
}

/// Tells the warehouse, under a key.
#[kiq::job]
pub async fn request_fulfillment(order_id: u64, shop: Data<Shop>) {
    let request_id = shop.request_fulfillment(order_id, Some(format!("order-{order_id}"))).await;
    shop.update(order_id, |order| order.fulfillment_id = Some(request_id)).await;
}
