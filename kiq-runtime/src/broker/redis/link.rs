//! One connection that is made when it is needed and made anew after it broke. It never sends a request twice.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::{MultiplexedConnection, SendError};
use redis::{AsyncConnectionConfig, ErrorKind, Pipeline, PushInfo, PushKind, RedisError, Value};
use tokio::runtime::{Handle, Id};

use crate::error::BrokerError;

use super::route::Route;

/// How long a connection may take to be made, and an answer to come.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// The most runtimes whose connections are kept. A program that makes a runtime for each call would otherwise keep one
/// connection of each runtime that is long gone.
const MOST_RUNTIMES: usize = 8;

/// What a link connects to.
pub(super) struct Target {
    pub(super) route: Route,
    pub(super) place: String,
}

impl fmt::Debug for Target {
    /// The place only: the client knows the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.place)
    }
}

/// A connection for any number of users at once. Each tokio runtime that uses it has one of its own, because a connection
/// ends with the runtime that drives it.
pub(super) struct Link {
    target: Arc<Target>,
    patience: Duration,
    /// The oldest first.
    connections: Mutex<Vec<Live>>,
    connecting: tokio::sync::Mutex<()>,
}

/// A connection that was made and may have ended since.
#[derive(Clone)]
pub(super) struct Live {
    runtime: Id,
    connection: MultiplexedConnection,
    /// How often the server had been another one when it was made.
    moves: u64,
    /// Set as soon as the other end is gone, so that the next request is not sent into nothing: a push would then have to
    /// say that it does not know.
    ended: Arc<AtomicBool>,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Live {
    pub(super) fn is(&self, other: &Live) -> bool {
        Arc::ptr_eq(&self.ended, &other.ended)
    }
}

/// A request failed.
#[derive(Debug)]
pub(super) struct LinkError {
    pub(super) error: BrokerError,
    /// Whether the server may have received it all the same.
    pub(super) may_be_done: bool,
}

impl From<LinkError> for BrokerError {
    fn from(failed: LinkError) -> Self {
        failed.error
    }
}

impl Link {
    pub(super) fn new(target: &Arc<Target>) -> Self {
        Link::with_patience(target, PATIENCE)
    }

    /// A link whose answers may take that long.
    pub(super) fn with_patience(target: &Arc<Target>, patience: Duration) -> Self {
        Link {
            target: Arc::clone(target),
            patience,
            connections: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    /// What it connects to, for messages.
    pub(super) fn place(&self) -> &str {
        &self.target.place
    }

    /// Sends commands in one write and answers one value each; an error of the server is a value, too.
    pub(super) async fn send(&self, pipeline: &Pipeline) -> Result<Vec<Value>, LinkError> {
        let live = self.live().await?;
        self.send_over(&live, pipeline).await
    }

    /// The connection of this moment, for requests that have to go over one and the same.
    pub(super) async fn live(&self) -> Result<Live, LinkError> {
        self.connection().await.map_err(|error| LinkError { error, may_be_done: false })
    }

    /// The same over that connection.
    pub(super) async fn send_over(&self, live: &Live, pipeline: &Pipeline) -> Result<Vec<Value>, LinkError> {
        let mut connection = live.connection.clone();
        let answers = connection.send_packed_commands(pipeline, 0, pipeline.len());
        let answers = if self.patience > PATIENCE {
            tokio::select! {
                answers = answers => answers,
                moved = self.target.route.moved_on(live.moves) => Err(moved),
            }
        } else {
            answers.await
        };
        match answers {
            Ok(answers) => {
                if answers.iter().any(wants_another_connection) {
                    self.drop_connection(live);
                }
                Ok(answers)
            }
            Err(error) => Err(self.broken(live, error)),
        }
    }

    /// Sends one command.
    pub(super) async fn ask(&self, command: redis::Cmd) -> Result<Value, LinkError> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(command);
        match self.send(&pipeline).await?.pop() {
            Some(answer) => self.checked(answer),
            None => Err(self.surprised()),
        }
    }

    /// A request that got no answers. The connection is not used again.
    fn broken(&self, live: &Live, error: RedisError) -> LinkError {
        // A refusal of the server is an answer; everything else leaves open what it did.
        let may_be_done = error.code().is_none();
        self.drop_connection(live);
        LinkError { error: self.explain(error), may_be_done }
    }

    /// The value, unless it is the server's refusal.
    pub(super) fn checked(&self, answer: Value) -> Result<Value, LinkError> {
        match answer {
            Value::ServerError(error) => Err(LinkError { error: self.explain(error.into()), may_be_done: false }),
            answer => Ok(answer),
        }
    }

    /// An answer of a shape that the command does not have: taken as none.
    pub(super) fn surprised(&self) -> LinkError {
        let source = "an answer of an unexpected shape".into();
        let error = BrokerError::Unavailable { server: self.target.place.clone(), source };
        LinkError { error, may_be_done: true }
    }

    fn connections(&self) -> MutexGuard<'_, Vec<Live>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, runtime: Id) -> Option<Live> {
        let mut connections = self.connections();
        connections.retain(|live| !live.ended.load(Ordering::Relaxed));
        connections.iter().find(|live| live.runtime == runtime).cloned()
    }

