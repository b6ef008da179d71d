//! Which server to connect to: the one that was named, or the primary that Sentinels name at that moment.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, RedisError};

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
                Route::Sentinels(Sentinels { clients, name, primary, opener, first: AtomicUsize::new(0) })
            }
        })
    }

    /// A new connection to the server to use.
    pub(super) async fn connect(&self, config: &AsyncConnectionConfig) -> Result<MultiplexedConnection, RedisError> {
        match self {
            Route::Server(client) => client.get_multiplexed_async_connection_with_config(config).await,
            Route::Sentinels(sentinels) => sentinels.connect(config).await,
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
    async fn connect(&self, config: &AsyncConnectionConfig) -> Result<MultiplexedConnection, RedisError> {
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
    ) -> Result<MultiplexedConnection, RedisError> {
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
            Err(error) if error.code() == Some("NOPERM") => return Ok(connection),
            role => role?,
        };
        match reply::list(&role).first().and_then(text).as_deref() {
            Some("master") => Ok(connection),
            _ => Err(failure(format!("{place}, the primary by a Sentinel's word, says that it is none"))),
        }
    }
}

fn failure(words: String) -> RedisError {
    io::Error::other(words).into()
}
