//! Jobs that the server hands over the moment they come, so that an idle process need not ask.
//!
//! `BLMOVE queue batch RIGHT LEFT` blocks until the queue has a job and then moves its oldest into a batch of this process: a
//! batch of one, like any other. As with BRPOP the one who waits longest is served and nobody else wakes up; unlike with
//! BRPOP the job is not lost with the answer. That rests on three rules:
//! - The batch is in the index, under an id that is never used again, before anything can be moved into it: an earlier
//!   answer over this connection has said so. So each request registers the id of the next one, too.
//! - What is still blocked when its process or connection is gone may hand over later. So the index keeps such an id
//!   (`lua/release.lua`) until [`SURE`] has passed since somebody saw that it is gone.
//! - Only the server's own word that nothing was moved ends an id before.
//!
//! Each queue has a connection of its own for it, because a connection that blocks answers nobody else.

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use redis::{Pipeline, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use crate::broker::{Arrival, Identity, Slot, UnitOfWork, Waiter};
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::held::{Held, Reserved};
use super::link::{Link, LinkError, Live, Target, is_error};
use super::{keys, reply};

/// How long the server blocks before it says that there is nothing. With [`GRACE`] it is shorter than 30 seconds, within
/// which a job is to run also behind a connection whose other end is gone without a word, and shorter than what idle
/// connections survive in most networks.
const BLOCK: Duration = Duration::from_secs(20);

/// Beyond its block time a connection is given this much before it counts as broken.
const GRACE: Duration = Duration::from_secs(5);

/// So long after its process or connection was seen gone nothing is blocked for it on the server any more.
pub(super) const SURE: Duration = Duration::from_secs(BLOCK.as_secs() + GRACE.as_secs());

/// Connections of a process that block. Queues beyond are asked again and again instead.
const MOST_CONNECTIONS: usize = 16;

/// How often to ask where there is no connection to block.
const POLL: Duration = Duration::from_millis(500);

/// How soon to ask again where the server does not let us block, at first and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), POLL];

/// How soon to tell the server again to end a wait that had not begun when it was told.
const REPEAT: Duration = Duration::from_millis(5);

/// What all waiters of a process share.
#[derive(Debug)]
pub(super) struct Wake {
    target: Arc<Target>,
    identity: Identity,
    /// For everything that must not block.
    link: Arc<Link>,
    held: Arc<Held>,
    room: Arc<Semaphore>,
    /// False once the server refused to end a wait.
    may_unblock: AtomicBool,
}

/// How a request for the next job ended.
enum Outcome {
    /// It was handed over, and there may be more.
    Job { unit: UnitOfWork, more: bool },
    /// The time ran out, or somebody ended it.
    Nothing,
    /// There is nothing to be had in this way.
    Failed(BrokerError),
}

/// The connection that blocks for a queue.
type Seat = Arc<Mutex<Option<Sat>>>;

struct Sat {
    live: Live,
    /// Its number on the server.
    client: i64,
    /// The id of the next request: the server has said over this connection that it is in the index.
    reserved: Option<Reserved>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wake {
    pub(super) fn new(target: &Arc<Target>, identity: &Identity, link: &Arc<Link>, held: &Arc<Held>) -> Self {
        Wake {
            target: Arc::clone(target),
            identity: identity.clone(),
            link: Arc::clone(link),
            held: Arc::clone(held),
            room: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
            may_unblock: AtomicBool::new(true),
        }
    }

    /// Waits for one job.
    async fn next(self: Arc<Self>, link: Arc<Link>, seat: Seat, queue: Arc<str>) -> Outcome {
        if !self.held.has_lease() {
            return Outcome::Failed(BrokerError::LeaseLost);
        }
        let (live, reserved) = match self.sit(&link, &seat, &queue).await {
            Ok(sat) => sat,
            Err(failed) => return Outcome::Failed(failed.error),
        };
        let id = Arc::clone(reserved.id());
        let batch = keys::batch(self.identity.as_str(), &id);
        let next = Reserved::new(&self.held);
        let spent = self.held.spent();
        let mut request = Pipeline::with_capacity(5);
        if !spent.is_empty() {
            let forget = request.cmd("HDEL").arg(keys::index(self.identity.as_str()));
            spent.iter().for_each(|id| {
                forget.arg(&**id).arg(keys::left(id));
            });
        }
        // The one of now once more, for a server that was emptied since.
        self.register(&mut request, &[&id, next.id()], &queue);
        request.cmd("BLMOVE").arg(keys::queue(&queue)).arg(&batch).arg("RIGHT").arg("LEFT").arg(BLOCK.as_secs());
        // Carried out right after the move: whether there is a backlog, which a fetch takes faster than one by one.
        request.cmd("LLEN").arg(keys::queue(&queue));

        // From here on something may come. The batch stays known, so that nobody takes it for lost; if this is dropped, it
        // is lost.
        let Some(expected) = reserved.expect(&self.held) else { return Outcome::Failed(BrokerError::LeaseLost) };
        let answers = match link.send_over(&live, &request).await {
            Ok(answers) => answers,
            Err(failed) => {
                // It may have been handed over, and the answer lost; or may be yet. The latter is left to reclaiming.
                return match self.look_at(&batch).await.and_then(|bytes| self.unit(&queue, &id, bytes)) {
                    Some(unit) => {
                        expected.arrived([(id, 1)]);
                        Outcome::Job { unit, more: true }
                    }
                    None => Outcome::Failed(failed.error),
                };
            }
        };
        let mut answers = answers.into_iter();
        if !spent.is_empty() && answers.next().is_some_and(|answer| !matches!(answer, Value::ServerError(_))) {
            self.held.forget_spent(&spent);
        }
        // Both are taken before the one that counts, whatever they say.
        let registered: Vec<Value> = answers.by_ref().take(2).collect();
        if !registered.iter().any(|answer| matches!(answer, Value::ServerError(_))) {
            self.keep(&seat, &live, next.confirmed());
        }
        let moved = match answers.next().ok_or_else(|| self.link.surprised()).and_then(|moved| link.checked(moved)) {
            Ok(moved) => moved,
            Err(failed) => {
                self.held.spend(id);
                return Outcome::Failed(failed.error);
            }
        };
        let Some(bytes) = reply::bytes(&moved) else {
            self.held.spend(id);
            return Outcome::Nothing;
        };
        let Some(unit) = self.unit(&queue, &id, bytes.to_vec()) else {
            return Outcome::Failed(BrokerError::LeaseLost);
        };
        expected.arrived([(id, 1)]);
        Outcome::Job { unit, more: answers.next().is_none_or(|left| reply::int(&left) != Some(0)) }
    }

    /// The connection that blocks, once its number is known, and an id that is in the index.
    async fn sit(&self, link: &Link, seat: &Seat, queue: &str) -> Result<(Live, Reserved), LinkError> {
        let live = link.live().await?;
        let (is_new, reserved) = match &mut *lock(seat) {
            Some(sat) if sat.live.is(&live) => (false, sat.reserved.take()),
            _ => (true, None),
        };
        if let Some(reserved) = reserved.filter(Reserved::is_good) {
            return Ok((live, reserved));
        }
        let reserved = Reserved::new(&self.held);
        let mut request = Pipeline::with_capacity(3);
        self.register(&mut request, &[reserved.id()], queue);
        if is_new {
            request.cmd("CLIENT").arg("ID");
        }
        let mut answers = link.send_over(&live, &request).await?.into_iter();
        let registered: Vec<Value> = answers.by_ref().take(2).collect();
        if is_new {
            // Where it is refused, there is no ending the wait either; no client has the number 0.
            let client = answers.next().as_ref().and_then(reply::int).unwrap_or(0);
            *lock(seat) = Some(Sat { live: live.clone(), client, reserved: None });
        }
        // What is refused is not in the index, and need not be removed from it.
        let is_there = registered.first().is_some_and(|answer| !matches!(answer, Value::ServerError(_)));
        let reserved = if is_there { reserved.confirmed() } else { reserved };
        for answer in registered {
            link.checked(answer)?;
        }
        Ok((live, reserved))
    }

    /// Keeps an id for the next request over the same connection.
    fn keep(&self, seat: &Seat, live: &Live, reserved: Reserved) {
        if let Some(sat) = &mut *lock(seat)
            && sat.live.is(live)
        {
            sat.reserved = Some(reserved);
        }
    }

    /// Makes batches findable before anything is in them.
    fn register(&self, request: &mut Pipeline, ids: &[&Arc<str>], queue: &str) {
        let me = self.identity.as_str();
        let fields = request.cmd("HSET").arg(keys::index(me));
        for id in ids {
            fields.arg(&***id).arg(queue).arg(keys::left(id)).arg(1);
        }
        request.cmd("SADD").arg(keys::OWNERS).arg(me);
    }

    /// What is in a batch of one.
    async fn look_at(&self, batch: &str) -> Option<Vec<u8>> {
        let mut first = redis::cmd("LINDEX");
        first.arg(batch).arg(0);
        let answer = self.link.ask(first).await.ok()?;
        reply::bytes(&answer).map(<[u8]>::to_vec)
    }

    /// The job, unless the lease ran out meanwhile (this process was stopped, say): others may have taken it over by now,
    /// and if not, it goes back with the next reclaim.
    fn unit(&self, queue: &Arc<str>, id: &Arc<str>, bytes: Vec<u8>) -> Option<UnitOfWork> {
        let slot = Slot { batch: Arc::clone(id), index: 1 };
        self.held.has_lease().then(|| UnitOfWork { queue: Arc::clone(queue), payload: bytes.into(), slot })
    }

    /// Asks the server to end the waits of these connections.
    async fn unblock(&self, clients: &[i64]) {
        if clients.is_empty() || !self.may_unblock.load(Ordering::Relaxed) {
            return;
        }
        let mut request = Pipeline::with_capacity(clients.len());
        for client in clients {
            request.cmd("CLIENT").arg("UNBLOCK").arg(*client);
        }
        // Without an answer the waits end by themselves.
        let answers = self.link.send(&request).await.unwrap_or_default();
        if answers.iter().any(|answer| is_error(answer, "NOPERM")) && self.may_unblock.swap(false, Ordering::Relaxed) {
            tracing::info!(
                "this Redis user may not CLIENT UNBLOCK: jobs that come to a busy process are given back instead"
            );
        }
    }
}

/// The waiter of one set of queues.
pub(super) struct RedisWaiter {
    wake: Arc<Wake>,
    lines: Vec<Line>,
    /// Handed over. Empty between two calls: a call that adds to them answers them without another await.
    units: Vec<UnitOfWork>,
    /// A fetch may find more.
    look: bool,
    /// The server does not let us wait, and this was said.
    is_refused: bool,
}

/// One queue, and the connection that blocks for it.
struct Line {
    queue: Arc<str>,
    link: Arc<Link>,
    seat: Seat,
    /// Under way. (In a mutex only because a future need not be `Sync`; nobody ever waits for it.)
    call: Option<Mutex<BoxFuture<'static, Outcome>>>,
    /// After a failure: for how long not to try, and until when.
    pause: Option<(Duration, Instant)>,
    _room: OwnedSemaphorePermit,
}

impl fmt::Debug for RedisWaiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let armed: Vec<&str> =
            self.lines.iter().filter(|line| line.call.is_some()).map(|line| line.queue.as_ref()).collect();
        f.debug_struct("RedisWaiter").field("armed", &armed).finish_non_exhaustive()
    }
}

