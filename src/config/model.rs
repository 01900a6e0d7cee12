//! The settings themselves. What a section leaves out has the default that `example.toml` states.
//! `file.rs` turns the file into them.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
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
    /// `[imap]`
    pub imap: Imap,
    /// `[imaps]`
    pub imaps: Imaps,
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
    /// `max_message_size`: octets of the largest message taken, by LMTP and by IMAP's APPEND too; announced
    /// as SIZE (RFC 1870) and APPENDLIMIT (RFC 7889). Default `"50 MB"`.
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

/// `[imap]`: IMAP that must say STARTTLS before a login (RFC 9051 §6.2.1). What a client uploads may be as
/// large as [`Smtp::max_message_size`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Imap {
    /// `listen`: addresses and ports; none turns it off. Default `["0.0.0.0:143"]`.
    #[serde(deserialize_with = "parts::addresses")]
    pub listen: Vec<SocketAddr>,
}

/// `[imaps]`: IMAP under TLS from the first byte (RFC 8314 §3.2).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Imaps {
    /// `listen`: addresses and ports; none turns it off. Default `["0.0.0.0:993"]`.
    #[serde(deserialize_with = "parts::addresses")]
    pub listen: Vec<SocketAddr>,
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
    /// `idle_seconds`: for the next command of a POP3 or IMAP client. Default 600, the least that
    /// RFC 1939 §3 allows; IMAP clients have half an hour at least (RFC 9051 §5.4).
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
    /// `removed_tenant_days`: how long the log of a removed tenant stays. Default 365.
    #[serde(rename = "removed_tenant_days", deserialize_with = "parts::days")]
    pub removed_tenants: Duration,
}

/// `[unlock]`: opening the whole of a tenant's mail.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Unlock {
    /// `minutes`: so long after its last use it locks by itself. Default 10.
    #[serde(rename = "minutes", deserialize_with = "parts::minutes")]
    pub lasts: Duration,
    /// `longest_minutes`: after which it locks however much it is used; tenants may ask for less. Default 60.
    #[serde(rename = "longest_minutes", deserialize_with = "parts::minutes")]
    pub longest: Duration,
    /// `require_reason`: whether a person must say why. Default false.
    pub require_reason: bool,
}

/// `[dashboard]`: the web pages on which people read, unlock and audit, and the HTTP API; HTTPS only.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dashboard {
    /// `listen`: addresses and ports; none turns it off. Default `["0.0.0.0:443"]`.
    #[serde(deserialize_with = "parts::addresses")]
    pub listen: Vec<SocketAddr>,
    /// `public_url`: its address as people see it, without a final slash; placeholders link there.
    /// Default the hostname with the port of `listen`; none where there is no dashboard.
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

impl Default for Smtp {
    fn default() -> Self {
        Self { listen: vec![every_address(25)], max_message_size: 50_000_000 }
    }
}

impl Default for Imap {
    fn default() -> Self {
        Self { listen: vec![every_address(143)] }
    }
}

impl Default for Imaps {
    fn default() -> Self {
        Self { listen: vec![every_address(993)] }
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
        Self {
            checkpoint_file: None,
            syslog: false,
            interval: Duration::from_secs(3600),
            removed_tenants: Duration::from_secs(365 * 24 * 3600),
        }
    }
}

impl Dashboard {
    /// Where people find it: as configured, else at `hostname` and the `port` that it listens on.
    pub fn url(&self, hostname: &str, port: Option<u16>) -> Option<String> {
        self.public_url.clone().or_else(|| match port? {
            443 => Some(format!("https://{hostname}")),
            port => Some(format!("https://{hostname}:{port}")),
        })
    }
}

impl Default for Dashboard {
    fn default() -> Self {
        Self { listen: vec![every_address(443)], public_url: None }
    }
}

impl Default for Unlock {
    fn default() -> Self {
        Self { lasts: Duration::from_secs(600), longest: Duration::from_secs(3600), require_reason: false }
    }
}

/// Every IPv4 address of this machine.
pub(super) fn every_address(port: u16) -> SocketAddr {
    (std::net::Ipv4Addr::UNSPECIFIED, port).into()
}
