//! What is wrapped around every enqueue: `async fn(Outgoing, NextEnqueue) -> Result<Receipt, EnqueueError>`.

use std::any::type_name;
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::{mpsc, oneshot};

use crate::broker::Replicas;
use crate::clock::Timestamp;
use crate::job::{ArgsError, BoxFuture, Jid, Job, Payload};
use crate::middleware::{Chain, Place, short_name};

use super::{BulkError, CHUNK_JOBS, Client, EnqueueError, Once, Receipt, Stored};

/// How an enqueue ended.
pub(crate) type Outcome = Result<Receipt, EnqueueError>;

/// Wraps every enqueue of a client. A plain async function is one, and so is a struct with state.
///
/// It is called in the task that enqueues, once for each job (of a bulk, too), before the job is checked and stored; not again
/// when a job is retried or its time comes. It may look at the job, change it, or stop it with [`Outgoing::stop`]: the receipt
/// then says that [nothing was stored](Stored::Stopped).
///
/// # Examples
/// ```
/// use kiq::{App, Client, EnqueueError, NextEnqueue, Outgoing, Receipt, Stored};
///
/// #[kiq::job]
/// async fn send_welcome(user_id: u64) { let _ = user_id; }
///
/// async fn stamp(mut job: Outgoing, next: NextEnqueue) -> Result<Receipt, EnqueueError> {
///     if job.is::<SendWelcome>() && job.job::<SendWelcome>()?.user_id == 0 {
///         return Ok(job.stop()); // nobody
///     }
///     job.payload_mut().set("app", "shop");
///     next.run(job).await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::in_memory().with_app(&App::new().enqueue_middleware(stamp));
/// assert_eq!(SendWelcome::enqueue(7).on(&client).await?.stored, Stored::New);
/// assert_eq!(SendWelcome::enqueue(0).on(&client).await?.stored, Stored::Stopped);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be wrapped around enqueues",
    label = "not a middleware for enqueues",
    note = "write `async fn name(job: Outgoing, next: NextEnqueue) -> Result<Receipt, EnqueueError>`, or implement `EnqueueMiddleware` for a struct"
)]
pub trait EnqueueMiddleware: Send + Sync + 'static {
    /// One enqueue.
    ///
    /// # Errors
    /// Why the job is not stored, or perhaps not.
    fn call(&self, job: Outgoing, next: NextEnqueue) -> impl Future<Output = Outcome> + Send;
}

impl<F, R> EnqueueMiddleware for F
where
    F: Fn(Outgoing, NextEnqueue) -> R + Send + Sync + 'static,
    R: Future<Output = Outcome> + Send,
{
    fn call(&self, job: Outgoing, next: NextEnqueue) -> impl Future<Output = Outcome> + Send {
        self(job, next)
    }
}

/// A job on its way into the store.
#[derive(Clone, Debug)]
pub struct Outgoing {
    payload: Payload,
    at: Option<Timestamp>,
}

impl Outgoing {
    fn new(payload: Payload, at: Option<Timestamp>) -> Self {
        Outgoing { payload, at }
    }

    /// The job's name.
    pub fn class(&self) -> &str {
        self.payload.class()
    }

    /// The job's id.
    pub fn jid(&self) -> &Jid {
        self.payload.jid()
    }

    /// Whether it is a `J`.
    pub fn is<J: Job>(&self) -> bool {
        self.class() == J::NAME
    }

    /// The job as a value.
    ///
    /// # Errors
    /// When the arguments do not fit `J`.
    pub fn job<J: Job>(&self) -> Result<J, ArgsError> {
        J::from_args(self.payload.args())
    }

    /// The record that will be stored.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The record, to change it. Fields that kiq does not know are kept through all retries.
    pub fn payload_mut(&mut self) -> &mut Payload {
        &mut self.payload
    }

    /// When it is to run; `None` is now.
    pub fn at(&self) -> Option<Timestamp> {
        self.at
    }

    /// Changes when it is to run; `None` is now.
    pub fn set_at(&mut self, at: Option<Timestamp>) {
        self.at = at;
    }

    /// Stops the job here: the receipt of an enqueue that stored nothing on purpose.
    pub fn stop(self) -> Receipt {
        Receipt {
            jid: self.payload.jid().clone(),
            queue: self.payload.queue().unwrap_or_default(),
            at: self.at,
            stored: Stored::Stopped,
        }
    }
}