impl RedisWaiter {
    pub(super) fn new(wake: &Arc<Wake>) -> Self {
        RedisWaiter { wake: Arc::clone(wake), lines: Vec::new(), units: Vec::new(), look: false, is_refused: false }
    }

    async fn hear(&mut self, queues: &[String], patience: Duration) -> Arrival {
        let until = Instant::now() + patience;
        // A queue that is not wanted any more.
        let wanted = |line: &Line| queues.iter().any(|queue| **queue == *line.queue);
        let others = self.clients(|line| !wanted(line));
        self.wake.unblock(&others).await;
        loop {
            if !self.units.is_empty() || self.look {
                return Arrival { units: std::mem::take(&mut self.units), look: std::mem::take(&mut self.look) };
            }
            let until = until.min(self.arm(queues));
            if timeout_at(until, self.answered()).await.is_err() {
                return Arrival { units: Vec::new(), look: true };
            }
        }
    }

    /// A request under way for each of the queues. Answers when to look at those which have none.
    fn arm(&mut self, queues: &[String]) -> Instant {
        let now = Instant::now();
        let mut look_at = now + BLOCK + BLOCK;
        for queue in queues {
            let known = self.lines.iter().position(|line| *line.queue == **queue);
            if known.is_none() && !self.add_line(queue) {
                look_at = look_at.min(now + POLL);
                continue;
            }
            let at = known.unwrap_or(self.lines.len().saturating_sub(1));
            let Some(line) = self.lines.get_mut(at) else { continue };
            match line.pause {
                Some((_, until)) if until > now => look_at = look_at.min(until),
                _ if line.call.is_some() => {}
                _ => {
                    let (link, seat, queue) = (Arc::clone(&line.link), Arc::clone(&line.seat), Arc::clone(&line.queue));
                    line.call = Some(Mutex::new(Box::pin(Arc::clone(&self.wake).next(link, seat, queue))));
                }
            }
        }
        look_at
    }

