//! The store of a fake as its client sees it: it takes whatever Redis would, and inline runs it before it answers.

use std::fmt;
use std::sync::{Arc, Weak};

use kiq_runtime::broker::{
    Broker, Consumer, DeadLimits, Front, Identity, MemoryBroker, NewJob, Promotion, PushError, Pushed, Replicas,
};
use kiq_runtime::error::BrokerError;
use kiq_runtime::job::{BoxFuture, Jid, Payload};

use crate::drain;
use crate::drained::Outcome;
use crate::fake::{Fake, Inner};

/// Jobs that jobs enqueue run inside of them; so deep, and a test's stack still holds them.
const DEEPEST: usize = 16;

tokio::task_local! {
    static DEPTH: usize;
}

pub(crate) struct FakeBroker {
    /// Whose worker runs what comes in, for inline.
    runs: Option<Weak<Inner>>,
    store: MemoryBroker,
}

impl FakeBroker {
    pub(crate) fn new(runs: Option<Weak<Inner>>, store: MemoryBroker) -> Self {
        FakeBroker { runs, store }
    }

    async fn run(&self, inner: &Weak<Inner>, job: &NewJob) -> Result<Pushed, PushError> {
        let Some(fake) = inner.upgrade().map(|inner| Fake { inner }) else {
            return Err(PushError::FailedInline("the test it belongs to has ended".to_owned()));
        };
        let depth = DEPTH.try_with(|depth| *depth).unwrap_or(0);
        if depth >= DEEPEST {
            let reason =
                format!("jobs enqueue jobs {DEEPEST} deep; for so many use `kiq_testing::fake()` and `drain_all`");
            return Err(PushError::FailedInline(reason));
        }
        let (job, jid) = due_now(job, &fake);
        let pushed = self.store.push(std::slice::from_ref(&job)).await.pop().unwrap_or(Ok(Pushed::New))?;
        if pushed != Pushed::New {
            return Ok(pushed);
        }
        let is_it = |bytes: &[u8]| Payload::parse(bytes).is_ok_and(|payload| Some(payload.jid()) == jid.as_ref());
        let run = DEPTH.scope(depth + 1, drain::run_first(&fake, is_it)).await;
        match run {
            Ok(Some(run)) if !matches!(run.outcome, Outcome::Done) => Err(PushError::FailedInline(run.to_string())),
            Ok(_) => Ok(pushed),
            Err(error) => Err(PushError::FailedInline(error.to_string())),
        }
    }
}

/// The job with whatever time it has taken away, and its id.
fn due_now(job: &NewJob, fake: &Fake) -> (NewJob, Option<Jid>) {
    let mut job = job.clone();
    let Ok(mut payload) = Payload::parse(job.payload.as_bytes()) else { return (job, None) };
    if job.at.take().is_some() {
        payload.set_time("enqueued_at", fake.now());
        job.payload = payload.to_string();
    }
    let jid = payload.jid().clone();
    (job, Some(jid))
}

impl Broker for FakeBroker {
    fn push<'a>(&'a self, jobs: &'a [NewJob]) -> BoxFuture<'a, Vec<Result<Pushed, PushError>>> {
        let Some(inner) = &self.runs else { return self.store.push(jobs) };
        Box::pin(async move {
            let mut answers = Vec::with_capacity(jobs.len());
            for job in jobs {
                answers.push(self.run(inner, job).await);
            }
            answers
        })
    }

    /// A program that waits for replicas is tested without them.
    fn push_durably<'a>(&'a self, jobs: &'a [NewJob], _: Replicas) -> BoxFuture<'a, Vec<Result<Pushed, PushError>>> {
        self.push(jobs)
    }

    fn promote(&self, limit: usize) -> BoxFuture<'_, Result<Promotion, BrokerError>> {
        self.store.promote(limit)
    }

    fn attach(&self, identity: Identity) -> Arc<dyn Consumer> {
        self.store.attach(identity)
    }

    fn limit_dead(&self, limits: DeadLimits) {
        self.store.limit_dead(limits);
    }

    fn check(&self) -> BoxFuture<'_, Result<Vec<String>, BrokerError>> {
        self.store.check()
    }

    fn place(&self) -> String {
        self.store.place()
    }
}

impl Front for FakeBroker {
    fn behind(&self) -> &dyn Broker {
        &self.store
    }
}

impl fmt::Debug for FakeBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeBroker")
    }
}
