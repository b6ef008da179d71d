//! Finds jobs for the processors of a capsule, ahead of their need, and is patient in an outage.
//!
//! Not its affair: what a job is, what becomes of it, and how far ahead (`prefetch.rs`).

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::broker::{UnitOfWork, Waiter};
use crate::clock::instant;
use crate::error::BrokerError;
use crate::events::Event;
use crate::random;

use super::desk::Desk;
use super::order::QueueOrder;
use super::pauses::Pauses;
use super::prefetch::Prefetch;
use super::{LONGEST_PAUSE, Phase, Shared};

/// How long to wait for a job before asking again. A job makes itself heard; this is for what nobody thought of.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the store may take to end a wait, when the worker turns quiet.
const LAST_REST: Duration = Duration::from_secs(1);

/// The first pause after the store did not answer.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// When no processor has taken one of the jobs at hand for so long, they are given back: slow jobs followed quick ones, and
/// another process may be idle.
const STUCK: Duration = Duration::from_millis(100);

pub(super) struct Fetcher {
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    order: QueueOrder,
    /// Queues that an operator paused, as the last heartbeat heard.
    paused: watch::Receiver<Vec<String>>,
    prefetch: Prefetch,
    waiter: Box<dyn Waiter>,
    /// The next fetch is only a look beside the wait for jobs, which goes on.
    is_waiting: bool,
    /// `None` while the store answers.
    outage: Option<Duration>,
}

impl Fetcher {
    pub(super) fn new(shared: Arc<Shared>, desk: Arc<Desk>, order: QueueOrder, concurrency: usize) -> Self {
        let (waiter, paused) = (shared.consumer.waiter(), shared.paused.subscribe());
        let prefetch = Prefetch::new(concurrency);
        Fetcher { shared, desk, order, paused, prefetch, waiter, is_waiting: false, outage: None }
    }

    /// Until the worker is quiet. What is at hand then goes back to its queues.
    pub(super) async fn run(mut self) {
        self.first_beat().await;
        self.paused.mark_changed();
        while let Some(wanted) = self.wanted().await {
            let started = instant();
            match self.fetch(wanted).await {
                Ok(units) => {
                    let bytes = units.iter().map(|unit| unit.payload.len()).sum();
                    self.prefetch.note_fetch(started.elapsed(), units.len(), bytes);
                    self.store_answers();
                    if units.is_empty() {
                        self.wait_for_jobs().await;
                    } else {
                        self.is_waiting = false;
                        self.desk.put(units);
                    }
                }
                Err(error) => {
                    if matches!(error, BrokerError::LeaseLost) {
                        self.shared.beat_soon.notify_one();
                        // Others have taken these over, or may at any moment; what is still ours goes back.
                        self.give_back(self.desk.clear()).await;
                    }
                    self.sit_out(error).await;
                }
            }
        }
        self.end_waiting().await;
        self.give_back(self.desk.clear()).await;
    }

    /// Fetches. Jobs that the store still hands over meanwhile are taken, too, so that none waits for the end of a backlog.
    async fn fetch(&mut self, wanted: usize) -> Result<Vec<UnitOfWork>, BrokerError> {
        let consumer = Arc::clone(&self.shared.consumer);
        let order = self.order.next(random::below);
        // Never dropped: what a fetch takes must arrive.
        let mut fetch = pin!(consumer.fetch(&order, wanted));
        loop {
            let (is_waiting, waiter, names) = (self.is_waiting, &mut self.waiter, self.order.names());
            let is_armed = waiter.is_armed();
            let handed_over = async {
                match is_waiting {
                    true => waiter.wait(names, PATIENCE).await.units,
                    false => waiter.rest().await,
                }
            };
            let units = tokio::select! {
                biased;
                fetched = &mut fetch => return fetched,
                units = handed_over, if is_armed => units,
            };
            self.receive(units).await;
        }
    }

    /// Takes what was handed over as far as there is room, and gives back the rest at once: another process may be idle.
    /// (And what is of a queue that was paused meanwhile, where the store cannot be told to end its wait.)
    async fn receive(&self, units: Vec<UnitOfWork>) {
        let place = |unit: &UnitOfWork| self.order.names().iter().position(|name| **name == *unit.queue);
        let (mut open, mut rest): (Vec<_>, Vec<_>) = units.into_iter().partition(|unit| place(unit).is_some());
        open.sort_by_key(place);
        rest.extend(open.split_off(self.desk.room(self.prefetch.stock()).min(open.len())));
        self.desk.put(open);
        self.give_back(rest).await;
    }

    /// Nothing shall be handed over any more. If the store does not end a wait in time, dropping the waiter does, and what
    /// comes all the same is put back with the next reclaim.
    async fn end_waiting(&mut self) {
        while self.waiter.is_armed() {
            match tokio::time::timeout(LAST_REST, self.waiter.rest()).await {
                Ok(units) => self.give_back(units).await,
                Err(_) => {
                    tracing::debug!("the store does not end the wait for jobs; what comes will be put back");
                    return;
                }
            }
        }
    }

    /// Nothing may be fetched before the store knows this process.
    async fn first_beat(&self) {
        let mut beats = self.shared.beats.subscribe();
        tokio::select! {
            _ = beats.wait_for(|count| *count > 0) => {}
            () = self.shared.controls.reached(Phase::Quiet) => {}
        }
    }

