//! The settings themselves. What a section leaves out has the default that `example.toml` states.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::parts::{self, Endpoint, LogFormat, LogLevel};

/// Checked settings. Paths are absolute or start where the process does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// `hostname`: this server's full domain name, in greetings and as the name mail clients connect to.
    pub hostname: String,
    /// `data_dir`: the folder of ledger and containers; everything in it is sealed. Default `data`.
    pub data_dir: PathBuf,
    /// `key_dir`: the folder of `root.key`, TLS and ACME keys; the audit key lies in `data_dir` under
    /// the root key. Keep its backup apart from that of `data_dir`. Default `keys`.
    pub key_dir: PathBuf,
    /// `admin_socket`: where the command line reaches the server. Default `admin.sock` in `data_dir`.
    pub admin_socket: PathBuf,
    /// `[smtp]`
    pub smtp: Smtp,
    /// `[lmtp]`
    pub lmtp: Lmtp,
    /// `[pop3]`
    pub pop3: Pop3,
    /// `[pop3s]`
    pub pop3s: Pop3s,
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[tls]` or `[tls.acme]`
    pub tls: Tls,
    /// `[limits]`
    pub limits: Limits,
    /// `[audit]`
    pub audit: Audit,
    /// `[unlock]`
    pub unlock: Unlock,
    /// `[dashboard]`
    pub dashboard: Dashboard,
    /// `[log]`
    pub log: Log,
}

/// `[smtp]`: mail straight from other servers (RFC 5321, STARTTLS by RFC 3207).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Smtp {
    /// `listen`: addresses and ports; none turns SMTP off. Default `["0.0.0.0:25"]`.
    #[serde(deserialize_with = "parts::addresses")]
    pub listen: Vec<SocketAddr>,
    /// `max_message_size`: octets of the largest message taken, by LMTP too; announced as SIZE
    /// (RFC 1870). Default `"50 MB"`.
    #[serde(deserialize_with = "parts::size")]
    pub max_message_size: u64,
}

/// `[lmtp]`: mail from a mail server in front of this one (RFC 2033).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lmtp {
    /// `listen`: addresses and ports, or `unix:` and a path; none, the default, turns LMTP off.
    pub listen: Vec<Endpoint>,
}

/// `[pop3]`: POP3 that must say STLS before a login (RFC 1939, RFC 2595).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pop3 {
    /// `listen`: addresses and ports; none turns it off. Default `["0.0.0.0:110"]`.
    #[serde(deserialize_with = "parts::addresses")]
    pub listen: Vec<SocketAddr>,
}

/// `[pop3s]`: POP3 under TLS from the first byte (RFC 8314 §3.3).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pop3s {
    /// `listen`: addresses and ports; none turns it off. Default `["0.0.0.0:995"]`.
    #[serde(deserialize_with = "parts::addresses")]
    pub listen: Vec<SocketAddr>,
}

/// `[metrics]`: counters for Prometheus, and `/healthz`. They name nobody, yet show how busy the vault is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// `listen`: addresses and ports; none, the default, turns it off.
    #[serde(deserialize_with = "parts::addresses")]
    pub listen: Vec<SocketAddr>,
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// `[tls]` with PEM files, read again when they change.
    Files {
        /// `certificate`: the chain, the server's own first. Default `tls-certificate.pem` in `key_dir`.
        certificate: PathBuf,
        /// `key`: its private key. Default `tls-key.pem` in `key_dir`.
        key: PathBuf,
    },
    /// `[tls.acme]`: fetched and renewed by ACME.
    Acme(Acme),
}

/// `[tls.acme]`: RFC 8555 with HTTP-01 challenges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// `directory`: the authority's directory. Default Let's Encrypt.
    pub directory: String,
    /// `contact`: addresses that the authority may write to. Default none.
    pub contact: Vec<String>,
    /// `domains`: the names in the certificate. Default the hostname.
    pub domains: Vec<String>,
    /// `listen`: where challenges are answered; the authority comes to port 80 of every domain.
    /// Default `["0.0.0.0:80"]`.
    pub listen: Vec<SocketAddr>,
    /// `cache_dir`: the folder of account key and certificate. Default `key_dir`.
    pub cache_dir: PathBuf,
    /// `ca_file`: PEM of the root that signed the authority's own TLS certificate, for a private one.
    pub ca_file: Option<PathBuf>,
}

/// `[limits]`: past them comes the protocol's own refusal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// `connections`: open at once, all listeners together. Default 4096.
    pub connections: NonZeroUsize,
    /// `connections_per_address`: open at once from one address. Default 64.
    pub connections_per_address: NonZeroUsize,
    /// `memory_in_flight`: octets of messages held in memory at once. Default `"512 MB"`.
    #[serde(deserialize_with = "parts::size")]
    pub memory_in_flight: u64,
    /// `handshake_seconds`: for the TLS handshake. Default 30.
    #[serde(rename = "handshake_seconds", deserialize_with = "parts::seconds")]
    pub handshake: Duration,
    /// `command_seconds`: for the next command of an SMTP or LMTP client. Default 300, the least that
    /// RFC 5321 §4.5.3.2.7 allows.
    #[serde(rename = "command_seconds", deserialize_with = "parts::seconds")]
    pub command: Duration,
    /// `data_seconds`: for the next octets of a message. Default 180 (RFC 5321 §4.5.3.2.5).
    #[serde(rename = "data_seconds", deserialize_with = "parts::seconds")]
    pub data: Duration,
    /// `idle_seconds`: for the next command of a POP3 client. Default 600, the least that RFC 1939 §3 allows.
    #[serde(rename = "idle_seconds", deserialize_with = "parts::seconds")]
    pub idle: Duration,
    /// `shutdown_seconds`: for sessions to finish when the server stops. Default 30.
    #[serde(rename = "shutdown_seconds", deserialize_with = "parts::seconds")]
    pub shutdown: Duration,
}

/// `[audit]`: where signed checkpoints of the audit log go besides the log, out of an intruder's reach.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// `checkpoint_file`: a file they are appended to. Default none.
    pub checkpoint_file: Option<PathBuf>,
    /// `syslog`: whether they go to the system's log. Default false.
    pub syslog: bool,
    /// `interval_minutes`: how often, if there are new entries. Default 60.
    #[serde(rename = "interval_minutes", deserialize_with = "parts::minutes")]
    pub interval: Duration,
}

/// `[unlock]`: opening the whole of a tenant's mail.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Unlock {
    /// `minutes`: after which it locks by itself. Default 10.
    #[serde(rename = "minutes", deserialize_with = "parts::minutes")]
    pub lasts: Duration,
    /// `require_reason`: whether a person must say why. Default false.
    pub require_reason: bool,
}

/// `[dashboard]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dashboard {
    /// `public_url`: its address as people see it, without a final slash; placeholders link there.
    /// Default none, so no links.
    #[serde(deserialize_with = "parts::public_url")]
    pub public_url: Option<String>,
}

