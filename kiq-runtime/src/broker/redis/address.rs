//! Where a Redis is: the URL as given, and the words for it that hide its password.

use std::time::Duration;

use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion};

use crate::error::BrokerError;

/// How long a silent connection lives before the system asks whether the other end is there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Takes a URL apart.
pub(super) fn parse(url: &str) -> Result<ConnectionInfo, BrokerError> {
    let invalid = |reason: &str| BrokerError::InvalidUrl { url: redact(url), reason: reason.to_owned() };
    match url.split_once("://").map(|(scheme, _)| scheme) {
        Some("redis" | "unix" | "redis+unix") => {}
        Some("rediss") if !cfg!(feature = "tls") => {
            return Err(invalid("this program is built without TLS; add the feature `tls` to the dependency kiq"));
        }
        Some("rediss") if url.contains('#') => {
            return Err(invalid(
                "certificates are always checked; for a private authority name its certificate with `Tls`",
            ));
        }
        Some("rediss") => {}
        Some(_) => return Err(invalid("the scheme must be redis, rediss or unix")),
        None => return Err(invalid("it has no scheme")),
    }
    // `redis://:a?b@host` would be taken for the host `:a`, and the half of the password that it shows for a port.
    let path =
        url.split_once("://").map_or("", |(_, rest)| rest).split_once(['/', '?', '#']).map_or("", |(_, path)| path);
    if url.starts_with("redis") && path.contains('@') {
        return Err(invalid("a password with one of / ? # @ must be percent-encoded (%2F %3F %23 %40)"));
    }
    // Of the crate's words only those before the dash: behind it may stand a part of the URL.
    let info = url.into_connection_info().map_err(|error| {
        let words = error.to_string();
        invalid(&words.split_once(" - ").map_or("it cannot be read".to_owned(), |(what, _)| what.to_lowercase()))
    })?;
    let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE));
    // The newer protocol, as Sidekiq since 7.0: with it the crate tells when the other end is gone.
    let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let redis = redis.set_lib_name("kiq", env!("CARGO_PKG_VERSION"));
    Ok(info.set_tcp_settings(tcp).set_redis_settings(redis))
}

/// The address for messages: `redis://host:port/db`, without user and password.
pub(super) fn place(info: &ConnectionInfo) -> String {
    let db = info.redis_settings().db();
    match info.addr() {
        ConnectionAddr::Unix(path) => format!("unix://{}?db={db}", path.display()),
        ConnectionAddr::TcpTls { host, port, .. } => format!("rediss://{host}:{port}/{db}"),
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
            "redis://u:hun@hunter2@h/0",
            "redis://:12?hunter2@h/0",
            "redis://u:hunter2/12@h/0",
            "redis://:hunter2#@h",
            "redis://u:hunter2@h/0?protocol=hunter2",
            "redis://h?pass=hunter2@x",
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
        if cfg!(feature = "tls") {
            assert!(says("rediss://h/#insecure").contains("certificates are always checked"));
        } else {
            assert!(says("rediss://h").contains("add the feature `tls`"));
        }
        assert!(says("http://h").contains("the scheme must be redis, rediss or unix"));
        assert!(says("localhost:6379").contains("it has no scheme"));
        assert!(says("redis://h:port/0").starts_with("\"redis://h:port/0\" is not a Redis address"));
        assert!(says("redis://u:1?2@h/0").contains("must be percent-encoded"));
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
