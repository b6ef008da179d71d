//! Assertions about what is enqueued, and what they print when they do not hold.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use kiq_testing::{assert_enqueued, refute_enqueued};

use crate::jobs::{Hopeless, Log, Note, NoteLow};

#[kiq::job(queue = "high")]
pub async fn complete_order(order_id: u64, note: &str, items: Vec<u32>) {
    let _ = (order_id, note, items);
}

const MINUTE: Duration = Duration::from_secs(60);

fn failure(assertion: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(assertion)).expect_err("the assertion held");
    panic.downcast_ref::<String>().cloned().expect("a message")
}

/// A19, 18.5.
#[tokio::test]
async fn what_is_enqueued_can_be_asserted() {
    let kiq = kiq_testing::fake();
    CompleteOrder::enqueue(7, "by card", vec![1, 2]).await.unwrap();
    CompleteOrder::enqueue(8, "by card", vec![]).queue("low").delay(MINUTE).await.unwrap();
    let order_id = 7;
    let later = kiq.now() + MINUTE;

    assert_enqueued!(CompleteOrder);
    assert_enqueued!(CompleteOrder, times 2);
    assert_enqueued!(CompleteOrder in "high", now);
    assert_enqueued!(CompleteOrder { .. } in "low");
    assert_enqueued!(CompleteOrder { order_id, .. });
    assert_enqueued!(CompleteOrder { order_id: 7, note: "by card", items: [1, 2] } in "high");
    assert_enqueued!(crate::asserting::CompleteOrder { order_id: 8, .. } in "low", delay 60 s);
    assert_enqueued!(CompleteOrder { order_id: 8, .. }, delay 1 min, times 1);
    assert_enqueued!(CompleteOrder { order_id: 8, .. }, delay = MINUTE);
    assert_enqueued!(CompleteOrder { order_id: 4 + 4, .. }, at = later);
    refute_enqueued!(CompleteOrder { order_id: 9, .. });
    refute_enqueued!(CompleteOrder { order_id: 7, .. } in "low");
    refute_enqueued!(CompleteOrder { order_id: 7, .. }, delay 60 s);
    refute_enqueued!(CompleteOrder { order_id: 8, .. }, delay 2 h);
    refute_enqueued!(CompleteOrder { order_id: 8, .. }, now);
    refute_enqueued!(Note);
}

/// A19: the failure shows what is enqueued, and what differs.
#[tokio::test]
async fn a_failure_lists_what_is_enqueued_instead() {
    let _kiq = kiq_testing::fake();
    CompleteOrder::enqueue(8, "by card", vec![]).await.unwrap();
    CompleteOrder::enqueue(7, "in cash", vec![]).delay(2 * MINUTE).await.unwrap();
    Note::enqueue(1).await.unwrap();

    let text = failure(|| assert_enqueued!(CompleteOrder { order_id: 7, .. } in "high", delay 60 s));

    let expected = r#"no such job is enqueued
 wanted: CompleteOrder { order_id: 7, .. } in "high", delay 60 s
 enqueued are 3 jobs:
   · CompleteOrder(8,"by card",[]) in "high"
       ≠ order_id is 8, wanted 7
       ≠ it has no delay, wanted 60s
   · Note(1) in "default"
   · CompleteOrder(7,"in cash",[]) in "high", delay 120s
       ≠ delay is 120s, wanted 60s"#;
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_failure_about_a_number_or_an_unwanted_job_marks_those_that_match() {
    let kiq = kiq_testing::fake();
    let nothing = failure(|| assert_enqueued!(NoteLow));
    NoteLow::enqueue(1).await.unwrap();
    NoteLow::enqueue(2).await.unwrap();

    let count = failure(|| assert_enqueued!(NoteLow { number: 1 }, times 2));
    let unwanted = failure(|| refute_enqueued!(NoteLow { number: 2 }));

    assert!(nothing.ends_with("nothing is enqueued"), "{nothing}");
    assert!(count.starts_with("1 such job is enqueued, wanted 2") && count.contains("= NoteLow(1)"), "{count}");
    assert!(unwanted.contains("not wanted: NoteLow { number: 2 }") && unwanted.contains("= NoteLow(2)"), "{unwanted}");
    kiq.clear_all();
    refute_enqueued!(NoteLow);
}

/// A test that looks for a job which has failed meanwhile is told where it is.
#[tokio::test]
async fn a_failure_tells_of_jobs_that_wait_for_a_retry_or_are_dead() {
    let kiq = kiq_testing::fake();
    Hopeless::enqueue().await.unwrap();
    Hopeless::enqueue().retry(0).await.unwrap();
    kiq.drain_all().allow_failures().await.unwrap();

    let text = failure(|| assert_enqueued!(Hopeless));
    let other = failure(|| assert_enqueued!(NoteLow));

    let expected = "nothing is enqueued\n not counted: 1 × Hopeless, which waits for its retry\n not counted: 1 × Hopeless, \
                    which is dead";
    assert!(text.ends_with(expected), "{text}");
    assert!(other.ends_with("nothing is enqueued"), "{other}");
}

/// A19: the state between the enqueue and the run.
#[tokio::test]
async fn typed_jobs_can_be_looked_at_before_they_run() {
    let kiq = kiq_testing::fake().data(Log::default());
    let receipt = Note::enqueue(7).delay(MINUTE).await.unwrap();

    let jobs = kiq.jobs::<Note>();

    assert_eq!((jobs[0].job.number, jobs[0].jid(), jobs[0].delay()), (7, &receipt.jid, Some(MINUTE)));
    assert_eq!(jobs[0].at(), receipt.at);
    kiq.drain_all().await.unwrap();
    refute_enqueued!(Note);
}

/// 18.9: the inspection API works on the fake.
#[tokio::test]
async fn an_operators_view_works_on_the_fake() {
    let kiq = kiq_testing::fake();
    CompleteOrder::enqueue(7, "x", vec![]).await.unwrap();
    CompleteOrder::enqueue(8, "x", vec![]).delay(MINUTE).await.unwrap();

    let inspector = kiq.inspector();

    let stats = inspector.stats().await.unwrap();
    assert_eq!((stats.enqueued, stats.scheduled), (1, 1));
    assert_eq!(inspector.queues().await.unwrap()[0].name, "high");
    assert_eq!(inspector.queue("high", 0, 9).await.unwrap()[0].payload.as_ref().unwrap().class(), "CompleteOrder");
}

/// Two runs give one text, whatever their ids and times.
#[tokio::test]
async fn a_snapshot_is_the_same_in_every_run() {
    let kiq = kiq_testing::fake();
    let enqueue = || CompleteOrder::enqueue(7, "a \"b\"", vec![3]).delay(MINUTE);

    enqueue().await.unwrap();
    let first = kiq.snapshot();
    kiq.clear_all();
    kiq.advance(MINUTE).await.unwrap();
    enqueue().await.unwrap();

    assert_eq!(kiq.snapshot(), first);
    assert!(first.contains(r#""args": [7,"a \"b\"",[3]]"#) && first.contains(r#""delay": "60s""#), "{first}");
    kiq.clear_all();
    assert_eq!(kiq.snapshot(), "[]");
}
