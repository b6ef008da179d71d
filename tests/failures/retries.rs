//! When retries come, how many there are, and where a job goes after them.

use std::time::Duration;

use kiq::inspect::Act;
use kiq::{App, Backoff, DeadLimits, Event, JobSet, Next};
use proptest::prelude::*;

use crate::jobs::{LeaveNothing, Shop};
use crate::setup::{START, on_every_broker};

proptest! {
    /// A20: the schedule is Sidekiq's formula (wire: 7), whatever the dice say.
    #[test]
    fn the_wait_is_sidekiqs_formula(retry in 0_u32..=1000, die in any::<u64>()) {
        let mut sides = 0;
        let wait = Backoff::Sidekiq.delay(retry, |below| { sides = below; die % below });

        let count = u64::from(retry);
        prop_assert_eq!(sides, 10 * (count + 1));
        prop_assert_eq!(wait, Duration::from_secs(count.pow(4) + 15 + die % sides));
    }

    /// A20: the printed schedule says what comes, for any number of retries.
    #[test]
    fn the_printed_schedule_adds_up(retries in 0_u32..=60) {
        let schedule = Backoff::Sidekiq.schedule(retries);

        prop_assert_eq!(schedule.rows().len(), retries as usize);
        let (mut least, mut most) = (0, 0);
        for (row, count) in schedule.rows().iter().zip(0_u64..) {
            least += count.pow(4) + 15;
            most += count.pow(4) + 15 + 10 * (count + 1) - 1;
            prop_assert_eq!(row.since_first, (Duration::from_secs(least), Duration::from_secs(most)));
        }
        prop_assert_eq!(schedule.to_string().lines().count(), retries as usize + 1);
    }
}

/// A20: for people, too.
#[test]
fn the_schedule_is_printed_as_a_table() {
    let printed = Backoff::Sidekiq.schedule(3).to_string();
    let expected = [
        "retry                      wait   after the first failure",
        "    1                15s to 24s                15s to 24s",
        "    2                16s to 35s                31s to 59s",
        "    3              31s to 1m 0s             1m 2s to 1m 59s",
    ];
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(printed.lines().map(words).collect::<Vec<_>>(), expected.map(words));
}