/// The rest of an enqueue: the middleware further in, then the store.
pub struct NextEnqueue {
    chain: EnqueueChain,
    at: usize,
    store: Store,
}

/// What the innermost step does.
type Store = Box<dyn FnOnce(Outgoing) -> BoxFuture<'static, Outcome> + Send>;

impl NextEnqueue {
    /// Goes on with the enqueue.
    ///
    /// # Errors
    /// Why the job is not stored, or perhaps not.
    ///
    /// # Cancel safety
    /// Dropping the future once it was polled leaves it open whether the job is stored.
    pub async fn run(self, job: Outgoing) -> Outcome {
        let NextEnqueue { chain, at, store } = self;
        match chain.at(at) {
            Some(middleware) => middleware.call(job, NextEnqueue { chain, at: at + 1, store }).await,
            None => store(job).await,
        }
    }
}

impl fmt::Debug for NextEnqueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = self.chain.names().split_off(self.at);
        f.debug_tuple("NextEnqueue").field(&rest).finish()
    }
}

/// The same trait as an object.
pub(crate) trait AnyEnqueueMiddleware: Send + Sync {
    fn call(&self, job: Outgoing, next: NextEnqueue) -> BoxFuture<'_, Outcome>;
}

impl<M: EnqueueMiddleware> AnyEnqueueMiddleware for M {
    fn call(&self, job: Outgoing, next: NextEnqueue) -> BoxFuture<'_, Outcome> {
        Box::pin(EnqueueMiddleware::call(self, job, next))
    }
}

/// All that is wrapped around enqueues.
pub(crate) type EnqueueChain = Chain<dyn AnyEnqueueMiddleware>;

impl EnqueueChain {
    /// Wraps `middleware` around enqueues. `false`: there is none of the name that its place is by.
    pub(crate) fn wrap<M: EnqueueMiddleware>(&mut self, middleware: M, place: Place<'_>) -> bool {
        self.add(short_name(type_name::<M>()), Arc::new(middleware), place)
    }

    /// One enqueue through all of it; `store` is the innermost step.
    pub(crate) fn enqueue<S, R>(&self, job: Outgoing, store: S) -> BoxFuture<'static, Outcome>
    where
        S: FnOnce(Outgoing) -> R + Send + 'static,
        R: Future<Output = Outcome> + Send + 'static,
    {
        let store: Store = Box::new(move |job| Box::pin(store(job)));
        Box::pin(NextEnqueue { chain: self.clone(), at: 0, store }.run(job))
    }

    /// Many at the same time, each through all of it. Those that have come to the store while the others wait for something
    /// are stored together. Answers for each, in order.
    ///
    /// In the caller's task, so that what is local to it is seen by every middleware.
    pub(crate) async fn enqueue_many<S, R>(&self, jobs: Vec<Outgoing>, store: S) -> Vec<Outcome>
    where
        S: Fn(Vec<Outgoing>) -> R,
        R: Future<Output = Vec<Outcome>>,
    {
        let (arrive, mut arrived) = mpsc::unbounded_channel::<(Outgoing, oneshot::Sender<Outcome>)>();
        let mut under_way: Vec<UnderWay> = jobs
            .into_iter()
            .map(|job| {
                let arrive = arrive.clone();
                UnderWay::Pending(self.enqueue(job, move |job| async move {
                    let (answer, answered) = oneshot::channel();
                    // The receiver is below, on the same stack.
                    let _ = arrive.send((job, answer));
                    // It answers every job, or is dropped together with this.
                    match answered.await {
                        Ok(outcome) => outcome,
                        Err(_) => std::future::pending().await,
                    }
                }))
            })
            .collect();
        loop {
            let waiting = poll_fn(|cx| {
                for job in &mut under_way {
                    job.poll(cx);
                }
                let mut waiting = Vec::new();
                while let Ok(job) = arrived.try_recv() {
                    waiting.push(job);
                }
                let is_over = under_way.iter().all(|job| matches!(job, UnderWay::Ended(_)));
                if waiting.is_empty() && !is_over { Poll::Pending } else { Poll::Ready(waiting) }
            })
            .await;
            if waiting.is_empty() {
                return under_way.into_iter().filter_map(UnderWay::outcome).collect();
            }
            let (jobs, answers): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
            for (answer, outcome) in answers.into_iter().zip(store(jobs).await) {
                // A middleware that gave up meanwhile does not hear of it.
                let _ = answer.send(outcome);
            }
        }
    }
}

