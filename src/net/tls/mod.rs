//! TLS for servers: 1.2 and 1.3 (RFC 8446, RFC 9325), hybrid post-quantum key exchange preferred, one
//! certificate for all protocols that can be swapped while connections are open.
//!
//! Refuses to know what is spoken inside. The cryptography comes from aws-lc-rs and is passed along;
//! nothing is installed for the whole process.
//!
//! What an idle connection costs: rustls shrinks its receive buffer to 4 KiB, frees what it has sent
//! and decrypted, and keeps the session itself on the heap; `docs/operations.md` has the measurement.
//! Resumption is stateful, so the table of sessions is bounded here and ends with the process.

mod certificate;
mod files;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;

pub use certificate::{Certificate, KeyPem, self_signed};
pub use files::{Files, Reload};

use crate::clock::Timestamp;

/// Why there is no certificate to serve. The operator is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What is in a file is not what it should be.
    #[error("{}: {fault}", path.display())]
    InFile {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        fault: Box<TlsError>,
    },
    /// No certificate in PEM form, or a broken one.
    #[error("no certificate in PEM form; the chain begins with the server's own certificate")]
    NoCertificate,
    /// No private key in PEM form, or one of a kind that is not supported.
    #[error("no private key in PEM form (PKCS #8, PKCS #1 or SEC 1; without a passphrase)")]
    NoKey,
    /// Certificate and key are not a pair.
    #[error("the private key does not belong to the first certificate")]
    NotAPair,
    /// A certificate could not be made for these names.
    #[error("these names fit no certificate")]
    Names,
    /// The cryptographic library refused its own settings.
    #[error("TLS settings: {0}")]
    Settings(#[from] rustls::Error),
}

impl TlsError {
    /// Names the file at fault: the operator has to know which of the two.
    fn in_files(self, certificate: &std::path::Path, key: &std::path::Path) -> Self {
        let path = match self {
            Self::NoCertificate => certificate,
            Self::NoKey | Self::NotAPair => key,
            other => return other,
        };
        Self::InFile { path: path.to_owned(), fault: Box::new(self) }
    }
}

/// What is spoken inside TLS, for ALPN (RFC 7301). A client that offers other protocols and not this one
/// is refused, which keeps a browser's bytes out of a mail server (ALPACA); one that offers none is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    /// SMTP has no registered name; those are what MTAs in the field offer, if they offer any.
    Smtp,
    /// RFC 2595's registered name.
    Pop3,
    /// RFC 2595's registered name.
    Imap,
    /// HTTP/1.1.
    Http,
}

/// Server settings for every protocol over one certificate. Clones share it.
#[derive(Clone)]
pub struct ServerTls {
    current: Arc<Current>,
    provider: Arc<CryptoProvider>,
}

impl ServerTls {
    /// Serves `certificate` until another one is put in its place.
    pub fn new(certificate: Certificate) -> Self {
        Self { current: Arc::new(Current(RwLock::new(Arc::new(certificate)))), provider: provider() }
    }

    /// Settings for one protocol. They follow later swaps; make them once a listener, for each call
    /// starts a session table of its own.
    pub fn config(&self, inside: Inside) -> Result<Arc<ServerConfig>, TlsError> {
        let versions = &[&rustls::version::TLS13, &rustls::version::TLS12];
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = inside.alpn();
        config.session_storage = ServerSessionMemoryCache::new(REMEMBERED_SESSIONS);
        config.send_tls13_tickets = 1;
        Ok(Arc::new(config))
    }

    /// New connections get `certificate`; open ones keep what they have.
    pub fn swap(&self, certificate: Certificate) {
        let mut current = self.current.0.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(certificate);
    }

    /// When the certificate that is served now expires.
    pub fn not_after(&self) -> Timestamp {
        self.current.get().not_after()
    }

    /// Whether the certificate that is served now names `host`.
    pub fn covers(&self, host: &str) -> bool {
        self.current.get().covers(host)
    }
}