/// `[log]`: the trace on standard error. It carries ids, never addresses or content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `format`: `text` or `json`. Default `text`.
    pub format: LogFormat,
    /// `level`: `error`, `warn`, `info`, `debug` or `trace`. Default `info`.
    pub level: LogLevel,
}

/// The file as it stands, its keys not yet held against each other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(deserialize_with = "parts::hostname")]
    hostname: String,
    data_dir: Option<PathBuf>,
    key_dir: Option<PathBuf>,
    admin_socket: Option<PathBuf>,
    #[serde(default)]
    smtp: Smtp,
    #[serde(default)]
    lmtp: Lmtp,
    #[serde(default)]
    pop3: Pop3,
    #[serde(default)]
    pop3s: Pop3s,
    #[serde(default)]
    metrics: Metrics,
    #[serde(default)]
    tls: TlsSection,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    audit: Audit,
    #[serde(default)]
    unlock: Unlock,
    #[serde(default)]
    dashboard: Dashboard,
    #[serde(default)]
    log: Log,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TlsSection {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    acme: Option<AcmeSection>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AcmeSection {
    terms_agreed: bool,
    directory: Option<String>,
    contact: Vec<String>,
    domains: Option<Vec<DomainName>>,
    listen: Option<Vec<Endpoint>>,
    cache_dir: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct DomainName(String);

impl TryFrom<String> for DomainName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix("*.") {
            Some(_) => Err("HTTP-01 gives no wildcard certificates: name each domain".to_owned()),
            None => parts::domain_name(text).map(Self),
        }
    }
}

/// The section at fault and what to do.
type Problem = (&'static str, &'static str);

impl File {
    pub(super) fn check(mut self, folder: &Path) -> Result<Config, Problem> {
        let data_dir = folder.join(self.data_dir.as_deref().unwrap_or(Path::new("data")));
        let key_dir = folder.join(self.key_dir.as_deref().unwrap_or(Path::new("keys")));
        let admin_socket = match self.admin_socket.take() {
            Some(path) => folder.join(path),
            None => data_dir.join("admin.sock"),
        };
        self.resolve_paths(folder);
        self.check_listeners(&admin_socket)?;
        Ok(Config {
            tls: self.tls.check(&self.hostname, folder, &key_dir)?,
            hostname: self.hostname,
            data_dir,
            key_dir,
            admin_socket,
            smtp: self.smtp,
            lmtp: self.lmtp,
            pop3: self.pop3,
            pop3s: self.pop3s,
            metrics: self.metrics,
            limits: self.limits,
            audit: self.audit,
            unlock: self.unlock,
            dashboard: self.dashboard,
            log: self.log,
        })
    }

    fn resolve_paths(&mut self, folder: &Path) {
        if let Some(path) = &mut self.audit.checkpoint_file {
            *path = folder.join(&*path);
        }
        for endpoint in &mut self.lmtp.listen {
            if let Endpoint::Unix(path) = endpoint {
                *path = folder.join(&*path);
            }
        }
    }

