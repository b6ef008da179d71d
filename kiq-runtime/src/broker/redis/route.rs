//! Which server to connect to: the one that was named, or the primary that Sentinels name at that moment.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, RedisError};
use tokio::sync::watch;

use super::address::Address;
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::{reply, text};

/// How long one Sentinel may take, so that the second and third have their turn when the first is gone.
const SENTINEL_PATIENCE: Duration = Duration::from_millis(700);

/// The way to the server. A connection is made by it each time anew, so a new primary is found when the old one's connections
/// break or say that it is none any more.
pub(super) enum Route {
    /// One server.
    Server(redis::Client),
    /// The primary of that name.
    Sentinels(Sentinels),
}

pub(super) struct Sentinels {
    clients: Vec<redis::Client>,
    name: String,
    /// How to connect to the primary; its address is what a Sentinel says.
    primary: ConnectionInfo,
    opener: Opener,
    /// The one to ask first: the last that was right.
    first: AtomicUsize,
    /// Where the primary was when a connection was last made, and how often that has changed.
    found: watch::Sender<Found>,
}

#[derive(Default)]
struct Found {
    address: Option<(String, u16)>,
    moves: u64,
}

/// What clients are made with.
#[derive(Clone, Debug, Default)]
pub(super) struct Opener {
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Tls>,
}

impl Opener {
    /// A client, or what is wrong with the address or the certificates.
    fn client(&self, info: ConnectionInfo) -> Result<redis::Client, String> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.clone().client(info);
        }
        redis::Client::open(info).map_err(|_| "the address cannot be used".to_owned())
    }
}

impl Route {
    pub(super) fn open(address: Address, opener: Opener) -> Result<Self, String> {
        Ok(match address {
            Address::Server(info) => Route::Server(opener.client(info)?),
            Address::Sentinels { sentinels, name, primary } => {
                let clients = sentinels.into_iter().map(|info| opener.client(info)).collect::<Result<_, _>>()?;
                let (first, found) = (AtomicUsize::new(0), watch::Sender::default());
                Route::Sentinels(Sentinels { clients, name, primary, opener, first, found })
            }
        })
    }

    /// A new connection to the server to use, and how often that server has been another one before.
    pub(super) async fn connect(
        &self,
        config: &AsyncConnectionConfig,
    ) -> Result<(MultiplexedConnection, u64), RedisError> {
        match self {
            Route::Server(client) => Ok((client.get_multiplexed_async_connection_with_config(config).await?, 0)),
            Route::Sentinels(sentinels) => sentinels.connect(config).await,
        }
    }

    /// Returns when somebody has found the primary elsewhere since a connection was made: an old one that hangs closes nothing,
    /// and who waits long for its answer would wait for nothing.
    pub(super) async fn moved_on(&self, moves: u64) -> RedisError {
        match self {
            Route::Server(_) => std::future::pending().await,
            Route::Sentinels(sentinels) => {
                // The other end lives as long as we do, so there is no error.
                let _ = sentinels.found.subscribe().wait_for(|found| found.moves != moves).await;
                failure("the primary is another server now".to_owned())
            }
        }
    }
}

impl fmt::Debug for Route {
    /// Without the addresses: they know the passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Route::Server(_) => f.write_str("Route::Server"),
            Route::Sentinels(sentinels) => write!(f, "Route::Sentinels({})", sentinels.name),
        }
    }
}

impl Sentinels {
    /// Asks one Sentinel after the other, and takes the first answer that is the address of a primary. During a failover some
    /// of them still name the old one.
    async fn connect(&self, config: &AsyncConnectionConfig) -> Result<(MultiplexedConnection, u64), RedisError> {
        let count = self.clients.len();
        let first = self.first.load(Ordering::Relaxed);
        let mut last = failure(format!("no Sentinel was asked for {:?}", self.name));
        for turn in 0..count {
            let at = (first + turn) % count;
            let Some(sentinel) = self.clients.get(at) else { continue };
            // If this one's primary swallows the rest of the caller's patience, the next call begins with another.
            self.first.store((at + 1) % count, Ordering::Relaxed);
            let found = match tokio::time::timeout(SENTINEL_PATIENCE, self.ask(sentinel)).await {
                Ok(Ok((host, port))) => self.connect_to(host, port, config).await,
                Ok(Err(error)) => Err(error),
                Err(_) => Err(failure(format!("a Sentinel gave no answer within {SENTINEL_PATIENCE:?}"))),
            };
            match found {
                Ok(connection) => {
                    self.first.store(at, Ordering::Relaxed);
                    return Ok(connection);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Where a Sentinel says that the primary is.
    async fn ask(&self, sentinel: &redis::Client) -> Result<(String, u16), RedisError> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(SENTINEL_PATIENCE));
        let mut connection = sentinel.get_multiplexed_async_connection_with_config(&config).await?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        let answer = connection.send_packed_command(&question).await?.extract_error()?;
        match reply::list(&answer) {
            [host, port] => {
                let port = reply::int(port).and_then(|port| u16::try_from(port).ok());
                let address = text(host).zip(port);
                address.ok_or_else(|| failure("a Sentinel's answer is no address".to_owned()))
            }
            _ => Err(failure(format!("a Sentinel knows no primary of the name {:?}", self.name))),
        }
    }

    async fn connect_to(
        &self,
        host: String,
        port: u16,
        config: &AsyncConnectionConfig,
    ) -> Result<(MultiplexedConnection, u64), RedisError> {
        let found = (host.clone(), port);
        let place = format!("{host}:{port}");
        let address = match self.primary.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        let client = self.opener.client(self.primary.clone().set_addr(address)).map_err(failure)?;
        let mut connection = client.get_multiplexed_async_connection_with_config(config).await?;
        // A Sentinel that has not heard of a failover names the old primary, which may be back as a replica.
        let role = connection.send_packed_command(&redis::cmd("ROLE")).await?.extract_error();
        let role = match role {
            // A user who may not ask is told by the first write.
            Err(error) if error.code() == Some("NOPERM") => None,
            role => Some(role?),
        };
        let role = role.map(|role| reply::list(&role).first().and_then(text));
        match role.as_ref().map(Option::as_deref) {
            None | Some(Some("master")) => Ok((connection, self.note(found))),
            _ => Err(failure(format!("{place}, the primary by a Sentinel's word, says that it is none"))),
        }
    }
}

impl Sentinels {
    /// Notes where the primary is. Answers how often it was found somewhere else than before.
    fn note(&self, address: (String, u16)) -> u64 {
        let mut moves = 0;
        self.found.send_if_modified(|found| {
            let is_elsewhere = found.address.as_ref() != Some(&address);
            if is_elsewhere {
                found.address = Some(address);
                found.moves += 1;
            }
            moves = found.moves;
            is_elsewhere
        });
        moves
    }
}

fn failure(words: String) -> RedisError {
    io::Error::other(words).into()
}
