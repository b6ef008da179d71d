//! Time passes: due jobs go to their queues, once, and what is no job to the dead.

use std::time::Duration;

use kiq::broker::{Promotion, Settlement};
use kiq::{JobSet, Payload};

use crate::setup::{START, at, on_every_broker};

fn job(jid: &str, fields: &str) -> String {
    format!(r#"{{"class":"A","args":[1.10],"jid":"{jid}","queue":"q"{fields},"created_at":1795452000.5}}"#)
}

on_every_broker! {
    async fn what_is_due_moves_and_the_rest_says_when(s: Setup) {
        let minute = Duration::from_secs(60);
        s.push_all(&[at(START + minute, &job("later", "")), at(START, &job("now", r#","at":1.5,"x":[1e400]"#))]).await;

        let promotion = s.broker.promote(100).await.unwrap();

        assert_eq!(promotion, Promotion { moved: 1, buried: 0, next_in: Some(minute) });
        let moved = s.queue("q").await.remove(0);
        let moved = Payload::parse(moved.as_bytes()).unwrap();
        assert_eq!(moved.jid().as_str(), "now");
        assert_eq!(moved.enqueued_at(), Some(START));
        assert_eq!(moved.args().get(), "[1.10]");
        assert_eq!(moved.raw("x").unwrap().get(), "[1e400]");
        assert!(moved.raw("at").is_none());
        s.clock.advance(minute);
        assert_eq!(s.broker.promote(100).await.unwrap(), Promotion { moved: 1, buried: 0, next_in: None });
        assert_eq!(s.broker.promote(100).await.unwrap(), Promotion::default());
    }

    async fn a_retry_goes_back_to_the_queue_it_names(s: Setup) {
        s.push(&["x"]).await;
        let process = s.process().await;
        let units = process.fetch(1).await;
        let payload = job("again", r#","retry_count":0"#).replace(r#""queue":"q""#, r#""queue":"other""#);
        process.settle(&units[0], Settlement::Retry { payload, at: START }).await;

        assert_eq!(s.broker.promote(100).await.unwrap().moved, 1);

        assert_eq!(s.queue("other").await.len(), 1);
        // It is listed, though nothing was ever pushed to it.
        assert_eq!(s.broker.stats().await.unwrap().enqueued, 1);
        assert!(s.set(JobSet::Retry).await.is_empty());
    }

    async fn a_limit_leaves_the_rest_due(s: Setup) {
        let jobs: Vec<_> = (0..250).map(|n| at(START, &job(&n.to_string(), ""))).collect();
        s.push_all(&jobs).await;

        let promotion = s.broker.promote(100).await.unwrap();
        assert_eq!(promotion, Promotion { moved: 100, buried: 0, next_in: Some(Duration::ZERO) });

        let (one, two) = tokio::join!(s.broker.promote(100), s.broker.promote(100));
        let moved = one.unwrap().moved + two.unwrap().moved + s.broker.promote(100).await.unwrap().moved;
        assert_eq!(moved, 150);
        assert_eq!(s.queue("q").await.len(), 250);
    }

    async fn what_is_no_job_goes_to_the_dead_as_it_is(s: Setup) {
        s.push_all(&[at(START, "{oops"), at(START, ""), at(START, &job("a", ""))]).await;

        let promotion = s.broker.promote(100).await.unwrap();

        assert_eq!((promotion.moved, promotion.buried), (1, 2));
        let mut dead: Vec<String> = s.set(JobSet::Dead).await.into_iter().map(|(_, payload)| payload).collect();
        dead.sort();
        assert_eq!(dead, ["", "{oops"]);
        assert!(s.set(JobSet::Scheduled).await.is_empty());
    }

    async fn a_queue_that_cannot_be_used_is_the_default(s: Setup) {
        let odd = [r#""queue":"no good""#, r#""queue":7"#, r#""queue":"""#];
        for queue in odd {
            s.push_all(&[at(START, &job("a", "").replace(r#""queue":"q""#, queue))]).await;
        }

        assert_eq!(s.broker.promote(100).await.unwrap().moved, 3);

        assert_eq!(s.queue("default").await.len(), 3);
    }
}
