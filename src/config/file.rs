//! The file as it is written, and the one way from it to a [`Config`]: keys that only make sense together
//! are held against each other, and paths get their folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::model::{
    Acme, Audit, Config, Dashboard, Imap, Imaps, Limits, Lmtp, Log, Metrics, Pop3, Pop3s, Smtp, Tls, Unlock,
    every_address,
};
use super::parts::{self, Endpoint};

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
    imap: Imap,
    #[serde(default)]
    imaps: Imaps,
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
        if key_dir.starts_with(&data_dir) {
            return Err(("key_dir", "keep keys apart from data_dir, or they travel with its backups"));
        }
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
            imap: self.imap,
            imaps: self.imaps,
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
        let tcp =
            [&self.smtp.listen, &self.imap.listen, &self.imaps.listen, &self.pop3.listen, &self.pop3s.listen];
        if self.lmtp.listen.is_empty() && tcp.iter().all(|listen| listen.is_empty()) {
            return Err((
                "smtp",
                "there is nothing to serve: give one of smtp, lmtp, imap, imaps, pop3, pop3s a listen address",
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

/// The certificate's file in `key_dir`, unless `[tls]` names another.
const CERTIFICATE_FILE: &str = "tls-certificate.pem";
/// The file of its private key.
const CERTIFICATE_KEY_FILE: &str = "tls-key.pem";
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