enum UnderWay {
    Pending(BoxFuture<'static, Outcome>),
    Ended(Outcome),
}

impl UnderWay {
    fn poll(&mut self, cx: &mut std::task::Context<'_>) {
        if let UnderWay::Pending(job) = self
            && let Poll::Ready(outcome) = job.as_mut().poll(cx)
        {
            *self = UnderWay::Ended(outcome);
        }
    }

    fn outcome(self) -> Option<Outcome> {
        match self {
            UnderWay::Pending(_) => None,
            UnderWay::Ended(outcome) => Some(outcome),
        }
    }
}

impl Client {
    /// The same client with this, and only this, wrapped around its enqueues.
    pub(crate) fn with_middleware(mut self, around: EnqueueChain) -> Self {
        self.around = around;
        self
    }

    /// One job, through what is wrapped around enqueues.
    pub(super) async fn push_through(
        &self,
        payload: Payload,
        at: Option<Timestamp>,
        once: Option<Once>,
        replicas: Option<Replicas>,
    ) -> Outcome {
        if self.around.is_empty() {
            return self.push_one(self.prepare(payload, at, once.as_ref())?, replicas).await;
        }
        let client = self.clone();
        let store = async move |job: Outgoing| {
            client.push_one(client.prepare(job.payload, job.at, once.as_ref())?, replicas).await
        };
        self.around.enqueue(Outgoing::new(payload, at), store).await
    }

    /// Many jobs, each through what is wrapped around enqueues.
    ///
    /// Without middleware all are checked before the first is sent: a job that cannot be stored costs no half-done bulk. What
    /// a middleware makes of a job is checked with its chunk.
    pub(super) async fn push_all_through(
        &self,
        payloads: Vec<Payload>,
        at: Option<Timestamp>,
        once: Option<Once>,
        replicas: Option<Replicas>,
    ) -> Result<Vec<Receipt>, BulkError> {
        if self.around.is_empty() {
            let jobs = payloads.into_iter().map(|payload| self.prepare(payload, at, once.as_ref()));
            let jobs = jobs.collect::<Result<_, _>>().map_err(BulkError::before_any)?;
            return self.push_all(jobs, replicas).await;
        }
        let mut bulk = BulkError::default();
        let mut payloads = payloads.into_iter().peekable();
        while payloads.peek().is_some() {
            let chunk = payloads.by_ref().take(CHUNK_JOBS);
            if bulk.first().is_some() {
                // A store that failed one chunk is not sent the next.
                bulk.rejected.extend(chunk.map(|payload| payload.jid().clone()));
                continue;
            }
            let (jids, jobs): (Vec<Jid>, Vec<Outgoing>) =
                chunk.map(|payload| (payload.jid().clone(), Outgoing::new(payload, at))).unzip();
            let store = |jobs| self.store_outgoing(jobs, once.as_ref(), replicas);
            for (jid, outcome) in jids.into_iter().zip(self.around.enqueue_many(jobs, store).await) {
                bulk.note(Some(jid), outcome);
            }
        }
        if bulk.first().is_some() { Err(bulk) } else { Ok(bulk.stored) }
    }

    /// Checks and stores jobs that came through the middleware; exactly one answer each.
    async fn store_outgoing(
        &self,
        jobs: Vec<Outgoing>,
        once: Option<&Once>,
        replicas: Option<Replicas>,
    ) -> Vec<Outcome> {
        let (mut refused, mut good, mut receipts) = (Vec::new(), Vec::new(), Vec::new());
        for job in jobs {
            match self.prepare(job.payload, job.at, once) {
                Ok((job, receipt)) => {
                    good.push(job);
                    receipts.push(receipt);
                    refused.push(None);
                }
                Err(error) => refused.push(Some(error)),
            }
        }
        let mut answers = self.store(good, receipts, replicas).await.into_iter();
        refused.into_iter().filter_map(|refused| refused.map(Err).or_else(|| answers.next())).collect()
    }
}
