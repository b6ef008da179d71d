//! How jobs that fail come to an end.

use crate::{Tested, open};
use bakery_sample::jobs::{BakeTier, NotifyReady};
use kiq_testing::{DrainError, Outcome, assert_enqueued};

#[tokio::test]
async fn a_cold_oven_ends_a_drain_and_the_tier_is_tried_again() -> Tested {
    let (fakes, kiq) = open();
    let order_id = fakes.orders.add("sacher", 1, "ann@example.com");
    fakes.oven.set_cold_for(1);
    BakeTier::enqueue(order_id, 1).await?;

    let error = kiq.drain_all().await.unwrap_err();

    assert!(matches!(error, DrainError::Failed { .. }), "{error}");
    assert!(error.to_string().contains("the oven is not hot yet"), "{error}");
    assert_eq!(kiq.inspector().stats().await?.retries, 1);
    assert!(fakes.oven.tins().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_cold_oven_gets_hot_within_the_retries() -> Tested {
    let (fakes, kiq) = open();
    let order_id = fakes.orders.add("sacher", 1, "ann@example.com");
    fakes.oven.set_cold_for(4);
    BakeTier::enqueue(order_id, 1).await?;

    let drained = kiq.drain::<BakeTier>().with_retries().await?;

    assert_eq!((drained.count::<BakeTier>(), drained.performed()), (5, 1));
    assert_eq!(drained.runs().iter().map(|run| run.attempt()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_enqueued!(NotifyReady { order_id }, delay 2 h);
    Ok(())
}

#[tokio::test]
async fn a_cake_without_a_recipe_is_for_a_human_at_once() -> Tested {
    let (fakes, kiq) = open();
    let order_id = fakes.orders.add("moon cheese cake", 1, "ann@example.com");
    BakeTier::enqueue(order_id, 1).await?;

    let drained = kiq.drain_all().allow_failures().await?;

    let [run] = drained.runs() else { panic!("{drained}") };
    assert!(matches!(&run.outcome, Outcome::Dead { error, .. } if error.message.contains("add one")), "{run}");
    assert_eq!(kiq.inspector().stats().await?.dead, 1);
    Ok(())
}
