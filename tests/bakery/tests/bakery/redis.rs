//! The bakery on a real Redis, with its real worker.

use crate::Tested;
use bakery_sample::fakes::Fakes;
use bakery_sample::jobs::{NotifyReady, TakeOrder};
use bakery_sample::{app, worker};
use kiq::{Client, Found, Inspector, Job, JobSet};
use kiq_testing::Events;

#[tokio::test]
async fn a_worker_bakes_what_lies_in_redis() -> Tested {
    let server = kiq_testing::redis();
    let client = Client::connect(&server.url())?.with_app(&app());
    let _kiq = kiq_testing::real(&client);
    let fakes = Fakes::default();
    let order_id = fakes.orders.add("sacher", 2, "ann@example.com");
    TakeOrder::enqueue(order_id).await?;

    let worker = worker(fakes.shop()).build()?;
    let mut events = Events::of(&worker);
    let baked = async {
        events.done("ConfirmOrder").await;
        events.done("ChargeOrder").await;
        events.done("BakeTier").await;
        events.done("BakeTier").await;
    };
    worker.run_until(baked).await?;

    assert!(fakes.orders.get(order_id)?.is_baked());
    assert_eq!(fakes.till.charges(), [("ChargeOrder-order-1".to_owned(), 5000)]);
    let scheduled = Inspector::new(&client).set(JobSet::Scheduled, 0, 10).await?;
    assert_eq!(scheduled.iter().map(Found::class).collect::<Vec<_>>(), [NotifyReady::NAME]);
    Ok(())
}
