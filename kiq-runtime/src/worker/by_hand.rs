//! A worker that a test drives: it does one step when told, in the caller's task. No threads, no loops, no signals.
//!
//! The steps are the worker's own: what runs here runs as in production, with the same state, retry rules and verdicts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::{Identity, Reclaimed, UnitOfWork};
use crate::error::BrokerError;
use crate::events::Event;
use crate::job::{Failure, JobContext, Payload};

use super::perform::Ended;
use super::watchdog::Pulse;
use super::{Shared, Worker, heartbeat, perform, poller, settle};

/// A worker driven by hand, made by [`WorkerBuilder::by_hand`](super::WorkerBuilder::by_hand).
///
/// It owns nothing until its first [`beat`](ByHand::beat). Dropping it is how its process dies: what it held stays its own until
/// its lease has run out by the clock.
///
/// # Examples
/// ```standalone_crate
/// use kiq::{Client, Clock, Event, MemoryBroker, Timestamp, Worker};
/// use std::sync::Arc;
///
/// #[kiq::job]
/// async fn send_welcome(user_id: u64) { let _ = user_id; }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let clock = Clock::manual(Timestamp::from_micros(0));
/// let store = MemoryBroker::new(clock.clone());
/// let client = Client::new(Arc::new(store.clone())).with_clock(clock);
/// SendWelcome::enqueue(7).on(&client).await?;
///
/// let worker = Worker::builder().client(client).by_hand()?;
/// worker.beat().await?;
/// let unit = store.take_first(worker.identity(), |_, _| true)?.ok_or("no job")?;
/// assert!(matches!(worker.perform(unit).await, Some(Event::Done { .. })));
/// # Ok(())
/// # }
/// ```
pub struct ByHand {
    shared: Arc<Shared>,
    identity: Identity,
}

impl ByHand {
    pub(super) fn of(worker: Worker) -> Self {
        let identity = Identity::of_this_process();
        ByHand { shared: worker.share(identity.clone(), true), identity }
    }

    /// Its name among the owners of jobs.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// For how long it owns what it takes after a [`beat`](ByHand::beat).
    pub fn lease(&self) -> Duration {
        self.shared.tuning.lease
    }

    /// A heartbeat: renews the lease.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn beat(&self) -> Result<(), BrokerError> {
        self.shared.consumer.beat(&heartbeat::words(&self.shared)).await.map(drop)
    }

    /// Runs a job and settles it. Answers what was told of its end; `None` when it was another process's before it began.
    ///
    /// # Cancel safety
    /// Dropping it is the death of the process in the middle of the job: nothing is settled.
    pub async fn perform(&self, unit: UnitOfWork) -> Option<Event> {
        let ended = perform::perform(&self.shared, &unit, &Pulse::default()).await;
        self.end(unit, ended).await
    }

    /// Settles a job, whose [`perform`](ByHand::perform) was dropped, as one that ran out of its time there.
    pub async fn time_out(&self, unit: UnitOfWork) -> Option<Event> {
        let ended = match Payload::parse(&unit.payload) {
            Ok(payload) => {
                let stopping = self.shared.controls.stopping.subscribe();
                let state = self.shared.state.clone();
                let job = JobContext::new(payload, Arc::clone(&unit.queue), state, None, stopping);
                let failure = Failure::new("kiq::Timeout", "stopped where it awaited");
                Ended::Ran {
                    job,
                    result: Err(failure),
                    elapsed: Duration::ZERO,
                    span: tracing::Span::none(),
                    alone: None,
                }
            }
            Err(error) => Ended::NotAJob(error),
        };
        self.end(unit, ended).await
    }

    /// Puts a job back where it was taken from, as if it had never been: one whose [`perform`](ByHand::perform) was dropped by
    /// somebody who has grown tired of waiting, say. One that was settled stays settled.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn give_back(&self, unit: &UnitOfWork) -> Result<(), BrokerError> {
        self.shared.consumer.give_back(std::slice::from_ref(unit)).await.map(drop)
    }

    /// Moves what is due to its queues.
    pub async fn promote(&self) {
        poller::poll(&self.shared).await;
    }

    /// Puts back what processes hold whose lease has run out.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn reclaim(&self) -> Result<Vec<Reclaimed>, BrokerError> {
        self.shared.consumer.reclaim().await
    }

    async fn end(&self, unit: UnitOfWork, ended: Ended) -> Option<Event> {
        let jid = match &ended {
            Ended::Ran { job, .. } => Some(job.jid().clone()),
            Ended::Poison(payload) => Some(payload.jid().clone()),
            Ended::NotAJob(_) => None,
            Ended::TakenOver => return None,
        };
        let mut told = self.shared.events.listen();
        settle::settle(&self.shared, unit, ended).await;
        self.shared.acks.flush(&self.shared).await;
        // Jobs that others run with this worker meanwhile are told of here, too.
        std::iter::from_fn(|| told.next_told()).find(|event| match event {
            Event::Done { job, .. } | Event::Stale { job, .. } | Event::Failed { job, .. } => {
                Some(job.jid()) == jid.as_ref()
            }
            Event::Poison { jid: poisonous, .. } => Some(poisonous) == jid.as_ref(),
            Event::NotAJob { .. } => jid.is_none(),
            _ => false,
        })
    }
}

impl fmt::Debug for ByHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ByHand({})", self.identity)
    }
}
