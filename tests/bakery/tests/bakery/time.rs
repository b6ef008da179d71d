//! What passes with time, in none.

use crate::{Tested, open};
use bakery_sample::jobs::{BakeTier, ChargeOrder, NotifyReady};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn the_customer_is_called_when_the_cake_is_cool() -> Tested {
    let (fakes, kiq) = open();
    let order_id = fakes.orders.add("sacher", 1, "ann@example.com");
    BakeTier::enqueue(order_id, 1).await?;

    assert_eq!(kiq.advance(HOUR).await?.count::<NotifyReady>(), 0);
    assert_eq!(kiq.advance(HOUR).await?.count::<NotifyReady>(), 1);

    assert_eq!(fakes.post.subjects(), ["Order 1 is ready"]);
    Ok(())
}

#[tokio::test]
async fn an_oven_that_stays_cold_is_given_up_after_ten_retries() -> Tested {
    let (fakes, kiq) = open();
    let order_id = fakes.orders.add("sacher", 1, "ann@example.com");
    fakes.oven.set_cold_for(u32::MAX);
    BakeTier::enqueue(order_id, 1).await?;

    let drained = kiq.advance(22 * DAY).await?;

    assert_eq!(drained.count::<BakeTier>(), 11);
    assert_eq!(kiq.inspector().stats().await?.dead, 1);
    Ok(())
}

#[tokio::test]
async fn a_bank_has_two_days_to_come_back() -> Tested {
    let (fakes, kiq) = open();
    let order_id = fakes.orders.add("sacher", 1, "ann@example.com");
    fakes.till.set_down(true);
    ChargeOrder::enqueue(order_id).await?;

    kiq.advance(DAY).await?;
    fakes.till.set_down(false);
    kiq.advance(DAY).await?;

    assert_eq!(fakes.till.charges().len(), 1);
    assert!(fakes.orders.get(order_id)?.receipt.is_some());
    Ok(())
}
