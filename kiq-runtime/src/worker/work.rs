//! What this process is doing now: for the heartbeat's record, for a dump, and for what is given back at the end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::broker::{UnitOfWork, Work};
use crate::clock::Timestamp;

/// The jobs in processors' hands, by processor.
#[derive(Clone, Debug, Default)]
pub(super) struct WorkTable {
    runs: Arc<Mutex<HashMap<Arc<str>, Run>>>,
}

#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) unit: UnitOfWork,
    pub(super) since: Timestamp,
}

impl WorkTable {
    fn runs(&self) -> MutexGuard<'_, HashMap<Arc<str>, Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, tid: &Arc<str>, unit: UnitOfWork, since: Timestamp) {
        self.runs().insert(Arc::clone(tid), Run { unit, since });
    }

    pub(super) fn end(&self, tid: &Arc<str>) {
        self.runs().remove(tid);
    }

    /// For the process record.
    pub(super) fn list(&self) -> Vec<Work> {
        let runs = self.runs();
        let work = runs.iter().map(|(tid, run)| Work {
            tid: tid.to_string(),
            queue: Arc::clone(&run.unit.queue),
            payload: Arc::clone(&run.unit.payload),
            run_at: run.since,
        });
        work.collect()
    }

    /// Takes everything away.
    pub(super) fn clear(&self) -> Vec<UnitOfWork> {
        self.runs().drain().map(|(_, run)| run.unit).collect()
    }
}
