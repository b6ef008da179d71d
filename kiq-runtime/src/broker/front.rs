//! A broker in front of another: what it does not change goes through.

use std::fmt;

use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::Broker;
use super::browse::{
    Browse, Day, Entry, JobSet, Place, ProcessState, QueueState, Running, ScanFrom, Scanned, Span, Stats, StoreInfo,
};
use super::logbook::{Logbook, Logged, Mark, Restore, Restored};
use super::manage::{Manage, Move};
use super::metrics::{Deploy, Durations, Step, StepRuns};
use super::presence::Signal;

/// Stands in front of another broker. It reads and manages what that one keeps.
pub trait Front: fmt::Debug + Send + Sync + 'static {
    /// The one that keeps the jobs.
    fn behind(&self) -> &dyn Broker;
}

impl<T: Front> Browse for T {
    fn stats(&self) -> BoxFuture<'_, Result<Stats, BrokerError>> {
        self.behind().stats()
    }

    fn history(&self, days: usize) -> BoxFuture<'_, Result<Vec<Day>, BrokerError>> {
        self.behind().history(days)
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueState>, BrokerError>> {
        self.behind().queues()
    }

    fn queue_page<'a>(
        &'a self,
        queue: &'a str,
        skip: usize,
        take: usize,
    ) -> BoxFuture<'a, Result<Vec<Vec<u8>>, BrokerError>> {
        self.behind().queue_page(queue, skip, take)
    }

    fn set_page(&self, set: JobSet, skip: usize, take: usize) -> BoxFuture<'_, Result<Vec<Entry>, BrokerError>> {
        self.behind().set_page(set, skip, take)
    }

    fn set_span(&self, set: JobSet, span: Span) -> BoxFuture<'_, Result<Vec<Entry>, BrokerError>> {
        self.behind().set_span(set, span)
    }

    fn scan<'a>(
        &'a self,
        place: &'a Place,
        from: ScanFrom,
        containing: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Scanned, BrokerError>> {
        self.behind().scan(place, from, containing)
    }

    fn processes(&self) -> BoxFuture<'_, Result<Vec<ProcessState>, BrokerError>> {
        self.behind().processes()
    }

    fn running(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Running>, BrokerError>> {
        self.behind().running(limit)
    }

    fn runs(&self, from: Timestamp, to: Timestamp, step: Step) -> BoxFuture<'_, Result<Vec<StepRuns>, BrokerError>> {
        self.behind().runs(from, to, step)
    }

    fn durations<'a>(
        &'a self,
        minutes: &'a [(&'a str, Timestamp)],
    ) -> BoxFuture<'a, Result<Vec<Durations>, BrokerError>> {
        self.behind().durations(minutes)
    }

    fn deploys(&self, from: Timestamp, to: Timestamp) -> BoxFuture<'_, Result<Vec<Deploy>, BrokerError>> {
        self.behind().deploys(from, to)
    }

    fn known_jobs(&self) -> BoxFuture<'_, Result<Vec<(String, Timestamp)>, BrokerError>> {
        self.behind().known_jobs()
    }

    fn store_info(&self) -> BoxFuture<'_, Result<StoreInfo, BrokerError>> {
        self.behind().store_info()
    }
}

impl<T: Front> Manage for T {
    fn relocate<'a>(
        &'a self,
        place: &'a Place,
        moves: &'a [Move],
        mark: Option<Mark<'a>>,
    ) -> BoxFuture<'a, Result<Vec<bool>, BrokerError>> {
        self.behind().relocate(place, moves, mark)
    }

    fn clear<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<usize, BrokerError>> {
        self.behind().clear(place)
    }

    fn set_paused<'a>(&'a self, queue: &'a str, paused: bool) -> BoxFuture<'a, Result<bool, BrokerError>> {
        self.behind().set_paused(queue, paused)
    }

    fn signal<'a>(&'a self, identity: &'a str, signal: Signal) -> BoxFuture<'a, Result<bool, BrokerError>> {
        self.behind().signal(identity, signal)
    }

    fn mark_deploy<'a>(&'a self, label: &'a str, at: Timestamp) -> BoxFuture<'a, Result<bool, BrokerError>> {
        self.behind().mark_deploy(label, at)
    }

    fn forget_everything(&self) -> BoxFuture<'_, Result<usize, BrokerError>> {
        self.behind().forget_everything()
    }
}

impl<T: Front> Logbook for T {
    fn begin_operation<'a>(
        &'a self,
        id: &'a str,
        at: Timestamp,
        record: &'a str,
    ) -> BoxFuture<'a, Result<bool, BrokerError>> {
        self.behind().begin_operation(id, at, record)
    }

    fn update_operation<'a>(&'a self, id: &'a str, record: &'a str) -> BoxFuture<'a, Result<bool, BrokerError>> {
        self.behind().update_operation(id, record)
    }

    fn stop_operation<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, BrokerError>> {
        self.behind().stop_operation(id)
    }

    fn operation<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Logged>, BrokerError>> {
        self.behind().operation(id)
    }

    fn operations(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Logged>, BrokerError>> {
        self.behind().operations(limit)
    }

    fn restore<'a>(&'a self, restore: Restore<'a>) -> BoxFuture<'a, Result<Restored, BrokerError>> {
        self.behind().restore(restore)
    }

    fn forget_undo<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), BrokerError>> {
        self.behind().forget_undo(id)
    }
}
