//! Many jobs of one kind differ in their arguments and ids only: the rest of the record is written once.

use crate::broker::NewJob;
use crate::clock::Timestamp;
use crate::job::payload::Record;
use crate::job::{Jid, Job, args};

use super::Client;
use super::enqueue::Overrides;
use super::outcome::{EnqueueError, Receipt, Stored};

impl Client {
    /// The records of jobs that nothing looks at on their way (no middleware, no guard, no ids of the caller's own), checked.
    ///
    /// The same as [`payload`](Client::payload) and [`prepare`](Client::prepare) of each, which
    /// `a_bulk_stores_what_each_enqueue_would` holds it to.
    pub(super) fn bulk<J: Job>(
        &self,
        jobs: &[J],
        set: &Overrides,
        at: Option<Timestamp>,
    ) -> Result<Vec<(NewJob, Receipt)>, EnqueueError> {
        let Some((first, others)) = jobs.split_first() else { return Ok(Vec::new()) };
        let mut payload = self.payload(first, set)?;
        let (queue, at) = self.complete(&mut payload, at)?;
        let record = payload.record();
        let jids = Jid::draw(others.len());
        let mut prepared = Vec::with_capacity(jobs.len());
        prepared.push(self.check(&payload, &queue, at, None)?);
        for (job, jid) in others.iter().zip(jids) {
            let args = args::write(job)?;
            let text = record.with(&args, &jid);
            self.check_size(J::NAME, &text)?;
            Record::check(&text, &args).map_err(|source| EnqueueError::Unreadable { source })?;
            let receipt = Receipt { jid, queue: queue.clone(), at, stored: Stored::New };
            prepared.push((NewJob { payload: text, queue: queue.clone(), at, guard: None }, receipt));
        }
        Ok(prepared)
    }
}
