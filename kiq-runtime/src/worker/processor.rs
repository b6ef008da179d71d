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
    /// How many processors its capsule has.
    of: usize,
}

impl Processor {
    pub(super) fn new(shared: Arc<Shared>, desk: Arc<Desk>, seat: Seat, of: usize) -> Self {
        Processor { shared, desk, seat, of }
    }

    /// Until the desk is closed and empty.
    pub(super) async fn run(self) {
        let turn = self.shared.acks.turn(self.of);
        let mut in_turn = 0;
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
            in_turn += 1;
            if in_turn >= turn {
                in_turn = 0;
                // A stream of jobs that never wait would keep the fetcher, the timers and the answers of the store waiting.
                // tokio looks for what came in before it goes on with those who yield.
                tokio::task::yield_now().await;
            }
        }
    }
}
