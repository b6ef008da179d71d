//! Where a Redis is: the URL as given, and the words for it that hide its password.

use std::time::Duration;

use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};

use crate::error::BrokerError;

/// How long a silent connection lives before the system asks whether the other end is there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Takes a URL apart.
pub(super) fn parse(url: &str) -> Result<ConnectionInfo, BrokerError> {
    let invalid = |reason: &str| BrokerError::InvalidUrl { url: redact(url), reason: reason.to_owned() };
    match url.split_once("://").map(|(scheme, _)| scheme) {
        Some("redis" | "unix" | "redis+unix") => {}
        Some("rediss" | "valkeys") => return Err(invalid("TLS connections are not supported yet")),
        Some(_) => return Err(invalid("the scheme must be redis or unix")),
        None => return Err(invalid("it has no scheme")),
    }
    // The crate's own words may hold parts of the URL, so only those of a known kind are passed on.
    let info = url.into_connection_info().map_err(|error| match error.detail() {
        Some(detail) if !detail.contains(url) => invalid(detail),
        _ => invalid("host, port or database number cannot be read"),
    })?;
    let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE));
    Ok(info.set_tcp_settings(tcp))
}

/// The address for messages: `redis://host:port/db`, without user and password.
pub(super) fn place(info: &ConnectionInfo) -> String {
    let db = info.redis_settings().db();
    match info.addr() {
        ConnectionAddr::Unix(path) => format!("unix://{}?db={db}", path.display()),
        address => format!("redis://{address}/{db}"),
    }
}

/// A URL with everything hidden that may be secret: what stands before the last `@`, and the query.
fn redact(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    let (hidden, rest) = match rest.rsplit_once('@') {
        Some((_, host)) => ("***@", host),
        None => ("", rest),
    };
    match rest.split_once('?') {
        Some((before, _)) => format!("{scheme}{hidden}{before}?***"),
        None => format!("{scheme}{hidden}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_gets_into_words() {
        for url in [
            "redis://:hunter2@h:1/0",
            "redis://u:hunter2@h:bad/0",
            "redis://u:hunter2%40x@h/abc",
            "redis://u:hun@ter2/hunter2@h/0/x",
            "unix:///tmp/s?pass=hunter2",
            "rediss://u:hunter2@h",
            "http://u:hunter2@h",
            "u:hunter2@h",
        ] {
            let words = match parse(url) {
                Ok(info) => place(&info),
                Err(error) => format!("{error} {error:?}"),
            };
            assert!(!words.contains("hunter2"), "{words}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        let says = |url: &str| parse(url).unwrap_err().to_string();
        assert!(says("rediss://h").contains("TLS connections are not supported yet"));
        assert!(says("http://h").contains("the scheme must be redis or unix"));
        assert!(says("localhost:6379").contains("it has no scheme"));
        assert!(says("redis://h:port/0").starts_with("\"redis://h:port/0\" is not a Redis address"));
        assert!(says("redis://h/abc").contains("is not a Redis address"));
    }

    #[test]
    fn a_place_is_named_by_host_port_and_database() {
        let named = |url: &str| place(&parse(url).unwrap());
        assert_eq!(named("redis://user:pw@example.com/3"), "redis://example.com:6379/3");
        assert_eq!(named("redis://127.0.0.1:7000"), "redis://127.0.0.1:7000/0");
        assert_eq!(named("unix:///run/redis.sock"), "unix:///run/redis.sock?db=0");
    }
}
