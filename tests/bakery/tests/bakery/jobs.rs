//! Each job by itself, and what it enqueues.

use crate::{Tested, open};
use bakery_sample::fakes::Fakes;
use bakery_sample::jobs::{
    BakeTier, COOLING, ChargeOrder, ConfirmOrder, NotifyReady, TakeOrder, charge_order, confirm_order,
};
use bakery_sample::worker;
use kiq::{Data, EnqueueError, JobContext};
use kiq_testing::{assert_enqueued, refute_enqueued};

#[tokio::test]
async fn a_job_is_a_function_and_can_be_called() {
    let fakes = Fakes::default();
    let order_id = fakes.orders.add("sacher", 1, "ann@example.com");

    confirm_order(order_id, Data::new(fakes.shop())).await.unwrap();
    charge_order(order_id, Data::new(fakes.shop()), &JobContext::detached()).await.unwrap();

    assert_eq!(fakes.post.subjects(), ["We bake order 1"]);
    assert_eq!(fakes.till.charges(), [("Detached-order-1".to_owned(), 2500)]);
}

#[tokio::test]
async fn an_order_becomes_a_job_for_each_of_its_parts() -> Tested {
    let (fakes, kiq) = open();
    let order_id = fakes.orders.add("sacher", 3, "ann@example.com");
    TakeOrder::enqueue(order_id).await?;

    kiq.perform_one::<TakeOrder>().await?;

    refute_enqueued!(TakeOrder);
    assert_enqueued!(ConfirmOrder { order_id } in "mail", now);
    assert_enqueued!(ChargeOrder { order_id } in "orders", now);
    assert_enqueued!(BakeTier { order_id, .. } in "kitchen", times 3);
    assert_enqueued!(BakeTier { order_id, tier: 3 });
    refute_enqueued!(BakeTier { tier: 4, .. });
    assert_eq!(kiq.jobs::<BakeTier>().iter().map(|tier| tier.job.tier).collect::<Vec<_>>(), [1, 2, 3]);
    Ok(())
}

#[tokio::test]
async fn the_last_tier_has_the_customer_called_once_and_later() -> Tested {
    let (fakes, kiq) = open();
    let order_id = fakes.orders.add("sacher", 2, "ann@example.com");

    BakeTier::enqueue(order_id, 2).await?;
    kiq.drain::<BakeTier>().await?;
    refute_enqueued!(NotifyReady);

    BakeTier::enqueue(order_id, 1).await?;
    BakeTier::enqueue(order_id, 1).await?; // by mistake
    kiq.drain::<BakeTier>().await?;
    assert_enqueued!(NotifyReady { order_id } in "mail", delay 2 h, times 1);
    assert_enqueued!(NotifyReady, delay = COOLING);
    assert_eq!(fakes.oven.tins(), [(1, 1), (1, 2)]);
    Ok(())
}

#[tokio::test]
async fn what_the_book_knows_is_not_asked_for_again() -> Tested {
    let (fakes, kiq) = open();
    let order_id = fakes.orders.add("sacher", 1, "ann@example.com");
    ChargeOrder::enqueue(order_id).await?;
    BakeTier::enqueue(order_id, 1).await?;
    kiq.drain_all().await?;

    fakes.till.set_down(true);
    fakes.oven.set_cold_for(u32::MAX);
    ChargeOrder::enqueue(order_id).await?;
    BakeTier::enqueue(order_id, 1).await?;

    assert_eq!(kiq.drain_all().await?.performed(), 2);
    Ok(())
}

#[tokio::test]
async fn with_jobs_inline_an_order_is_done_when_its_enqueue_returns() -> Tested {
    let fakes = Fakes::default();
    let _kiq = kiq_testing::inline().worker(worker(fakes.shop()));
    let order_id = fakes.orders.add("sacher", 2, "ann@example.com");

    TakeOrder::enqueue(order_id).await?;

    assert_eq!(fakes.post.subjects(), ["We bake order 1", "Order 1 is ready"]);
    assert_eq!(fakes.till.charges(), [("ChargeOrder-order-1".to_owned(), 5000)]);
    Ok(())
}

#[tokio::test]
async fn with_jobs_inline_a_failure_is_that_of_the_enqueue() -> Tested {
    let fakes = Fakes::default();
    let _kiq = kiq_testing::inline().worker(worker(fakes.shop()));
    let order_id = fakes.orders.add("sacher", 1, "ann@example.com");
    fakes.oven.set_cold_for(1);

    let error = BakeTier::enqueue(order_id, 1).await.unwrap_err();

    assert!(matches!(error, EnqueueError::FailedInline { .. }), "{error}");
    assert!(error.to_string().contains("the oven is not hot yet"), "{error}");
    Ok(())
}

#[tokio::test]
async fn what_lies_in_redis_is_reviewed_when_it_changes() -> Tested {
    let (fakes, kiq) = open();
    let order_id = fakes.orders.add("sacher", 1, "ann@example.com");
    TakeOrder::enqueue(order_id).await?;
    kiq.perform_one::<TakeOrder>().await?;
    kiq.drain::<BakeTier>().await?;

    insta::assert_snapshot!(kiq.snapshot(), @r#"
    [
      {
        "args": [1],
        "class": "ConfirmOrder",
        "created_at": "[time]",
        "enqueued_at": "[time]",
        "jid": "[jid]",
        "queue": "mail",
        "retry": true
      },
      {
        "args": [1],
        "class": "ChargeOrder",
        "created_at": "[time]",
        "enqueued_at": "[time]",
        "jid": "[jid]",
        "queue": "orders",
        "retry": true,
        "retry_for": 172800
      },
      {
        "args": [1],
        "class": "NotifyReady",
        "created_at": "[time]",
        "delay": "7200s",
        "jid": "[jid]",
        "queue": "mail",
        "retry": true
      }
    ]
    "#);
    Ok(())
}
