//! Jobs in Redis, in Sidekiq's format.
//!
//! Only this folder names the `redis` crate or a Redis key. Each change of state is one script of `lua/`.

mod address;
mod browse;
mod check;
mod consumer;
mod held;
mod keys;
mod known;
mod link;
mod logbook;
mod manage;
mod metrics;
mod presence;
mod processes;
mod promote;
mod push;
mod reclaim;
mod reply;
mod route;
mod scripts;
#[cfg(feature = "tls")]
mod tls;
mod wake;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use redis::Value;

use crate::clock::Clock;
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::dead::SharedLimits;
use super::{Broker, Consumer, DeadLimits, Identity, NewJob, Promotion, PushError, Pushed, Replicas};

#[cfg(feature = "tls")]
pub use tls::Tls;

use address::Address;
use consumer::RedisConsumer;
use link::{Link, PATIENCE, Target};
use push::Pusher;
use route::{Opener, Route};
use scripts::FetchBy;

/// The most kinds of waiting for replicas whose connections are kept. A program has one or two.
const MOST_DURABLE: usize = 4;

/// A Redis server (7.0 or newer, not a cluster) as the place of jobs.
///
/// # Examples
/// ```
/// use kiq::{Client, Clock, RedisBroker};
/// use std::sync::Arc;
///
/// let broker = RedisBroker::open("redis://:secret@127.0.0.1:6379/0", Clock::system())?;
/// let client = Client::new(Arc::new(broker)); // the same as Client::connect(url)
/// assert_eq!(format!("{client:?}"), "Client(redis://127.0.0.1:6379/0)");
/// # Ok::<(), kiq::BrokerError>(())
/// ```
pub struct RedisBroker {
    target: Arc<Target>,
    /// For clients and readers.
    link: Arc<Link>,
    pusher: Pusher,
    /// Those that wait for replicas, each with a connection of its own; the oldest first.
    durable: Mutex<Vec<(Replicas, Arc<Pusher>)>>,
    clock: Clock,
    dead: SharedLimits,
    faults: Faults,
    /// Learned by [`check`](Broker::check).
    fetch_by: Arc<FetchBy>,
}

impl RedisBroker {
    /// Takes the address apart; connects when it is first used. A clock set by hand also decides what is due, instead of the
    /// server's.
    ///
    /// # Errors
    /// When `url` is no address of the form `redis://[user:password@]host[:port][/database]`, `rediss://…` (feature
    /// `tls`), `unix:///path`, or `redis+sentinel://…` (see [`Client::connect`](crate::client::Client::connect)).
    pub fn open(url: &str, clock: Clock) -> Result<Self, BrokerError> {
        Self::open_by(url, Opener::default(), clock)
    }

    /// The same for a `rediss://` address, with certificates of one's own.
    ///
    /// # Errors
    /// As [`open`](RedisBroker::open), and when a certificate or key cannot be read.
    #[cfg(feature = "tls")]
    pub fn open_with_tls(url: &str, tls: Tls, clock: Clock) -> Result<Self, BrokerError> {
        Self::open_by(url, Opener { tls: Some(tls) }, clock)
    }

    fn open_by(url: &str, opener: Opener, clock: Clock) -> Result<Self, BrokerError> {
        let address = Address::parse(url)?;
        let place = address.place();
        #[cfg(feature = "tls")]
        tls::install_provider();
        let route =
            Route::open(address, opener).map_err(|reason| BrokerError::InvalidUrl { url: place.clone(), reason })?;
        let target = Arc::new(Target { route, place });
        let link = Arc::new(Link::new(&target));
        let pusher = Pusher::new(&link);
        let (durable, dead, faults) = (Mutex::default(), SharedLimits::default(), Faults::default());
        Ok(RedisBroker { target, link, pusher, durable, clock, dead, faults, fetch_by: Arc::default() })
    }

    /// The pusher that waits for so many replicas so long.
    fn durable_pusher(&self, replicas: Replicas) -> Arc<Pusher> {
        let mut pushers = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pusher)) = pushers.iter().find(|(of, _)| *of == replicas) {
            return Arc::clone(pusher);
        }
        let link = Link::with_patience(&self.target, replicas.patience() + PATIENCE);
        let pusher = Arc::new(Pusher::durable(link, replicas));
        pushers.push((replicas, Arc::clone(&pusher)));
        if pushers.len() > MOST_DURABLE {
            // Whoever is in the middle of a push has a hold on it.
            pushers.remove(0);
        }
        pusher
    }
}

impl fmt::Debug for RedisBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisBroker({})", self.target.place)
    }
}

impl Broker for RedisBroker {
    fn push<'a>(&'a self, jobs: &'a [NewJob]) -> BoxFuture<'a, Vec<Result<Pushed, PushError>>> {
        Box::pin(self.pusher.push(jobs))
    }

    fn push_durably<'a>(
        &'a self,
        jobs: &'a [NewJob],
        replicas: Replicas,
    ) -> BoxFuture<'a, Vec<Result<Pushed, PushError>>> {
        let pusher = self.durable_pusher(replicas);
        Box::pin(async move { pusher.push(jobs).await })
    }

    fn promote(&self, limit: usize) -> BoxFuture<'_, Result<Promotion, BrokerError>> {
        Box::pin(async move { Ok(self.promote_due(limit).await?) })
    }

    fn attach(&self, identity: Identity) -> Arc<dyn Consumer> {
        let (clock, dead, fetch_by) = (self.clock.clone(), self.dead.clone(), Arc::clone(&self.fetch_by));
        Arc::new(RedisConsumer::new(&self.target, identity, clock, dead, fetch_by))
    }

    fn limit_dead(&self, limits: DeadLimits) {
        self.dead.set(limits);
    }

    fn check(&self) -> BoxFuture<'_, Result<Vec<String>, BrokerError>> {
        Box::pin(self.check_server())
    }

    fn place(&self) -> String {
        self.target.place.clone()
    }
}

/// Keys that hold something else than kiq's, each of which is told of once: they are met with every poll.
#[derive(Debug, Default)]
struct Faults(Mutex<HashSet<String>>);

impl Faults {
    fn report(&self, key: &str, error: &str) {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned()) {
            tracing::error!(key, error, "this key cannot be used, so its jobs wait; all others go on");
        }
    }
}

/// A value that is text, or nothing.
fn text(value: &Value) -> Option<String> {
    reply::bytes(value).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}