    fn add_line(&mut self, queue: &str) -> bool {
        let Ok(room) = Arc::clone(&self.wake.room).try_acquire_owned() else { return false };
        self.lines.push(Line {
            queue: queue.into(),
            link: Arc::new(Link::with_patience(&self.wake.target, SURE)),
            seat: Seat::default(),
            call: None,
            pause: None,
            _room: room,
        });
        true
    }

    /// Returns when a request has been answered; never, when none is under way.
    async fn answered(&mut self) {
        poll_fn(|cx| {
            let mut any = Poll::Pending;
            for at in 0..self.lines.len() {
                let Some(line) = self.lines.get_mut(at) else { continue };
                let Some(call) = &mut line.call else { continue };
                let call = call.get_mut().unwrap_or_else(PoisonError::into_inner);
                let Poll::Ready(outcome) = call.as_mut().poll(cx) else { continue };
                line.call = None;
                any = Poll::Ready(());
                self.note(at, outcome);
            }
            any
        })
        .await;
    }

    fn note(&mut self, at: usize, outcome: Outcome) {
        let Some(line) = self.lines.get_mut(at) else { return };
        match outcome {
            Outcome::Failed(error) => {
                let [first, most] = PAUSES;
                let pause = line.pause.map_or(first, |(pause, _)| (pause * 2).min(most));
                line.pause = Some((pause, Instant::now() + pause));
                tracing::debug!(queue = &*line.queue, %error, ?pause, "no wait for jobs; asking for them instead");
                // Of everything else the fetch tells.
                let is_news =
                    matches!(&error, BrokerError::Refused { code, .. } if matches!(code.as_str(), "OOM" | "NOPERM"));
                if is_news && !std::mem::replace(&mut self.is_refused, true) {
                    tracing::warn!(
                        %error,
                        "the store does not let this process wait for jobs; asking for them up to twice a second instead"
                    );
                }
                return;
            }
            Outcome::Job { unit, more } => {
                self.units.push(unit);
                self.look |= more;
            }
            Outcome::Nothing => {}
        }
        line.pause = None;
        if self.is_refused && self.lines.iter().all(|line| line.pause.is_none()) {
            self.is_refused = false;
            tracing::info!("the store lets this process wait for jobs again");
        }
    }

