//! A store that hands over more than there is room for, and forgets to answer when it is given back.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kiq::broker::{
    Arrival, Beat, Broker, ClassRuns, Consumer, DeadLimits, Front, Heard, Identity, NewJob, Presence, Promotion,
    PushError, Pushed, Reclaimed, Replicas, Settled, Settlement, UnitOfWork, Waiter,
};
use kiq::{BoxFuture, BrokerError, Client, Event, MemoryBroker, Timestamp};

use crate::jobs::Note;
use crate::setup::Setup;

type Answer<'a, T> = BoxFuture<'a, Result<T, BrokerError>>;

/// How a give-back fails, the first times.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// It is carried out, and the answer lost.
    Unanswered,
    /// It is refused.
    Refused,
}

#[derive(Clone, Debug)]
struct Generous {
    store: MemoryBroker,
    trouble: Trouble,
    left: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Process {
    inner: Arc<dyn Consumer>,
    broker: Generous,
}

struct Hand {
    consumer: Arc<dyn Consumer>,
    inner: Box<dyn Waiter>,
}

impl fmt::Debug for Hand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hand")
    }
}

impl Broker for Generous {
    fn push<'a>(&'a self, jobs: &'a [NewJob]) -> BoxFuture<'a, Vec<Result<Pushed, PushError>>> {
        self.store.push(jobs)
    }
    fn push_durably<'a>(&'a self, jobs: &'a [NewJob], to: Replicas) -> BoxFuture<'a, Vec<Result<Pushed, PushError>>> {
        self.store.push_durably(jobs, to)
    }
    fn promote(&self, limit: usize) -> Answer<'_, Promotion> {
        self.store.promote(limit)
    }
    fn attach(&self, identity: Identity) -> Arc<dyn Consumer> {
        Arc::new(Process { inner: self.store.attach(identity), broker: self.clone() })
    }
    fn limit_dead(&self, limits: DeadLimits) {
        self.store.limit_dead(limits);
    }
    fn check(&self) -> Answer<'_, Vec<String>> {
        self.store.check()
    }
    fn place(&self) -> String {
        self.store.place()
    }
}

impl Front for Generous {
    fn behind(&self) -> &dyn Broker {
        &self.store
    }
}

impl Presence for Process {
    fn beat<'a>(&'a self, beat: &'a Beat) -> Answer<'a, Heard> {
        self.inner.beat(beat)
    }
    fn record<'a>(&'a self, runs: &'a [ClassRuns], at: Timestamp) -> Answer<'a, ()> {
        self.inner.record(runs, at)
    }
    fn unfit(&self) -> Answer<'_, Option<String>> {
        self.inner.unfit()
    }
    fn leave(&self) -> Answer<'_, ()> {
        self.inner.leave()
    }
}

impl Consumer for Process {
    fn fetch<'a>(&'a self, _: &'a [String], _: usize) -> Answer<'a, Vec<UnitOfWork>> {
        // All are handed over.
        Box::pin(async { Ok(Vec::new()) })
    }
    fn waiter(&self) -> Box<dyn Waiter> {
        Box::new(Hand { consumer: Arc::clone(&self.inner), inner: self.inner.waiter() })
    }
    fn settle<'a>(&'a self, unit: &'a UnitOfWork, end: &'a Settlement) -> Answer<'a, Settled> {
        self.inner.settle(unit, end)
    }
    fn ack<'a>(&'a self, units: &'a [UnitOfWork]) -> Answer<'a, Vec<Settled>> {
        self.inner.ack(units)
    }
    fn mark<'a>(&'a self, unit: &'a UnitOfWork, payload: &'a str) -> Answer<'a, Settled> {
        self.inner.mark(unit, payload)
    }
    fn give_back<'a>(&'a self, units: &'a [UnitOfWork]) -> Answer<'a, usize> {
        Box::pin(async move {
            let left = &self.broker.left;
            if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
                return self.inner.give_back(units).await;
            }
            let server = "here".to_owned();
            match self.broker.trouble {
                Trouble::Unanswered => {
                    self.inner.give_back(units).await?;
                    Err(BrokerError::Unavailable { server, source: "the answer is lost".into() })
                }
                Trouble::Refused => {
                    Err(BrokerError::Refused { server, code: "NOPERM".to_owned(), reason: "no".to_owned() })
                }
            }
        })
    }
    fn reclaim(&self) -> Answer<'_, Vec<Reclaimed>> {
        self.inner.reclaim()
    }
}

impl Waiter for Hand {
    fn wait<'a>(&'a mut self, queues: &'a [String], patience: Duration) -> BoxFuture<'a, Arrival> {
        Box::pin(async move {
            self.inner.wait(queues, patience).await;
            // Three at once, whatever there is room for.
            Arrival { units: self.consumer.fetch(queues, 3).await.unwrap_or_default(), look: false }
        })
    }
    fn rest(&mut self) -> BoxFuture<'_, Vec<UnitOfWork>> {
        self.inner.rest()
    }
    fn is_armed(&self) -> bool {
        false
    }
}

/// Three jobs for one processor. Answers how many were given back, event by event.
async fn hand_over(trouble: Trouble) -> Vec<usize> {
    let s = Setup::memory();
    let store = Generous { store: MemoryBroker::new(s.clock.clone()), trouble, left: Arc::new(AtomicUsize::new(3)) };
    let client = Client::new(Arc::new(store)).with_clock(s.clock.clone());
    let _receipts = kiq::enqueue_all((0..3).map(|n| Note::new(n.to_string()))).on(&client).await.unwrap();
    let mut given_back = Vec::new();

    s.run(s.worker().client(client.clone()).concurrency(1), async |events| {
        for _ in 0..3 {
            events.done("Note").await;
        }
        given_back.extend(events.seen().iter().filter_map(|event| match event {
            Event::GivenBack { jobs } => Some(*jobs),
            _ => None,
        }));
    })
    .await;

    let mut ran = s.notes.all();
    ran.sort();
    assert_eq!(ran, ["0", "1", "2"], "each job runs once");
    let stats = kiq::Inspector::new(&client).stats().await.unwrap();
    assert_eq!((stats.processed, stats.unsettled()), (3, 0));
    given_back
}

#[tokio::test]
async fn what_may_have_been_given_back_is_not_begun_here() {
    let given_back = hand_over(Trouble::Unanswered).await;
    assert_eq!(given_back.first(), Some(&2), "{given_back:?}");
}

#[tokio::test]
async fn what_cannot_be_given_back_is_performed_here() {
    // All at once is refused, and so is each by itself.
    let given_back = hand_over(Trouble::Refused).await;
    assert!(given_back.is_empty(), "{given_back:?}");
}
