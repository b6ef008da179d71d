//! Jobs go out: oldest first, queue by queue, to a process with a lease.

use std::time::Duration;

use kiq::BrokerError;
use kiq::broker::Identity;

use crate::setup::{on_every_broker, payloads, to};

on_every_broker! {
    async fn the_oldest_are_fetched_and_are_then_in_flight(s: Setup) {
        s.push(&["a", "b", "c"]).await;
        let process = s.process().await;

        assert_eq!(payloads(&process.fetch(2).await), ["a", "b"]);

        assert_eq!(s.queue("q").await, ["c"]);
        assert_eq!(s.numbers().await, (0, 0, 2));
        assert_eq!(payloads(&process.fetch(5).await), ["c"]);
        assert!(process.fetch(5).await.is_empty());
        assert_eq!(s.numbers().await, (0, 0, 3));
    }

    async fn queues_are_asked_in_the_given_order(s: Setup) {
        s.push_all(&[to("low", "l1"), to("high", "h1"), to("high", "h2"), to("mid", "m1")]).await;
        let process = s.process().await;
        let queues = ["high", "mid", "low"].map(str::to_owned);

        let mut fetched = Vec::new();
        loop {
            let units = process.consumer.fetch(&queues, 3).await.unwrap();
            if units.is_empty() { break }
            assert!(units.len() <= 3);
            fetched.extend(units.into_iter().map(|unit| (unit.queue.to_string(), String::from_utf8(unit.payload.to_vec()).unwrap())));
        }

        let expected = [("high", "h1"), ("high", "h2"), ("mid", "m1"), ("low", "l1")];
        assert_eq!(fetched, expected.map(|(queue, payload)| (queue.to_owned(), payload.to_owned())));
    }

    async fn a_process_without_a_lease_gets_nothing(s: Setup) {
        s.push(&["a"]).await;
        let nobody = s.broker.attach(Identity::of_this_process());
        let lost = nobody.fetch(&["q".to_owned()], 1).await;
        assert!(matches!(lost, Err(BrokerError::LeaseLost)), "{lost:?}");

        let process = s.process().await;
        s.lose(&process);
        let lost = process.consumer.fetch(&["q".to_owned()], 1).await;
        assert!(matches!(lost, Err(BrokerError::LeaseLost)), "{lost:?}");

        assert_eq!(s.queue("q").await, ["a"]);
        process.consumer.beat(&crate::setup::beat()).await.unwrap();
        assert_eq!(process.fetch(1).await.len(), 1);
    }

    async fn two_processes_never_get_the_same_job(s: Setup) {
        let all: Vec<String> = (0..200).map(|n| format!("{n:03}")).collect();
        s.push(&all.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let (one, two) = (s.process().await, s.process().await);

        let drain = async |process: &crate::setup::Process| {
            let mut seen = Vec::new();
            loop {
                let units = process.fetch(7).await;
                if units.is_empty() { return seen }
                seen.extend(payloads(&units));
            }
        };
        let (mut seen, more) = tokio::join!(drain(&one), drain(&two));

        seen.extend(more);
        seen.sort();
        assert_eq!(seen, all);
    }

    async fn waiting_ends_when_a_job_comes(s: Setup) {
        let process = s.process().await;
        let hour = Duration::from_secs(3600);

        let push = async {
            tokio::task::yield_now().await;
            s.push(&["a"]).await;
        };
        let (units, ()) = tokio::join!(process.wait_and_fetch(&["empty", "q"], hour), push);
        assert_eq!(payloads(&units), ["a"]);

        // And again, for a job that came before the wait began.
        s.push(&["b"]).await;
        assert_eq!(payloads(&process.wait_and_fetch(&["empty", "q"], hour).await), ["b"]);
        assert_eq!(s.numbers().await, (0, 0, 2));
    }

    async fn waiting_for_nothing_ends_with_the_patience(s: Setup) {
        let process = s.process().await;
        let many: Vec<String> = (0..40).map(|n| format!("q{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for queues in [&["q"], many.as_slice()] {
            assert!(process.wait(queues, Duration::from_millis(1)).await.is_empty());
        }
        assert!(process.fetch(1).await.is_empty());
        assert_eq!(s.numbers().await, (0, 0, 0));
    }
}
