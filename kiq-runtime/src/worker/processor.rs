//! The loop of one processor: take a job, perform it, settle it.

use std::sync::Arc;

use super::Shared;
use super::desk::Desk;
use super::work::Seat;
use super::{perform, settle};

pub(super) struct Processor {
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    /// Where its work is listed.
    seat: Seat,
}

impl Processor {
    pub(super) fn new(shared: Arc<Shared>, desk: Arc<Desk>, seat: Seat) -> Self {
        Processor { shared, desk, seat }
    }

    /// Until the desk is closed and empty.
    pub(super) async fn run(self) {
        while let Some(unit) = self.desk.next().await {
            // No await between taking the job and writing it down: whatever ends this task finds it in the table.
            self.seat.begin(unit.clone(), self.shared.clock.now());
            let ended = perform::perform(&self.shared, &unit, &self.seat.pulse).await;
            let ack = settle::settle(&self.shared, unit, ended).await;
            // No await between the end of a success and this: it must not be given back as unfinished.
            self.seat.end();
            if let Some(number) = ack {
                self.shared.acks.room_after(number).await;
            }
            // A stream of jobs that never wait would keep the fetcher and the timers from running.
            tokio::task::coop::consume_budget().await;
        }
    }
}
