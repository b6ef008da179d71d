//! What comes to its end once it has begun: recording that a job failed, and telling of it.
//!
//! A processor is cut off when the shutdown timeout is over. Were that between the store's answer and the report, a job would
//! be dead and nobody told; so these two are one piece, on a task beside the processors. A stopping worker waits for what is
//! under way before it gives back what is left. It is a task of the worker's: a worker that is dropped drops it.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::job::BoxFuture;

/// How long a stopping worker waits for what is under way: longer than it waits for one answer of the store, so that it may ask
/// once more.
const LAST_ENDINGS: Duration = Duration::from_secs(5);

/// `None` while no task runs them: before the start, and in a worker driven by hand, where each runs in place.
#[derive(Debug, Default)]
pub(super) struct Endings(Mutex<Option<mpsc::UnboundedSender<BoxFuture<'static, ()>>>>);

impl Endings {
    /// Starts the task.
    pub(super) fn start(&self) -> JoinSet<()> {
        let (sender, begun) = mpsc::unbounded_channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        let mut task = JoinSet::new();
        task.spawn(run(begun));
        task
    }

    /// Runs `ending`, to its end also when this is dropped before.
    pub(super) async fn run(&self, ending: impl Future<Output = ()> + Send + 'static) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(sender) = sender else { return ending.await };
        let (done, is_done) = oneshot::channel();
        let ending = async move {
            ending.await;
            // The processor may be gone.
            let _ = done.send(());
        };
        if sender.send(Box::pin(ending)).is_ok() {
            // Fails when it panicked, which the task has logged, or the worker is dropped.
            let _ = is_done.await;
        }
    }

    /// Waits for what is under way; nothing can begin any more.
    pub(super) async fn finish(&self, mut task: JoinSet<()>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if tokio::time::timeout(LAST_ENDINGS, task.join_next()).await.is_err() {
            tracing::error!(
                "the store does not answer whether the last failed jobs are recorded; they are given back, and nobody is told"
            );
        }
    }
}

async fn run(mut begun: mpsc::UnboundedReceiver<BoxFuture<'static, ()>>) {
    let mut under_way = JoinSet::new();
    let ended = |ended: Result<(), tokio::task::JoinError>| {
        if let Err(error) = ended {
            tracing::error!(%error, "the end of a failed job could not be recorded; it returns when the lease runs out");
        }
    };
    loop {
        tokio::select! {
            next = begun.recv() => match next {
                Some(ending) => drop(under_way.spawn(ending)),
                None => break,
            },
            Some(end) = under_way.join_next() => ended(end),
        }
    }
    while let Some(end) = under_way.join_next().await {
        ended(end);
    }
}
