//! Jobs end: in one step with the counters, once, and only by the one who owns them.

use std::time::Duration;

use kiq::JobSet;
use kiq::broker::{DEAD_SET_AGE, DEAD_SET_LIMIT, Settled, Settlement};

use crate::setup::{APPLIED, START, beat, on_every_broker, payloads};

on_every_broker! {
    async fn each_end_counts_and_leaves_what_it_says(s: Setup) {
        s.push(&["a", "b", "c", "d", "e"]).await;
        let process = s.process().await;
        let units = process.fetch(5).await;
        let later = START + Duration::from_secs(60);

        assert_eq!(process.settle(&units[0], Settlement::Done).await, APPLIED);
        assert_eq!(s.numbers().await, (1, 0, 4));
        assert_eq!(process.settle(&units[1], Settlement::Retry { payload: "b2".into(), at: later }).await, APPLIED);
        assert_eq!(s.numbers().await, (2, 1, 3));
        assert_eq!(process.settle(&units[2], Settlement::Dead { payload: "c2".into(), at: START }).await, APPLIED);
        assert_eq!(s.numbers().await, (3, 2, 2));
        assert_eq!(process.settle(&units[3], Settlement::Discarded).await, APPLIED);
        assert_eq!(s.numbers().await, (4, 3, 1));
        assert_eq!(process.settle(&units[4], Settlement::NotAJob { at: later }).await, APPLIED);
        assert_eq!(s.numbers().await, (4, 3, 0));

        assert_eq!(s.set(JobSet::Retry).await, [(later, "b2".to_owned())]);
        assert_eq!(s.set(JobSet::Dead).await, [(START, "c2".to_owned()), (later, "e".to_owned())]);
        assert!(s.queue("q").await.is_empty());
    }

    async fn a_second_settlement_changes_nothing(s: Setup) {
        s.push(&["a", "b"]).await;
        let process = s.process().await;
        let units = process.fetch(2).await;

        assert_eq!(process.settle(&units[0], Settlement::Done).await, APPLIED);
        let again = Settlement::Retry { payload: "a2".into(), at: START };
        assert_eq!(process.settle(&units[0], again.clone()).await, Settled::Stale);
        assert_eq!(process.settle(&units[1], Settlement::Done).await, APPLIED);
        assert_eq!(process.settle(&units[1], again).await, Settled::Stale);

        assert_eq!(s.numbers().await, (2, 0, 0));
        assert!(s.set(JobSet::Retry).await.is_empty());
    }

    async fn what_is_acknowledged_of_a_batch_does_not_come_back(s: Setup) {
        let (lost, other) = (s.process().await, s.process().await);
        s.push(&["a", "b", "c", "d"]).await;
        let units = lost.fetch(4).await;
        // The head, and one that is not at the head.
        for done in [0, 2] {
            assert_eq!(lost.consumer.ack(&units[done..=done]).await.unwrap(), [APPLIED]);
        }

        s.lose(&lost);
        other.consumer.beat(&beat()).await.unwrap();
        other.consumer.reclaim().await.unwrap();

        assert_eq!(s.queue("q").await, ["b", "d"]);
        assert_eq!(s.numbers().await, (2, 0, 0));
    }

    async fn what_is_given_back_of_a_batch_comes_back_once(s: Setup) {
        let (lost, other) = (s.process().await, s.process().await);
        s.push(&["a", "b"]).await;
        let units = lost.fetch(2).await;
        assert_eq!(lost.consumer.give_back(&units[..1]).await.unwrap(), 1);

        s.lose(&lost);
        other.consumer.beat(&beat()).await.unwrap();
        other.consumer.reclaim().await.unwrap();

        assert_eq!(s.queue("q").await, ["b", "a"]);
    }

    async fn an_empty_payload_is_settled_like_any_other(s: Setup) {
        s.push(&["", "a", ""]).await;
        let process = s.process().await;
        let units = process.fetch(3).await;
        assert_eq!(payloads(&units), ["", "a", ""]);

        for unit in &units {
            assert_eq!(process.settle(unit, Settlement::NotAJob { at: START }).await, APPLIED);
        }

        assert_eq!(s.numbers().await, (0, 0, 0));
    }

    async fn what_is_given_back_runs_next_in_its_order(s: Setup) {
        s.push(&["a", "b", "c", "d", "e"]).await;
        let process = s.process().await;
        let mut units = process.fetch(2).await;
        units.extend(process.fetch(2).await);
        process.settle(&units[1], Settlement::Done).await;

        assert_eq!(process.consumer.give_back(&units).await.unwrap(), 3);

        assert_eq!(s.queue("q").await, ["a", "c", "d", "e"]);
        assert_eq!(s.numbers().await, (1, 0, 0));
        assert_eq!(process.consumer.give_back(&units).await.unwrap(), 0);
        assert_eq!(process.settle(&units[0], Settlement::Done).await, Settled::Stale);
    }

    async fn the_dead_set_is_trimmed_by_age_and_number(s: Setup) {
        s.push(&["old", "new", "newest"]).await;
        let process = s.process().await;
        let units = process.fetch(3).await;
        process.settle(&units[0], Settlement::Dead { payload: "old".into(), at: START }).await;
        s.clock.advance(DEAD_SET_AGE + Duration::from_secs(1));
        process.consumer.beat(&crate::setup::beat()).await.unwrap();
        let now = s.clock.now();

        let settled = process.settle(&units[1], Settlement::Dead { payload: "new".into(), at: now }).await;
        assert_eq!(settled, Settled::Applied { trimmed: 1 });
        assert_eq!(s.set(JobSet::Dead).await, [(now, "new".to_owned())]);

        let many: Vec<String> = (0..DEAD_SET_LIMIT).map(|n| n.to_string()).collect();
        s.push(&many.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let bury = async |unit: &kiq::broker::UnitOfWork| {
            let payload = String::from_utf8(unit.payload.to_vec()).unwrap();
            process.settle(unit, Settlement::Dead { payload, at: now + Duration::from_secs(1) }).await
        };
        let units = process.fetch(DEAD_SET_LIMIT).await;
        for unit in units.iter().take(DEAD_SET_LIMIT - 1) {
            assert_eq!(bury(unit).await, APPLIED);
        }
        assert_eq!(bury(units.last().unwrap()).await, Settled::Applied { trimmed: 1 });
        let stats = s.broker.stats().await.unwrap();
        assert_eq!(stats.dead, DEAD_SET_LIMIT);
        assert!(!s.set(JobSet::Dead).await.iter().any(|(_, payload)| payload == "new"));
    }
}
