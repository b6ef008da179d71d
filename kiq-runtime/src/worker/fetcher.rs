//! Finds jobs for the free processors of a capsule, and is patient in an outage.
//!
//! Not its affair: what a job is, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use crate::error::BrokerError;
use crate::random;

use super::desk::Desk;
use super::order::QueueOrder;
use super::{LONGEST_PAUSE, Phase, Shared};

/// How long to wait for a job before asking again, in case a wake-up was lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first pause after the store did not answer.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Fetcher {
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    order: QueueOrder,
    /// `None` while the store answers.
    outage: Option<Duration>,
}

impl Fetcher {
    pub(super) fn new(shared: Arc<Shared>, desk: Arc<Desk>, order: QueueOrder) -> Self {
        Fetcher { shared, desk, order, outage: None }
    }

    /// Until the worker is quiet.
    pub(super) async fn run(mut self) {
        let controls = self.shared.controls.clone();
        let desk = Arc::clone(&self.desk);
        self.first_beat().await;
        while controls.is_running() {
            let free = tokio::select! {
                free = desk.reserve() => free,
                () = controls.reached(Phase::Quiet) => None,
            };
            let Some(free) = free else { return };
            // Not in a select: what a fetch takes must arrive.
            let fetched = self.shared.consumer.fetch(&self.order.next(random::below), free.count()).await;
            match fetched {
                Ok(units) if units.is_empty() => {
                    drop(free);
                    self.store_answers();
                    self.wait_for_jobs().await;
                }
                Ok(units) => {
                    self.store_answers();
                    free.hand_over(units);
                }
                Err(error) => {
                    drop(free);
                    self.sit_out(error).await;
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

    async fn wait_for_jobs(&mut self) {
        let waited = tokio::select! {
            waited = self.shared.consumer.wait(self.order.names(), PATIENCE) => waited,
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