    /// The numbers of the connections that block for such lines.
    fn clients(&self, is_meant: impl Fn(&Line) -> bool) -> Vec<i64> {
        let armed = self.lines.iter().filter(|line| line.call.is_some() && is_meant(line));
        armed.filter_map(|line| lock(&line.seat).as_ref().map(|sat| sat.client)).collect()
    }

    async fn end_waits(&mut self) -> Vec<UnitOfWork> {
        let mut repeat = REPEAT;
        while self.units.is_empty() && self.is_armed() {
            let clients = self.clients(|_| true);
            self.wake.unblock(&clients).await;
            if self.wake.may_unblock.load(Ordering::Relaxed) {
                // One that had not begun to block when it was told has to be told again.
                let _ = timeout(repeat, self.answered()).await;
                repeat = (repeat * 2).min(POLL);
            } else {
                self.answered().await;
            }
        }
        self.look = false;
        std::mem::take(&mut self.units)
    }
}

impl Waiter for RedisWaiter {
    fn wait<'a>(&'a mut self, queues: &'a [String], patience: Duration) -> BoxFuture<'a, Arrival> {
        Box::pin(self.hear(queues, patience))
    }

    fn rest(&mut self) -> BoxFuture<'_, Vec<UnitOfWork>> {
        Box::pin(self.end_waits())
    }

    fn is_armed(&self) -> bool {
        self.lines.iter().any(|line| line.call.is_some())
    }
}
