//! Processes go away: what they held comes back, and what they say afterwards changes nothing.

use kiq::broker::{Reclaimed, Settled, Settlement};
use kiq::{JobSet, Payload};

use crate::setup::{APPLIED, START, beat, on_every_broker, payloads};

on_every_broker! {
    async fn the_jobs_of_a_lost_process_run_next_in_their_order(s: Setup) {
        s.push(&["a", "b", "c", "d"]).await;
        let lost = s.process().await;
        let units = lost.fetch(2).await;
        lost.settle(&units[0], Settlement::Done).await;
        lost.fetch(1).await;
        s.lose(&lost);
        let other = s.process().await;

        let mut found = other.consumer.reclaim().await.unwrap();

        found.retain(|reclaimed| reclaimed.jobs > 0);
        let one = Reclaimed { owner: lost.identity.to_string(), queue: "q".to_owned(), jobs: 1 };
        assert_eq!(found, [one.clone(), one]);
        let mut queue = s.queue("q").await;
        // The last batch of two may come back before or behind the first.
        queue[..2].sort();
        assert_eq!(queue, ["b", "c", "d"]);
        assert_eq!(s.numbers().await, (1, 0, 0));
        assert!(other.consumer.reclaim().await.unwrap().is_empty());
    }

    async fn a_living_process_keeps_its_jobs(s: Setup) {
        s.push(&["a"]).await;
        let (one, two) = (s.process().await, s.process().await);
        let units = one.fetch(1).await;

        assert!(two.consumer.reclaim().await.unwrap().is_empty());
        assert!(one.consumer.reclaim().await.unwrap().is_empty());

        assert_eq!(one.settle(&units[0], Settlement::Done).await, APPLIED);
    }

    async fn a_late_owner_changes_nothing(s: Setup) {
        s.push(&["a", "b"]).await;
        let late = s.process().await;
        let units = late.fetch(2).await;
        s.lose(&late);
        let other = s.process().await;
        other.consumer.reclaim().await.unwrap();
        let taken = other.fetch(2).await;
        assert_eq!(payloads(&taken), ["a", "b"]);
        // It wakes up, and renews its lease before it reports.
        late.consumer.beat(&beat()).await.unwrap();

        assert_eq!(late.settle(&units[0], Settlement::Done).await, Settled::Stale);
        let retry = Settlement::Retry { payload: "b2".into(), at: START };
        assert_eq!(late.settle(&units[1], retry).await, Settled::Stale);
        assert_eq!(late.consumer.give_back(&units).await.unwrap(), 0);

        assert_eq!(s.numbers().await, (0, 0, 2));
        assert!(s.set(JobSet::Retry).await.is_empty());
        assert!(s.queue("q").await.is_empty());
        for unit in &taken {
            assert_eq!(other.settle(unit, Settlement::Done).await, APPLIED);
        }
        assert_eq!(s.numbers().await, (2, 0, 0));
    }

    async fn many_may_reclaim_at_once_and_each_job_comes_back_once(s: Setup) {
        let all: Vec<String> = (0..100).map(|n| format!("{n:03}")).collect();
        s.push(&all.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let lost = s.process().await;
        for _ in 0..20 {
            assert_eq!(lost.fetch(5).await.len(), 5);
        }
        s.lose(&lost);
        let (one, two, three) = (s.process().await, s.process().await, s.process().await);

        let (a, b, c) = tokio::join!(one.consumer.reclaim(), two.consumer.reclaim(), three.consumer.reclaim());

        let found: usize = [a, b, c].into_iter().flat_map(Result::unwrap).map(|reclaimed| reclaimed.jobs).sum();
        assert_eq!(found, 100);
        let mut queue = s.queue("q").await;
        queue.sort();
        assert_eq!(queue, all);
    }

    async fn one_who_leaves_gives_everything_back_at_once(s: Setup) {
        s.push(&["a", "b", "c"]).await;
        let process = s.process().await;
        let units = process.fetch(2).await;
        process.settle(&units[0], Settlement::Done).await;

        process.consumer.leave().await.unwrap();

        assert_eq!(s.queue("q").await, ["b", "c"]);
        let stats = s.broker.stats().await.unwrap();
        assert_eq!((stats.in_flight, stats.processes), (0, 0));
    }

    async fn a_job_of_a_lost_process_comes_back_as_a_suspect_and_counts_on_when_it_is_marked(s: Setup) {
        let job = r#"{"class":"A","args":[1.10],"jid":"a"}"#;
        s.push(&[job]).await;
        let first = s.process().await;
        let units = first.fetch(1).await;
        s.lose(&first);
        let second = s.process().await;
        second.consumer.reclaim().await.unwrap();

        let units_again = second.fetch(1).await;
        let suspect = Payload::parse(&units_again[0].payload).unwrap();
        assert_eq!(suspect.deaths(), Some(1));
        assert_eq!(suspect.args().get(), "[1.10]");
        let marked = String::from_utf8(units_again[0].payload.to_vec()).unwrap().replace("\"deaths\":1", "\"deaths\":2");
        assert_eq!(second.consumer.mark(&units_again[0], &marked).await.unwrap(), APPLIED);
        assert_eq!(first.consumer.mark(&units[0], "x").await.unwrap(), Settled::Stale);
        s.lose(&second);
        let third = s.process().await;
        third.consumer.reclaim().await.unwrap();

        assert_eq!(payloads(&third.fetch(1).await), [marked]);
    }
}
