//! Where a Redis is: the URL as given, and the words for it that hide its password.

use std::time::Duration;

use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion};

use crate::error::BrokerError;

/// How long a silent connection lives before the system asks whether the other end is there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// The port of a Sentinel that is named without one.
const SENTINEL_PORT: u16 = 26379;

/// What a URL names.
#[derive(Debug)]
pub(super) enum Address {
    /// One server.
    Server(ConnectionInfo),
    /// The primary that Sentinels know under a name.
    Sentinels {
        /// How to connect to each of them.
        sentinels: Vec<ConnectionInfo>,
        /// The primary's name.
        name: String,
        /// How to connect to the primary, but for its address.
        primary: ConnectionInfo,
    },
}

impl Address {
    /// Takes a URL apart.
    pub(super) fn parse(url: &str) -> Result<Self, BrokerError> {
        let invalid = |reason: String| BrokerError::InvalidUrl { url: redact(url), reason };
        match url.split_once("://") {
            Some((scheme @ ("redis+sentinel" | "rediss+sentinel"), rest)) => {
                let scheme = scheme.trim_end_matches("+sentinel");
                parse_sentinels(scheme, rest).map_err(invalid)
            }
            _ => parse_server(url).map(Address::Server).map_err(invalid),
        }
    }

    /// The address for messages, without users and passwords.
    pub(super) fn place(&self) -> String {
        match self {
            Address::Server(info) => place(info),
            Address::Sentinels { sentinels, name, primary } => {
                let (scheme, db) = match primary.addr() {
                    ConnectionAddr::TcpTls { .. } => ("rediss+sentinel", primary.redis_settings().db()),
                    _ => ("redis+sentinel", primary.redis_settings().db()),
                };
                let hosts: Vec<String> = sentinels.iter().map(|info| host_and_port(info.addr())).collect();
                format!("{scheme}://{}/{name}/{db}", hosts.join(","))
            }
        }
    }
}

/// `[user:password@]host[:port][,host…]/name[/database][?sentinel_user=…&sentinel_password=…]`
fn parse_sentinels(scheme: &str, rest: &str) -> Result<Address, String> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if path.contains('@') || query.contains('@') {
        return Err("a password with one of / ? # @ must be percent-encoded (%2F %3F %23 %40)".to_owned());
    }
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (name, db) = path.split_once('/').unwrap_or((path, "0"));
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if !is_name(name) {
        let form = format!("{scheme}+sentinel://host1:26379,host2:26379/mymaster/0");
        return Err(format!("behind the Sentinels stands the name of their primary, as in {form}"));
    }
    let (mut sentinel_user, mut sentinel_password) = ("", "");
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sentinel_user", value)) => sentinel_user = value,
            Some(("sentinel_password", value)) => sentinel_password = value,
            _ => return Err("behind ? may stand sentinel_user=… and sentinel_password=…, joined by &".to_owned()),
        }
    }
    let sentinel_user = match (sentinel_user, sentinel_password) {
        ("", "") => String::new(),
        (_, "") => return Err("sentinel_user needs a sentinel_password".to_owned()),
        (user, password) => format!("{user}:{password}@"),
    };
    let mut sentinels = Vec::new();
    for host in hosts.split(',') {
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let host = if has_port { host.to_owned() } else { format!("{host}:{SENTINEL_PORT}") };
        sentinels.push(parse_server(&format!("{scheme}://{sentinel_user}{host}"))?);
    }
    let user = if user.is_empty() { String::new() } else { format!("{user}@") };
    // Some address, which is replaced by what the Sentinels say.
    let primary = parse_server(&format!("{scheme}://{user}127.0.0.1:6379/{db}"))?;
    Ok(Address::Sentinels { sentinels, name: name.to_owned(), primary })
}

fn parse_server(url: &str) -> Result<ConnectionInfo, String> {
    let invalid = |reason: &str| Err(reason.to_owned());
    match url.split_once("://").map(|(scheme, _)| scheme) {
        Some("redis" | "unix" | "redis+unix") => {}
        Some("rediss") if !cfg!(feature = "tls") => {
            return invalid("this program is built without TLS; add the feature `tls` to the dependency kiq");
        }
        Some("rediss") if url.contains('#') => {
            return invalid("certificates are always checked; for a private authority name its certificate with `Tls`");
        }
        Some("rediss") => {}
        Some(_) => return invalid("the scheme must be redis, rediss, unix, redis+sentinel or rediss+sentinel"),
        None => return invalid("it has no scheme"),
    }
    // `redis://:a?b@host` would be taken for the host `:a`, and the half of the password that it shows for a port.
    let path =
        url.split_once("://").map_or("", |(_, rest)| rest).split_once(['/', '?', '#']).map_or("", |(_, path)| path);
    if url.starts_with("redis") && path.contains('@') {
        return invalid("a password with one of / ? # @ must be percent-encoded (%2F %3F %23 %40)");
    }
    // Of the crate's words only those before the dash: behind it may stand a part of the URL.
    let info = url.into_connection_info().map_err(|error| {
        let words = error.to_string();
        words.split_once(" - ").map_or("it cannot be read".to_owned(), |(what, _)| what.to_lowercase())
    })?;
    let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE));
    // The newer protocol, as Sidekiq since 7.0: with it the crate tells when the other end is gone.
    let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let redis = redis.set_lib_name("kiq", env!("CARGO_PKG_VERSION"));
    Ok(info.set_tcp_settings(tcp).set_redis_settings(redis))
}

