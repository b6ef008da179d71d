//! Encrypted connections: which certificates to trust, and which to show.

use redis::{ClientTlsConfig, ConnectionInfo, TlsCertificates};

/// Certificates of one's own for a `rediss://` address. Without it the system's are trusted (and those that the variable
/// `SSL_CERT_FILE` names), and none is shown. The server's certificate and name are always checked.
///
/// # Examples
/// ```no_run
/// use kiq::Tls;
///
/// let tls = Tls::new().trusting(std::fs::read("ca.pem")?);
/// let client = kiq::Client::connect_with_tls("rediss://:secret@redis.internal:6380/0", tls)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Tls {
    trusted: Option<Vec<u8>>,
    shown: Option<(Vec<u8>, Vec<u8>)>,
}

impl Tls {
    /// Nothing of one's own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts these certificates of authorities, in PEM form, instead of the system's.
    #[must_use]
    pub fn trusting(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.trusted = Some(pem.into());
        self
    }

    /// Shows a certificate of this client to a server that asks for one, in PEM form, with its private key.
    #[must_use]
    pub fn showing(mut self, certificate_pem: impl Into<Vec<u8>>, key_pem: impl Into<Vec<u8>>) -> Self {
        self.shown = Some((certificate_pem.into(), key_pem.into()));
        self
    }

    pub(super) fn client(self, info: ConnectionInfo) -> Result<redis::Client, String> {
        let client_tls = self.shown.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
        redis::Client::build_with_tls(info, TlsCertificates { client_tls, root_cert: self.trusted })
            .map_err(|error| format!("its certificates cannot be used ({error}); they must be in PEM form"))
    }
}

impl std::fmt::Debug for Tls {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("trusted", &self.trusted.is_some()).field("shown", &self.shown.is_some()).finish()
    }
}

/// rustls asks for its cryptography by the process. A program that has chosen one keeps it.
pub(super) fn install_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
