//! What a crash does to an order: the gopher stops jobs at each of their awaits, and runs them again.

use crate::Tested;
use bakery_sample::fakes::Fakes;
use bakery_sample::jobs::{BakeTier, ChargeOrder, TakeOrder};
use bakery_sample::shop::Shop;
use bakery_sample::worker;
use kiq::{Data, Jid};
use std::error::Error;

async fn an_order() -> Fakes {
    let fakes = Fakes::default();
    fakes.orders.add("sacher", 2, "ann@example.com");
    fakes
}

/// As one writes it first: with a key, and a new one in each run.
#[kiq::job]
async fn charge_naively(order_id: u64, shop: Data<Shop>) -> Result<(), Box<dyn Error + Send + Sync>> {
    let order = shop.orders.get(order_id)?;
    let key = Jid::random();
    let receipt = shop.till.charge(key.as_str(), order.cents()).await?;
    shop.orders.change(order_id, |order| order.receipt = Some(receipt))?;
    Ok(())
}

#[tokio::test]
async fn an_order_charged_naively_is_charged_twice() {
    let error = kiq_testing::gopher(ChargeNaively::new(1))
        .world(an_order)
        .worker(|fakes| worker(fakes.shop()))
        .state(async |fakes| fakes.till.charges().len())
        .check()
        .await
        .unwrap_err();

    let message = error.to_string();
    assert!(message.starts_with("ChargeNaively(1): a crash after the await at "), "{message}");
    assert!(message.contains("crashes.rs:"), "{message}");
}

#[tokio::test]
async fn an_order_is_charged_once_whatever_happens() -> Tested {
    let gnawed = kiq_testing::gopher(ChargeOrder::new(1))
        .world(an_order)
        .worker(|fakes| worker(fakes.shop()))
        .state(async |fakes| (fakes.till.charges(), fakes.orders.get(1).ok()))
        .check()
        .await?;

    assert!(gnawed.places > 0);
    Ok(())
}

#[tokio::test]
async fn an_order_that_is_taken_twice_is_done_once() -> Tested {
    kiq_testing::gopher(TakeOrder::new(1))
        .world(an_order)
        .worker(|fakes| worker(fakes.shop()))
        .state(async |fakes| (fakes.post.subjects(), fakes.till.charges(), fakes.oven.tins(), fakes.orders.get(1).ok()))
        .check()
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_customer_is_called_once_whoever_died_at_the_oven() -> Tested {
    kiq_testing::gopher(BakeTier::new(1, 2))
        .world(async || {
            let fakes = an_order().await;
            fakes.orders.change(1, |order| order.baked.extend([1])).expect("the order is in the book");
            fakes
        })
        .worker(|fakes| worker(fakes.shop()))
        .state(async |fakes| (fakes.post.subjects(), fakes.oven.tins(), fakes.orders.get(1).ok()))
        .check()
        .await?;
    Ok(())
}
