//! One set of queues with its fetcher and its processors.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::broker::{CapsuleInfo, UnitOfWork};

use super::Shared;
use super::desk::Desk;
use super::fetcher::Fetcher;
use super::order::QueueOrder;
use super::processor::Processor;

/// How long a job that is dropped may take to come to its next await.
const LAST_POLL: Duration = Duration::from_secs(1);

/// A capsule at work. Dropping it drops its tasks: their jobs then return when the lease runs out.
#[derive(Debug)]
pub(super) struct Running {
    desk: Arc<Desk>,
    fetcher: JoinSet<()>,
    processors: JoinSet<()>,
}

impl Running {
    pub(super) fn start(shared: &Arc<Shared>, capsule: &CapsuleInfo) -> Self {
        let desk = Arc::new(Desk::new(capsule));
        let mut processors = JoinSet::new();
        for number in 0..capsule.concurrency {
            let seat = shared.work.seat(format!("{}-{number}", capsule.name).into());
            let (shared, desk) = (Arc::clone(shared), Arc::clone(&desk));
            processors.spawn(Processor::new(shared, desk, seat, capsule.concurrency).run());
        }
        let mut fetcher = JoinSet::new();
        let order = QueueOrder::new(capsule);
        let fetching = shared.controls.vitals.fetching();
        let fetches = Fetcher::new(Arc::clone(shared), Arc::clone(&desk), order, capsule.concurrency).run();
        fetcher.spawn(async move {
            let _fetching = fetching;
            fetches.await;
        });
        Running { desk, fetcher, processors }
    }

    /// Waits until it fetches no more. It must have been told; a fetch under way is never cut off.
    pub(super) async fn fetched_last(&mut self) {
        while let Some(Err(error)) = self.fetcher.join_next().await {
            tracing::error!(%error, "a fetcher ended badly");
        }
        self.desk.close();
    }

    /// Waits until its processors have done all they had. (The job of one that panicked stays in the work table.)
    pub(super) async fn performed_last(&mut self) {
        while self.processors.join_next().await.is_some() {}
    }

    /// Drops what still runs, each job where it awaits; waits until that has happened, so that no job is given back while its
    /// last poll still runs; answers what no processor had begun.
    pub(super) async fn cut_off(mut self) -> Vec<UnitOfWork> {
        self.processors.abort_all();
        let dropped = async { while self.processors.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_POLL, dropped).await.is_err() {
            tracing::error!(
                "a job blocks its thread and cannot be dropped; it is given back all the same, and may run twice"
            );
        }
        self.desk.clear()
    }
}
