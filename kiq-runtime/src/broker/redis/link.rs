//! One connection that is made when it is needed and made anew after it broke. It never sends a request twice.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, Pipeline, RedisError, Value};
use tokio::runtime::{Handle, Id};

use crate::error::BrokerError;

/// How long a connection may take to be made, and an answer to come.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// What a link connects to.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) client: redis::Client,
    pub(super) place: String,
}

/// A connection for any number of users at once. Each tokio runtime that uses it has one of its own, because a connection
/// ends with the runtime that drives it.
pub(super) struct Link {
    target: Arc<Target>,
    patience: Duration,
    connections: Mutex<Vec<(Id, MultiplexedConnection)>>,
    connecting: tokio::sync::Mutex<()>,
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

    /// Sends commands in one write and answers one value each; an error of the server is a value, too.
    pub(super) async fn send(&self, pipeline: &Pipeline) -> Result<Vec<Value>, LinkError> {
        let count = pipeline.len();
        self.request(pipeline, 0, count).await
    }

    /// Sends commands as one transaction and answers one value each.
    pub(super) async fn transact(&self, pipeline: &Pipeline) -> Result<Vec<Value>, LinkError> {
        let queued = pipeline.len() + 1;
        match self.request(pipeline, queued, 1).await?.pop() {
            Some(Value::Array(answers)) => Ok(answers),
            Some(answer) => {
                self.checked(answer)?;
                Err(self.surprised())
            }
            None => Err(self.surprised()),
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

    async fn request(&self, pipeline: &Pipeline, skip: usize, count: usize) -> Result<Vec<Value>, LinkError> {
        let (runtime, mut connection) =
            self.connection().await.map_err(|error| LinkError { error, may_be_done: false })?;
        match connection.send_packed_commands(pipeline, skip, count).await {
            Ok(answers) => {
                if answers.iter().any(wants_another_connection) {
                    self.drop_connection(runtime);
                }
                Ok(answers)
            }
            Err(error) => {
                // A refusal of the server is an answer; everything else leaves open what it did.
                let may_be_done = error.code().is_none();
                self.drop_connection(runtime);
                Err(LinkError { error: self.explain(error), may_be_done })
            }
        }
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, Vec<(Id, MultiplexedConnection)>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, runtime: Id) -> Option<MultiplexedConnection> {
        self.connections().iter().find(|(id, _)| *id == runtime).map(|(_, connection)| connection.clone())
    }

    fn drop_connection(&self, runtime: Id) {
        self.connections().retain(|(id, _)| *id != runtime);
    }

    async fn connection(&self) -> Result<(Id, MultiplexedConnection), BrokerError> {
        let runtime = Handle::try_current().map_err(|_| BrokerError::NoRuntime)?.id();
        if let Some(connection) = self.known(runtime) {
            return Ok((runtime, connection));
        }
        // One at a time: after an outage many callers come at once.
        let _turn = self.connecting.lock().await;
        if let Some(connection) = self.known(runtime) {
            return Ok((runtime, connection));
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(self.patience))
            .set_pipeline_buffer_size(1024);
        let connected = self.target.client.get_multiplexed_async_connection_with_config(&config).await;
        let connection = connected.map_err(|error| self.explain(error))?;
        self.connections().push((runtime, connection.clone()));
        Ok((runtime, connection))
    }

    fn explain(&self, error: RedisError) -> BrokerError {
        let server = self.target.place.clone();
        let refused = |code: &str, error: RedisError| BrokerError::Refused {
            server: server.clone(),
            code: code.to_owned(),
            reason: error.to_string(),
        };
        match error.code().map(str::to_owned) {
            Some(code) if code == "LEASELOST" => BrokerError::LeaseLost,
            Some(code) => refused(&code, error),
            None if error.kind() == ErrorKind::AuthenticationFailed => refused("WRONGPASS", error),
            None => BrokerError::Unavailable { server, source: Box::new(error) },
        }
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

/// Answers after which this server is not the one to ask: it was demoted, lost its primary, or cannot save. The next
/// request connects again, and finds the right one where a name or a proxy stands for it.
fn wants_another_connection(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error)
        if matches!(error.code(), "READONLY" | "UNBLOCKED" | "MASTERDOWN" | "MISCONF" | "NOAUTH"))
}
