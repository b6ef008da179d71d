//! What happens to an order. Each job may run twice and acts once.

use crate::shop::{Letter, PostError, Shop};
use kiq::{Data, JobContext};
use std::error::Error;
use std::time::Duration;

/// A cake is too hot to be fetched when it comes out of the oven.
pub const COOLING: Duration = Duration::from_secs(2 * 3600);

/// For so long an enqueue is known to have been made: longer than the retries of whoever made it.
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

type Failed = Box<dyn Error + Send + Sync>;

/// All there is to do about an order. Each part is a job, so that one that fails repeats itself and nothing before it.
#[kiq::job(queue = "orders")]
pub async fn take_order(order_id: u64, shop: Data<Shop>) -> Result<(), Failed> {
    let order = shop.orders.get(order_id)?;
    ConfirmOrder::enqueue(order_id).await?;
    ChargeOrder::enqueue(order_id).await?;
    kiq::enqueue_all((1..=order.tiers).map(|tier| BakeTier::new(order_id, tier))).await?;
    Ok(())
}

/// Tells the customer that the order came.
#[kiq::job(queue = "mail")]
pub async fn confirm_order(order_id: u64, shop: Data<Shop>) -> Result<(), Failed> {
    let order = shop.orders.get(order_id)?;
    write_once(&shop, order.customer, format!("We bake order {order_id}")).await?;
    Ok(())
}

/// Charges an order. The till knows a repetition by its key, and the book by the receipt.
#[kiq::job(queue = "orders", retry_for = "2d")]
pub async fn charge_order(order_id: u64, shop: Data<Shop>, cx: &JobContext) -> Result<(), Failed> {
    let order = shop.orders.get(order_id)?;
    if order.receipt.is_none() {
        let key = cx.idempotency_key("order", order_id);
        let receipt = shop.till.charge(&key, order.cents()).await?;
        shop.orders.change(order_id, |order| order.receipt = Some(receipt))?;
    }
    Ok(())
}

/// Bakes one tier. Whoever bakes the last one has the customer called when the cake is cool.
#[kiq::job(queue = "kitchen", retry = 10, timeout = "3h")]
pub async fn bake_tier(order_id: u64, tier: u32, shop: Data<Shop>) -> Result<(), Failed> {
    let mut order = shop.orders.get(order_id)?;
    if !order.baked.contains(&tier) {
        shop.oven.bake(order_id, tier, &order.cake).await?;
        order = shop.orders.change(order_id, |order| {
            order.baked.insert(tier);
        })?;
    }
    if order.is_baked() {
        NotifyReady::enqueue(order_id).delay(COOLING).idempotent_by(format!("ready:{order_id}"), REMEMBERED).await?;
    }
    Ok(())
}

/// Calls the customer.
#[kiq::job(queue = "mail")]
pub async fn notify_ready(order_id: u64, shop: Data<Shop>) -> Result<(), Failed> {
    let order = shop.orders.get(order_id)?;
    write_once(&shop, order.customer, format!("Order {order_id} is ready")).await?;
    Ok(())
}

async fn write_once(shop: &Shop, to: String, subject: String) -> Result<(), PostError> {
    if !shop.post.has_sent(&to, &subject).await? {
        shop.post.send(Letter { to, subject }).await?;
    }
    Ok(())
}
