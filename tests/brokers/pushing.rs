//! Jobs go in: to the queues, in order, and into the schedule.

use std::time::Duration;

use kiq::JobSet;
use kiq::broker::QueueState;

use crate::setup::{START, at, on_every_broker, to};

on_every_broker! {
    async fn jobs_wait_in_the_order_they_were_pushed(s: Setup) {
        s.push(&["a", "b"]).await;
        s.push(&["c"]).await;

        assert_eq!(s.queue("q").await, ["a", "b", "c"]);
        let page = s.broker.queue_page("q", 1, 1).await.unwrap();
        assert_eq!(crate::setup::texts(page), ["b"]);
        assert!(s.broker.queue_page("q", 3, 5).await.unwrap().is_empty());
        assert!(s.broker.queue_page("q", 0, 0).await.unwrap().is_empty());
        assert!(s.broker.queue_page("nothing here", 0, 5).await.unwrap().is_empty());
    }

    async fn one_push_may_go_to_many_places(s: Setup) {
        let later = START + Duration::from_secs(60);
        s.push_all(&[to("q", "a"), at(later, "d"), to("other", "b"), at(START, "e"), to("q", "c")]).await;

        assert_eq!(s.queue("q").await, ["a", "c"]);
        assert_eq!(s.queue("other").await, ["b"]);
        assert_eq!(s.set(JobSet::Scheduled).await, [(START, "e".to_owned()), (later, "d".to_owned())]);
        let state = |(name, size, next): (&str, usize, &str)| QueueState {
            name: name.to_owned(),
            size,
            is_paused: false,
            next: Some(next.as_bytes().to_vec()),
        };
        assert_eq!(s.broker.queues().await.unwrap(), [("other", 1, "b"), ("q", 2, "a")].map(state));
        let stats = s.broker.stats().await.unwrap();
        assert_eq!((stats.enqueued, stats.scheduled, stats.unsettled()), (3, 2, 5));
    }

    async fn nothing_pushed_is_nothing_done(s: Setup) {
        assert!(s.broker.push(&[]).await.is_empty());
        assert!(s.broker.queues().await.unwrap().is_empty());
        assert_eq!(s.broker.stats().await.unwrap(), kiq::Stats::default());
        assert!(s.broker.check().await.is_ok());
    }
}
