//! What rusty-sidekiq leaves behind in a Redis that kiq takes over.

use kiq::broker::Broker as _;
use kiq::{Clock, RedisBroker};
use redis::Commands as _;

use crate::jobs::{Setup, now};

/// Its `unique_for` is not ours either.
#[tokio::test]
async fn its_unique_keys_are_told_of_at_the_start() {
    let setup = Setup::new();
    let broker = RedisBroker::open(&setup.server.url(), Clock::system()).unwrap();
    let key = "sidekiq:unique:rust:Shared:6f9c54658fdbc2f155e7105e0ad633c8c03e83b677a6b8a5dfb7541264b83622";
    let _: () = setup.server.connection().set_ex(key, "", 3600).unwrap();

    let advice = broker.check().await.unwrap();

    let told = advice.iter().find(|advice| advice.contains("unique_for")).unwrap();
    assert!(told.contains(key) && told.contains("`.idempotent(ttl)`"), "{told}");
}

/// Its periodic jobs are not ours to run, and whoever takes over must hear of it.
#[tokio::test]
async fn its_periodic_jobs_are_told_of_at_the_start() {
    let setup = Setup::new();
    let broker = RedisBroker::open(&setup.server.url(), Clock::system()).unwrap();
    let about_periodic = async || {
        let advice = broker.check().await.unwrap();
        advice.into_iter().find(|advice| advice.contains("rusty-sidekiq"))
    };
    assert_eq!(about_periodic().await, None);

    let job = r#"{"name":"Nightly","class":"Shared","cron":"0 0 3 * * *","queue":"rust","args":"[]","retry":null}"#;
    let _: () = setup.server.connection().zadd("periodic", job, now()).unwrap();
    let told = about_periodic().await.unwrap();
    assert!(told.contains("1 periodic jobs") && told.contains("delete the key"), "{told}");

    // A key of that name of somebody else's is nobody's business.
    let _: () = setup.server.connection().del("periodic").unwrap();
    let _: () = setup.server.connection().set("periodic", 1).unwrap();
    assert_eq!(about_periodic().await, None);
}
