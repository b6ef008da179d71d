//! Encrypted connections: whom a client trusts, and what it says when it does not.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use kiq::broker::Broker as _;
use kiq::{BrokerError, Clock, RedisBroker, Tls};
use kiq_testing::RedisServer;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Certificate and key.
fn signed_by(authority: &Authority, name: &str, expired: bool) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    // Not that of the authority: OpenSSL would take it for one that signed itself.
    params.distinguished_name.push(DnType::CommonName, name);
    if expired {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    }
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

struct Server {
    _server: RedisServer,
    url: String,
}

fn server(authority: &Authority, name: &str, expired: bool, asks: bool) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| {
        let path = folder.path().join(file);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (certificate, key) = signed_by(authority, name, expired);
    let certificate = write("server.pem", &certificate);
    let key = write("server.key", &key);
    let trusted = write("ca.pem", &authority.pem());
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let (certificate, key, trusted) = (text(&certificate), text(&key), text(&trusted));
    let server = RedisServer::with_arguments(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &trusted,
        "--tls-auth-clients",
        if asks { "yes" } else { "no" },
    ]);
    Server { _server: server, url: format!("rediss://127.0.0.1:{port}/0") }
}

async fn check(url: &str, tls: Tls) -> Result<(), BrokerError> {
    RedisBroker::open_with_tls(url, tls, Clock::system())?.check().await.map(|_| ())
}

#[tokio::test]
async fn a_server_of_a_trusted_authority_is_used() {
    let ours = authority("ours");
    let server = server(&ours, "127.0.0.1", false, false);

    check(&server.url, Tls::new().trusting(ours.pem())).await.unwrap();
}

#[tokio::test]
async fn a_client_shows_its_certificate_when_it_is_asked() {
    let ours = authority("ours");
    let server = server(&ours, "127.0.0.1", false, true);
    let (certificate, key) = signed_by(&ours, "shop", false);

    check(&server.url, Tls::new().trusting(ours.pem()).showing(certificate, key)).await.unwrap();
    assert!(check(&server.url, Tls::new().trusting(ours.pem())).await.is_err());
}

#[tokio::test]
async fn another_authority_another_name_and_an_old_certificate_are_refused_with_the_reason() {
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    for (name, expired, trusted, words) in [
        ("127.0.0.1", false, &theirs, "UnknownIssuer"),
        ("redis.example", false, &ours, "not valid for name"),
        ("127.0.0.1", true, &ours, "expired"),
    ] {
        let server = server(&ours, name, expired, false);
        let error = check(&server.url, Tls::new().trusting(trusted.pem())).await.unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[tokio::test]
async fn a_server_without_tls_and_a_certificate_that_is_none_are_refused() {
    let plain = RedisServer::start();
    let url = plain.url().replace("redis:", "rediss:");

    assert!(check(&url, Tls::new().trusting(authority("ours").pem())).await.is_err());
    let error = check(&url, Tls::new().showing("no certificate", "no key")).await.unwrap_err();
    assert!(error.to_string().contains("PEM form"), "{error}");
}