    /// This one, and not a newer one that somebody else has made meanwhile.
    fn drop_connection(&self, broken: &Live) {
        self.connections().retain(|live| !live.is(broken));
    }

    async fn connection(&self) -> Result<Live, BrokerError> {
        let runtime = Handle::try_current().map_err(|_| BrokerError::NoRuntime)?.id();
        if let Some(live) = self.known(runtime) {
            return Ok(live);
        }
        // The wait for one's turn counts, too: behind a host that swallows packets each would wait in full otherwise.
        match tokio::time::timeout(PATIENCE, self.connect(runtime)).await {
            Ok(connected) => connected.map_err(|error| self.explain(error)),
            Err(_) => {
                let source = format!("no connection within {PATIENCE:?}").into();
                Err(BrokerError::Unavailable { server: self.target.place.clone(), source })
            }
        }
    }

    async fn connect(&self, runtime: Id) -> Result<Live, RedisError> {
        // One at a time: after an outage many callers come at once.
        let _turn = self.connecting.lock().await;
        if let Some(live) = self.known(runtime) {
            return Ok(live);
        }
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(self.patience))
            .set_pipeline_buffer_size(1024)
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    seen.store(true, Ordering::Relaxed);
                }
                Ok::<(), SendError>(())
            });
        let (connection, moves) = self.target.route.connect(&config).await?;
        let live = Live { runtime, connection, moves, ended };
        let mut connections = self.connections();
        connections.push(live.clone());
        if connections.len() > MOST_RUNTIMES {
            // Whoever is in the middle of a request on it has a handle of its own.
            connections.remove(0);
        }
        Ok(live)
    }

    fn explain(&self, error: RedisError) -> BrokerError {
        let server = self.target.place.clone();
        let code = match error.code() {
            Some("LEASELOST") => return BrokerError::LeaseLost,
            // A script says in a sentence what a command says with a code.
            Some("ERR") if error.detail().is_some_and(is_missing_right) => "NOPERM".to_owned(),
            Some(code) => code.to_owned(),
            None if error.kind() == ErrorKind::AuthenticationFailed => "WRONGPASS".to_owned(),
            None if error.kind() == ErrorKind::RESP3NotSupported => {
                let reason = "it is older than Redis 6, and 7.0 is the oldest that works; upgrade it".to_owned();
                return BrokerError::Unsupported { server, reason };
            }
            None => return BrokerError::Unavailable { server, source: Box::new(error) },
        };
        let reason = error.detail().map_or_else(|| error.to_string(), |detail| format!("{code} {detail}"));
        BrokerError::Refused { server, code, reason }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.target.place)
    }
}

/// Whether an answer is the server's error of that code.
pub(super) fn is_error(answer: &Value, code: &str) -> bool {
    matches!(answer, Value::ServerError(error) if error.code() == code)
}

/// Whether a script ran into a right that its user lacks: in the words of Redis 7.0, and of Redis 7.2 and Valkey.
fn is_missing_right(words: &str) -> bool {
    words.starts_with("The user executing the script can't") || words.starts_with("ACL failure in script")
}

/// Answers after which this server is not the one to ask: it was demoted, lost its primary, or cannot save. The next
/// request connects again, and finds the right one where a name or a proxy stands for it.
fn wants_another_connection(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error)
        if matches!(error.code(), "READONLY" | "UNBLOCKED" | "MASTERDOWN" | "MISCONF" | "NOAUTH"))
}