on_every_broker! {
    /// A20, A24: what a worker writes into the retries has the class, the error, and the time by the formula, for each of the
    /// 25 retries.
    async fn every_retry_comes_when_the_formula_says(s: Setup) {
        s.push_raw("default", r#"{"class":"Shop","args":["refused"],"jid":"first","retry":true}"#).await;
        for done in 0..24 {
            s.push_raw("default", &format!(
                r#"{{"class":"Shop","args":["refused"],"jid":"{done}","retry":true,"retry_count":{done},"failed_at":1795452000.5}}"#
            )).await;
        }

        s.run(s.worker().backoff(Backoff::Sidekiq), async |events| {
            for _ in 0..25 { events.failed("Shop").await; }
        }).await;

        let retries = s.set(JobSet::Retry).await;
        assert_eq!(retries.len(), 25);
        for found in retries {
            let job = found.payload.unwrap();
            let count: u64 = job.get("retry_count").unwrap();
            let wait = found.at.unwrap().since(START).as_secs();
            let least = count.pow(4) + 15;
            assert!((least..least + 10 * (count + 1)).contains(&wait), "retry {count} after {wait} s");
            assert_eq!(job.get::<String>("error_message").as_deref(), Some("the card was refused"));
        }
    }

    /// A30: the number of retries of all jobs that do not say; those that do are left alone.
    async fn an_application_sets_the_number_of_retries(s: Setup) {
        let app = App::new().max_retries(1);
        let _ = Shop::enqueue("refused").on(&s.client).await.unwrap();
        let _ = Shop::enqueue("refused").retry(2).on(&s.client).await.unwrap();

        s.run(s.worker().app(&app), async |events| {
            for next_run in [60, 120] {
                for _ in 0..2 { events.failed("Shop").await; }
                s.clock.advance(Duration::from_secs(next_run));
            }
            let Event::Failed { next, .. } = events.failed("Shop").await else { unreachable!() };
            assert_eq!(next, Next::Dead);
        }).await;

        let mut counts: Vec<u32> =
            s.set(JobSet::Dead).await.iter().map(|found| found.payload.as_ref().unwrap().get("retry_count").unwrap()).collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 2]);
    }

    /// A21, A22: `dead = false` leaves nothing; what is dead is not tried again, however long one waits.
    async fn the_dead_are_not_tried_again_and_some_leave_nothing(s: Setup) {
        let _ = LeaveNothing::enqueue().on(&s.client).await.unwrap();
        let _ = Shop::enqueue("wrong key").on(&s.client).await.unwrap();

        s.run(s.worker(), async |events| {
            events.failed("LeaveNothing").await;
            events.failed("Shop").await;
            s.clock.advance(Duration::from_secs(60));
            let Event::Failed { next, .. } = events.failed("LeaveNothing").await else { unreachable!() };
            assert_eq!(next, Next::Discarded);
            s.clock.advance(Duration::from_secs(100 * 86_400));
            let _ = Shop::enqueue("gone").on(&s.client).await.unwrap();
            events.failed("Shop").await;
        }).await;

        let stats = s.inspector().stats().await.unwrap();
        assert_eq!((stats.dead, stats.retries, stats.unsettled()), (1, 0, 0));
    }

    /// A21: the limits of the dead set are Sidekiq's, by age and by number, and what leaves it is told.
    async fn the_dead_set_is_bounded_and_says_what_leaves_it(s: Setup) {
        let enough = 10_000;
        let receipts = kiq::enqueue_all((0..enough + 1).map(|_| Shop::new("wrong key"))).on(&s.client).await.unwrap();

        s.run(s.worker().concurrency(50), async |events| {
            events.until(|event| matches!(event, Event::Trimmed { jobs: 1 })).await;
            assert_eq!(s.inspector().stats().await.unwrap().dead, enough);
            s.clock.advance(Duration::from_secs(180 * 86_400 + 1));
            let _ = Shop::enqueue("wrong key").on(&s.client).await.unwrap();
            events.until(|event| matches!(event, Event::Trimmed { jobs } if *jobs == enough)).await;
        }).await;

        assert_eq!(receipts.len(), enough + 1);
        assert_eq!(s.inspector().stats().await.unwrap().dead, 1);
    }

    /// A21: the application may set other limits, for what operators bury as well as for what dies.
    async fn an_application_sets_the_limits_of_the_dead_set(s: Setup) {
        let app = App::new().dead_limits(DeadLimits::default().jobs(2).age(Duration::from_secs(3600)));
        let dead = async || s.inspector().stats().await.unwrap().dead;

        s.run(s.worker().app(&app).concurrency(1), async |events| {
            let _ = kiq::enqueue_all((0..3).map(|_| Shop::new("wrong key"))).on(&s.client).await.unwrap();
            events.until(|event| matches!(event, Event::Trimmed { jobs: 1 })).await;
            assert_eq!(dead().await, 2);
            s.clock.advance(Duration::from_secs(3601));
            let _ = Shop::enqueue("wrong key").on(&s.client).await.unwrap();
            events.until(|event| matches!(event, Event::Trimmed { jobs: 2 })).await;
        }).await;
        assert_eq!(dead().await, 1);

        for _ in 0..3 {
            let _ = Shop::enqueue("refused").delay(Duration::from_secs(60)).on(&s.client).await.unwrap();
        }
        for found in s.set(JobSet::Scheduled).await {
            let _ = s.inspector().act(&found, Act::Kill).await.unwrap();
        }
        assert_eq!(dead().await, 2);
    }

    /// A27: every attempt's error is kept, and the last with its causes.
    async fn the_errors_of_all_attempts_are_kept(s: Setup) {
        s.push_raw("default", r#"{"class":"Shop","args":["unreachable"],"jid":"a","retry":true,"retry_count":1,"failed_at":1795452000.5,"retried_at":1795452100.5,"error_class":"Net::ReadTimeout","error_message":"Ruby was here"}"#).await;

        s.run(s.worker(), async |events| {
            for next_run in [180, 240, 300] {
                events.failed("Shop").await;
                s.clock.advance(Duration::from_secs(next_run));
            }
            events.failed("Shop").await;
        }).await;

        let job = s.set(JobSet::Retry).await.remove(0).payload.unwrap();
        let past: Vec<_> = job.past_errors().into_iter().map(|error| (error.class, error.message, error.times)).collect();
        assert_eq!(past[0], ("Net::ReadTimeout".to_owned(), "Ruby was here".to_owned(), 1));
        assert_eq!((past[1].1.as_str(), past[1].2), ("the service does not answer", 3));
        assert_eq!(past.len(), 2);
    }
}