    /// Waits until jobs are needed, and says how many. `None` when the worker is quiet.
    async fn wanted(&mut self) -> Option<usize> {
        while self.shared.controls.is_running() {
            self.heed_pauses().await;
            if self.order.names().is_empty() {
                tokio::select! {
                    // The sender lives as long as `shared`, so this cannot fail.
                    _ = self.paused.changed() => self.paused.mark_changed(),
                    () = self.shared.controls.reached(Phase::Quiet) => return None,
                }
                continue;
            }
            let (waiting, taken) = self.desk.level();
            self.prefetch.note_taken(instant(), taken);
            let wanted = self.desk.demand(self.prefetch.stock());
            if wanted > 0 {
                return Some(self.prefetch.at_once(wanted));
            }
            let patience = if waiting > 0 { STUCK } else { PATIENCE };
            tokio::select! {
                needed = tokio::time::timeout(patience, self.desk.needed()) => {
                    if needed.is_err() && waiting > 0 && self.desk.level().1 == taken {
                        self.give_back(self.desk.clear()).await;
                    }
                }
                units = self.waiter.rest(), if self.waiter.is_armed() => self.receive(units).await,
                _ = self.paused.changed() => self.paused.mark_changed(),
                () = self.shared.controls.reached(Phase::Quiet) => return None,
            }
        }
        None
    }

    /// If an operator paused or resumed a queue: nothing of a paused one is handed over or begun any more.
    async fn heed_pauses(&mut self) {
        // The sender lives as long as `shared`, so this cannot fail.
        if !self.paused.has_changed().unwrap_or(false) {
            return;
        }
        let paused = self.paused.borrow_and_update().clone();
        let before = self.order.names().to_vec();
        self.order.leave_out(&paused);
        if before == self.order.names() {
            return;
        }
        let open = self.order.names().join(" ");
        tracing::info!(paused = paused.join(" "), open, "queues were paused or resumed");
        self.is_waiting = false;
        self.end_waiting().await;
        self.give_back(self.desk.clear()).await;
        self.shared.events.tell(|| Event::Paused { queues: paused });
    }

    async fn give_back(&self, units: Vec<UnitOfWork>) {
        give_back(&self.shared, &self.desk, units).await;
    }

    /// Until a fetch may find jobs, or nobody needs more. What is handed over meanwhile goes to the processors.
    async fn wait_for_jobs(&mut self) {
        loop {
            let (waiting, taken) = self.desk.level();
            self.prefetch.note_taken(instant(), taken);
            let patience = if waiting > 0 { STUCK } else { PATIENCE };
            let arrival = tokio::select! {
                arrival = self.waiter.wait(self.order.names(), patience) => arrival,
                _ = self.paused.changed() => {
                    self.paused.mark_changed();
                    return;
                }
                () = self.shared.controls.reached(Phase::Quiet) => return,
            };
            self.is_waiting = arrival.units.is_empty();
            self.receive(arrival.units).await;
            if arrival.look || self.desk.room(self.prefetch.stock()) == 0 {
                return;
            }
        }
    }

    fn store_answers(&mut self) {
        if self.outage.take().is_some() {
            tracing::info!("the store answers again");
        }
    }

    /// Waits after an error, longer each time; one log line when it begins, and one when it is over.
    async fn sit_out(&mut self, error: BrokerError) {
        if self.outage.is_none() {
            tracing::error!(%error, "jobs cannot be fetched; trying again until it works");
        }
        let pause = self.outage.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
        self.outage = Some(pause);
        let mut beats = self.shared.beats.subscribe();
        // Up to a quarter more, so that processes do not return all at once.
        let pause = pause + pause.mul_f64(random::below(256) as f64 / 1024.0);
        let mut over = pin!(tokio::time::sleep(pause));
        loop {
            let units = tokio::select! {
                () = &mut over => return,
                // A lost lease is over with the next heartbeat.
                _ = beats.changed(), if matches!(error, BrokerError::LeaseLost) => return,
                () = self.shared.controls.reached(Phase::Quiet) => return,
                // What was waited for may still be handed over.
                units = self.waiter.rest(), if self.waiter.is_armed() => units,
            };
            self.receive(units).await;
        }
    }
}

/// Puts jobs back that nobody has begun. What certainly cannot be put back is performed here after all.
///
/// Without an answer it may have been done: the jobs could run elsewhere by now, so this process does not begin them, and
/// asks again until it knows. (What is back already is passed over then.) A worker that stops meanwhile leaves them to its
/// sign-off, or to the end of its lease.
async fn give_back(shared: &Shared, desk: &Desk, units: Vec<UnitOfWork>) {
    if units.is_empty() {
        return;
    }
    let mut pauses = Pauses::new();
    let mut may_be_done = false;
    loop {
        match shared.consumer.give_back(&units).await {
            Ok(jobs) => {
                tracing::debug!(jobs, "given back unbegun: no processor is free for them");
                // An earlier attempt may have done it.
                let jobs = if may_be_done { units.len() } else { jobs };
                if jobs > 0 {
                    shared.events.tell(|| Event::GivenBack { jobs });
                }
                return;
            }
            Err(error @ BrokerError::Refused { .. }) if !may_be_done => {
                if units.len() == 1 {
                    tracing::debug!(%error, "a job cannot be given back; it is performed here");
                    desk.put(units);
                } else {
                    // Some of them may be back, and not all need be refused. The newest first, as they go back.
                    for unit in units.into_iter().rev() {
                        Box::pin(give_back(shared, desk, vec![unit])).await;
                    }
                }
                return;
            }
            Err(error) => {
                tracing::debug!(%error, "it is not known whether jobs were given back; asking again");
                may_be_done = true;
            }
        }
        tokio::select! {
            () = pauses.wait() => {}
            () = shared.controls.reached(Phase::Stopping) => return,
        }
    }
}
