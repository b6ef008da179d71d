//! Finds jobs for the processors of a capsule, ahead of their need, and is patient in an outage.
//!
//! Not its affair: what a job is, what becomes of it, and how far ahead (`prefetch.rs`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::broker::UnitOfWork;
use crate::error::BrokerError;
use crate::events::Event;
use crate::random;

use super::desk::Desk;
use super::order::QueueOrder;
use super::prefetch::Prefetch;
use super::{LONGEST_PAUSE, Phase, Shared};

/// How long to wait for a job before asking again, in case a wake-up was lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first pause after the store did not answer.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// When no processor has taken one of the jobs at hand for so long, they are given back: slow jobs followed quick ones, and
/// another process may be idle.
const STUCK: Duration = Duration::from_millis(100);

pub(super) struct Fetcher {
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    order: QueueOrder,
    prefetch: Prefetch,
    /// `None` while the store answers.
    outage: Option<Duration>,
}

impl Fetcher {
    pub(super) fn new(shared: Arc<Shared>, desk: Arc<Desk>, order: QueueOrder, concurrency: usize) -> Self {
        Fetcher { shared, desk, order, prefetch: Prefetch::new(concurrency), outage: None }
    }

    /// Until the worker is quiet. What is at hand then goes back to its queues.
    pub(super) async fn run(mut self) {
        self.first_beat().await;
        while let Some(wanted) = self.wanted().await {
            // Not in a select: what a fetch takes must arrive.
            let started = Instant::now();
            match self.shared.consumer.fetch(&self.order.next(random::below), wanted).await {
                Ok(units) => {
                    let bytes = units.iter().map(|unit| unit.payload.len()).sum();
                    self.prefetch.note_fetch(started.elapsed(), units.len(), bytes);
                    self.store_answers();
                    if units.is_empty() {
                        self.wait_for_jobs().await;
                    } else {
                        self.desk.put(units);
                    }
                }
                Err(error) => self.sit_out(error).await,
            }
        }
        self.give_back(self.desk.clear()).await;
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
            let (waiting, taken) = self.desk.level();
            self.prefetch.note_taken(Instant::now(), taken);
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
                () = self.shared.controls.reached(Phase::Quiet) => return None,
            }
        }
        None
    }

    /// Puts jobs back that nobody has begun. What cannot be put back is performed here after all.
    async fn give_back(&self, units: Vec<UnitOfWork>) {
        if units.is_empty() {
            return;
        }
        match self.shared.consumer.give_back(&units).await {
            Ok(jobs) => {
                tracing::debug!(jobs, "given back unbegun: no processor is free for them");
                self.shared.events.tell(|| Event::GivenBack { jobs });
            }
            Err(error) => {
                tracing::debug!(%error, "jobs cannot be given back; they are performed here");
                self.desk.put(units);
            }
        }
    }

    async fn wait_for_jobs(&mut self) {
        let (waiting, _) = self.desk.level();
        let patience = if waiting > 0 { STUCK } else { PATIENCE };
        let waited = tokio::select! {
            waited = self.shared.consumer.wait(self.order.names(), patience) => waited,
            () = self.shared.controls.reached(Phase::Quiet) => return,
        };
        if let Err(error) = waited {
            self.sit_out(error).await;
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
        tokio::select! {
            // Up to a quarter more, so that processes do not return all at once.
            () = tokio::time::sleep(pause + pause.mul_f64(random::below(256) as f64 / 1024.0)) => {}
            // A lost lease is over with the next heartbeat.
            _ = beats.changed(), if matches!(error, BrokerError::LeaseLost) => {}
            () = self.shared.controls.reached(Phase::Quiet) => {}
        }
    }
}