impl Inside {
    fn alpn(self) -> Vec<Vec<u8>> {
        let names: &[&str] = match self {
            Self::Smtp => &["smtp", "esmtp"],
            Self::Pop3 => &["pop3"],
            Self::Imap => &["imap"],
            Self::Http => &["http/1.1"],
        };
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }
}

/// The cryptography of all our TLS, clients' side too.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

struct Current(RwLock<Arc<Certificate>>);

impl Current {
    fn get(&self) -> Arc<Certificate> {
        // A panic cannot leave half an Arc behind, so a poisoned lock still holds a whole certificate.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Current(..)")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get().certified())
    }
}

/// Sessions a listener remembers for resumption; each costs less than 1 KiB.
const REMEMBERED_SESSIONS: usize = 1024;

#[cfg(test)]
pub(crate) mod testing {
    //! A client for the tests of this folder and of its users.

    use super::*;
    use rustls::ClientConfig;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};

    /// Trusts every certificate in `pem` and offers `alpn`.
    pub(crate) fn client(pem: &str, alpn: &[&str]) -> Arc<ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).map(|one| one.expect("a certificate"));
        roots.add_parsable_certificates(chain);
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has both versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// One handshake in memory; the certificate the client saw, or why there was none.
    pub(crate) async fn handshake(
        server: Arc<ServerConfig>,
        client: Arc<ClientConfig>,
        host: &str,
    ) -> std::io::Result<(CertificateDer<'static>, rustls::NamedGroup)> {
        let (near, far) = tokio::io::duplex(32 * 1024);
        let name = ServerName::try_from(host.to_owned()).expect("a server name");
        let accepting = tokio_rustls::TlsAcceptor::from(server).accept(far);
        let connecting = tokio_rustls::TlsConnector::from(client).connect(name, near);
        let (accepted, connected) = tokio::join!(accepting, connecting);
        accepted?;
        let connected = connected?;
        let session = connected.get_ref().1;
        let group = session.negotiated_key_exchange_group().expect("a finished handshake").name();
        Ok((session.peer_certificates().expect("a finished handshake")[0].clone(), group))
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{client, handshake};
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);

    fn fresh() -> (ServerTls, String) {
        let (chain, key) =
            self_signed(&["mail.example.org"], crate::clock::Clock::system().now()).expect("makes one");
        let certificate = Certificate::from_pem(chain.as_bytes(), key.expose().as_bytes()).expect("parses");
        (ServerTls::new(certificate), chain)
    }

    #[tokio::test]
    async fn a_handshake_is_hybrid_post_quantum() {
        let (tls, pem) = fresh();
        let config = tls.config(Inside::Smtp).expect("settings");
        let (_, group) = handshake(config, client(&pem, &[]), "mail.example.org").await.expect("connects");
        assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    }

    #[tokio::test]
    async fn a_wrong_protocol_is_refused() {
        let (tls, pem) = fresh();
        for (inside, offered, served) in [
            (Inside::Pop3, &["pop3"][..], true),
            (Inside::Pop3, &[], true),
            (Inside::Pop3, &["imap", "h2"], false),
            (Inside::Imap, &["h2", "imap"], true),
            (Inside::Smtp, &["smtp"], true),
            (Inside::Smtp, &["http/1.1"], false),
            (Inside::Http, &["h2", "http/1.1"], true),
        ] {
            let config = tls.config(inside).expect("settings");
            let result = handshake(config, client(&pem, offered), "localhost").await;
            assert_eq!(result.is_ok(), served, "{inside:?} {offered:?}");
        }
    }

    #[tokio::test]
    async fn a_swap_reaches_settings_made_before() {
        let (tls, old) = fresh();
        let config = tls.config(Inside::Pop3).expect("settings");
        let (chain, key) = self_signed(&["new.example.org"], NOW).expect("makes one");
        tls.swap(Certificate::from_pem(chain.as_bytes(), key.expose().as_bytes()).expect("parses"));
        assert!(tls.covers("new.example.org") && !tls.covers("mail.example.org"));
        assert!(handshake(config, client(&old, &[]), "localhost").await.is_err());
    }
}
