//! What can go wrong between a program and the place its jobs are kept.

use std::error::Error;

/// An error of a dependency, carried as the cause.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// The place where jobs are kept could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The address cannot be used.
    #[error("{url:?} is not a Redis address: {reason}; write it like redis://user:password@host:6379/0")]
    InvalidUrl {
        /// The address as given, password hidden.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No answer: not there, connection lost, or too slow. Whether the last request was carried out is not known.
    #[error("no answer from {server}: {source}")]
    Unavailable {
        /// The server's address, password hidden.
        server: String,
        /// What the network said.
        source: Cause,
    },
    /// The server answered that it will not. Nothing was changed.
    #[error("{server} refused: {reason}{}", remedy(.code))]
    Refused {
        /// The server's address, password hidden.
        server: String,
        /// The first word of the answer: `OOM`, `READONLY`, `NOAUTH`, `NOPERM`, `WRONGTYPE`, `LOADING` …
        code: String,
        /// The answer.
        reason: String,
    },
    /// The server works, and kiq cannot keep its promises on it.
    #[error("{server} cannot be used: {reason}")]
    Unsupported {
        /// The server's address, password hidden.
        server: String,
        /// What is missing, and the remedy.
        reason: String,
    },
    /// The server has the job, and too few of its replicas said in time that they have it too. If the server is lost now, the
    /// job may be lost with it.
    #[error(
        "{acknowledged} of {wanted} replicas of {server} have it; the server itself has it, and would lose it if it failed now"
    )]
    NotReplicated {
        /// The server's address, password hidden.
        server: String,
        /// How many have it.
        acknowledged: u32,
        /// How many were asked for.
        wanted: u32,
    },
    /// This process did not renew its lease in time, so others may have taken over its jobs. It is renewed by the next
    /// heartbeat.
    #[error("the lease of this process has run out, its unfinished jobs may be running elsewhere")]
    LeaseLost,
    /// A request that takes a network connection was made outside of a tokio runtime.
    #[error("there is no tokio runtime here; call this from within `#[tokio::main]` or `Runtime::block_on`")]
    NoRuntime,
}

/// What an operator does about an answer that says no.
fn remedy(code: &str) -> &'static str {
    match code {
        "OOM" => " (the server is full: let workers drain it, delete dead jobs, or raise maxmemory)",
        "READONLY" => " (this is a replica: point the URL at the primary)",
        "NOAUTH" | "WRONGPASS" => " (put user and password into the URL: redis://user:password@host:6379/0)",
        "NOPERM" => " (give this Redis user the command or the key it names)",
        "WRONGTYPE" => " (a key that kiq uses holds something else; is another program using this database?)",
        "MISCONF" => " (the server cannot save to its disk)",
        "LOADING" => " (the server is reading its data; it will be ready by itself)",
        _ => "",
    }
}

impl BrokerError {
    /// The same for another job that it concerns, too. The cause keeps its words and loses its type.
    #[cfg(feature = "redis")]
    pub(crate) fn repeated(&self) -> Self {
        match self {
            BrokerError::InvalidUrl { url, reason } => {
                BrokerError::InvalidUrl { url: url.clone(), reason: reason.clone() }
            }
            BrokerError::Unavailable { server, source } => {
                BrokerError::Unavailable { server: server.clone(), source: source.to_string().into() }
            }
            BrokerError::Refused { server, code, reason } => {
                BrokerError::Refused { server: server.clone(), code: code.clone(), reason: reason.clone() }
            }
            BrokerError::Unsupported { server, reason } => {
                BrokerError::Unsupported { server: server.clone(), reason: reason.clone() }
            }
            BrokerError::NotReplicated { server, acknowledged, wanted } => {
                BrokerError::NotReplicated { server: server.clone(), acknowledged: *acknowledged, wanted: *wanted }
            }
            BrokerError::LeaseLost => BrokerError::LeaseLost,
            BrokerError::NoRuntime => BrokerError::NoRuntime,
        }
    }

    /// Whether the same request may well succeed in a moment.
    pub fn is_temporary(&self) -> bool {
        match self {
            BrokerError::Unavailable { .. } | BrokerError::NotReplicated { .. } | BrokerError::LeaseLost => true,
            BrokerError::Refused { code, .. } => matches!(
                code.as_str(),
                "OOM"
                    | "READONLY"
                    | "LOADING"
                    | "MISCONF"
                    | "MASTERDOWN"
                    | "NOREPLICAS"
                    | "UNBLOCKED"
                    | "TRYAGAIN"
                    | "BUSY"
            ),
            _ => false,
        }
    }
}
