//! How many blocking jobs have a thread of their own at the same time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The threads that a worker lends to its blocking jobs: a state of the worker, asked for by blocking jobs alone.
///
/// tokio has threads for blocking code already, 512 of them and for everybody: file I/O and name lookups wait behind whatever
/// is long there. So jobs beyond the number wait here, where they hold no thread.
#[derive(Clone, Debug)]
pub(crate) struct BlockingThreads(Arc<Semaphore>);

impl BlockingThreads {
    pub(crate) fn new(threads: usize) -> Self {
        BlockingThreads(Arc::new(Semaphore::new(threads)))
    }

    /// Waits until one is free. It is free again when the answer is dropped.
    ///
    /// # Cancel safety
    /// Dropping it takes none.
    pub(crate) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes it, so there is always an answer.
        Arc::clone(&self.0).acquire_owned().await.ok()
    }
}