/// The address for messages: `redis://host:port/db`, without user and password.
fn place(info: &ConnectionInfo) -> String {
    let db = info.redis_settings().db();
    match info.addr() {
        ConnectionAddr::Unix(path) => format!("unix://{}?db={db}", path.display()),
        address @ ConnectionAddr::TcpTls { .. } => format!("rediss://{}/{db}", host_and_port(address)),
        address => format!("redis://{}/{db}", host_and_port(address)),
    }
}

fn host_and_port(address: &ConnectionAddr) -> String {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } if host.contains(':') => {
            format!("[{host}]:{port}")
        }
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => format!("{host}:{port}"),
        address => address.to_string(),
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
            "redis+sentinel://u:hunter2@h1,h2/main/0?sentinel_password=hunter2",
            "redis+sentinel://u:hunter2@h1,h2/main/0?sentinel_pasword=hunter2",
            "redis+sentinel://u:hunter2@h1:bad,h2/main/0?sentinel_password=hunter2",
            "redis+sentinel://u:hun/ter2@hunter2@h/main",
            "redis+sentinel://u:hunter2@h1,h2",
        ] {
            let words = match Address::parse(url) {
                Ok(address) => address.place(),
                Err(error) => format!("{error} {error:?}"),
            };
            assert!(!words.contains("hunter2"), "{words}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        let says = |url: &str| Address::parse(url).unwrap_err().to_string();
        if cfg!(feature = "tls") {
            assert!(says("rediss://h/#insecure").contains("certificates are always checked"));
        } else {
            assert!(says("rediss://h").contains("add the feature `tls`"));
        }
        assert!(says("http://h").contains("the scheme must be redis, rediss, unix, redis+sentinel"));
        assert!(says("localhost:6379").contains("it has no scheme"));
        assert!(says("redis://h:port/0").starts_with("\"redis://h:port/0\" is not a Redis address"));
        assert!(says("redis://u:1?2@h/0").contains("must be percent-encoded"));
        assert!(says("redis://h/abc").contains("is not a Redis address"));
    }

    #[test]
    fn a_place_is_named_by_host_port_and_database() {
        let named = |url: &str| Address::parse(url).unwrap().place();
        assert_eq!(named("redis://user:pw@example.com/3"), "redis://example.com:6379/3");
        assert_eq!(named("redis://127.0.0.1:7000"), "redis://127.0.0.1:7000/0");
        assert_eq!(named("redis://[::1]"), "redis://[::1]:6379/0");
        assert_eq!(named("unix:///run/redis.sock"), "unix:///run/redis.sock?db=0");
    }

    #[test]
    fn a_primary_is_named_by_its_sentinels() {
        let url = "redis+sentinel://shop:p%40ss@a:1,[::1],b/main/3?sentinel_user=s&sentinel_password=q%26w";
        let address = Address::parse(url).unwrap();
        assert_eq!(address.place(), "redis+sentinel://a:1,[::1]:26379,b:26379/main/3");
        let Address::Sentinels { sentinels, name, primary } = address else { panic!("{address:?}") };
        let settings = primary.redis_settings();
        assert_eq!((name.as_str(), settings.db()), ("main", 3));
        assert_eq!((settings.username(), settings.password()), (Some("shop"), Some("p@ss")));
        for sentinel in &sentinels {
            let settings = sentinel.redis_settings();
            assert_eq!((settings.username(), settings.password(), settings.db()), (Some("s"), Some("q&w"), 0));
        }
        assert_eq!(Address::parse("redis+sentinel://h/m").unwrap().place(), "redis+sentinel://h:26379/m/0");
    }

    #[test]
    fn what_names_no_primary_is_refused_with_the_form() {
        let says = |url: &str| Address::parse(url).unwrap_err().to_string();
        assert!(says("redis+sentinel://h1,h2").contains("redis+sentinel://host1:26379,host2:26379/mymaster/0"));
        assert!(says("redis+sentinel://h/a b").contains("the name of their primary"));
        assert!(says("redis+sentinel://h,/main").contains("is not a Redis address"));
        assert!(says("redis+sentinel://h/main/x").contains("is not a Redis address"));
        assert!(says("redis+sentinel://h/main?password=x").contains("sentinel_user=… and sentinel_password=…"));
        assert!(says("redis+sentinel://h/main?sentinel_user=x").contains("needs a sentinel_password"));
    }
}