    fn check_listeners(&self, admin_socket: &Path) -> Result<(), Problem> {
        const TOO_LONG: &str = "a Unix socket's path has at most 107 bytes: choose a shorter one";
        if !parts::fits_a_socket(admin_socket) {
            return Err(("admin_socket", TOO_LONG));
        }
        let fits = |at: &Endpoint| !matches!(at, Endpoint::Unix(path) if !parts::fits_a_socket(path));
        if !self.lmtp.listen.iter().all(fits) {
            return Err(("lmtp", TOO_LONG));
        }
        let mail = self.smtp.listen.len() + self.lmtp.listen.len();
        if mail + self.pop3.listen.len() + self.pop3s.listen.len() == 0 {
            return Err((
                "smtp",
                "there is nothing to serve: give one of smtp, lmtp, pop3, pop3s a listen address",
            ));
        }
        Ok(())
    }
}

impl TlsSection {
    fn check(self, hostname: &str, folder: &Path, key_dir: &Path) -> Result<Tls, Problem> {
        match (self.certificate, self.key, self.acme) {
            (None, None, Some(acme)) => acme.check(hostname, folder, key_dir).map(Tls::Acme),
            (_, _, Some(_)) => Err(("tls", "give certificate and key, or [tls.acme], not both")),
            (Some(certificate), Some(key), None) => {
                Ok(Tls::Files { certificate: folder.join(certificate), key: folder.join(key) })
            }
            (None, None, None) => Ok(Tls::Files {
                certificate: key_dir.join(CERTIFICATE_FILE),
                key: key_dir.join(CERTIFICATE_KEY_FILE),
            }),
            _ => Err(("tls", "give certificate and key both, or neither for the files in key_dir")),
        }
    }
}

impl AcmeSection {
    fn check(self, hostname: &str, folder: &Path, key_dir: &Path) -> Result<Acme, Problem> {
        if !self.terms_agreed {
            return Err(("tls.acme", "read the authority's terms, then set terms_agreed = true"));
        }
        let domains = match self.domains {
            Some(domains) => domains.into_iter().map(|domain| domain.0).collect(),
            None => vec![hostname.to_owned()],
        };
        if domains.is_empty() {
            return Err(("tls.acme", "domains wants at least one name; leave it out for the hostname"));
        }
        let directory = self.directory.unwrap_or_else(|| LETS_ENCRYPT.to_owned());
        if !directory.starts_with("https://") {
            return Err(("tls.acme", "directory begins with https:// (RFC 8555 section 6.1)"));
        }
        Ok(Acme {
            directory,
            contact: self.contact,
            domains,
            listen: tcp_only(self.listen)?,
            cache_dir: self.cache_dir.map_or_else(|| key_dir.to_owned(), |path| folder.join(path)),
            ca_file: self.ca_file.map(|path| folder.join(path)),
        })
    }
}

fn tcp_only(listen: Option<Vec<Endpoint>>) -> Result<Vec<SocketAddr>, Problem> {
    let Some(listen) = listen else { return Ok(vec![every_address(80)]) };
    let tcp = |at: Endpoint| match at {
        Endpoint::Tcp(address) => Some(address),
        Endpoint::Unix(_) => None,
    };
    let addresses: Option<Vec<_>> = listen.into_iter().map(tcp).collect();
    let wanted = addresses.filter(|list| !list.is_empty());
    wanted.ok_or(("tls.acme", "listen wants addresses with ports, as in [\"0.0.0.0:80\"]"))
}

impl Default for Smtp {
    fn default() -> Self {
        Self { listen: vec![every_address(25)], max_message_size: 50_000_000 }
    }
}

impl Default for Pop3 {
    fn default() -> Self {
        Self { listen: vec![every_address(110)] }
    }
}

impl Default for Pop3s {
    fn default() -> Self {
        Self { listen: vec![every_address(995)] }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: const { NonZeroUsize::new(4096).expect("not zero") },
            connections_per_address: const { NonZeroUsize::new(64).expect("not zero") },
            memory_in_flight: 512_000_000,
            handshake: Duration::from_secs(30),
            command: Duration::from_secs(300),
            data: Duration::from_secs(180),
            idle: Duration::from_secs(600),
            shutdown: Duration::from_secs(30),
        }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self { checkpoint_file: None, syslog: false, interval: Duration::from_secs(3600) }
    }
}

impl Default for Unlock {
    fn default() -> Self {
        Self { lasts: Duration::from_secs(600), require_reason: false }
    }
}

fn every_address(port: u16) -> SocketAddr {
    (std::net::Ipv4Addr::UNSPECIFIED, port).into()
}

/// The certificate's file in `key_dir`, unless `[tls]` names another.
pub(crate) const CERTIFICATE_FILE: &str = "tls-certificate.pem";
/// The file of its private key.
pub(crate) const CERTIFICATE_KEY_FILE: &str = "tls-key.pem";
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
