//! The running server: parts wired to each other, listeners, and the work that goes on in the
//! background. What administrators may ask of it is in [`calls`].

pub mod calls;
mod door;
pub mod imap_room;
mod listeners;
pub mod mailroom;
mod upkeep;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;

pub use door::Door;
pub use listeners::Listening;

use crate::audit::{CheckpointError, CheckpointKey, Log, Notary, Sink, SyslogSocket};
use crate::clock::Clock;
use crate::config::Config;
use crate::init::ROOT_KEY;
use crate::keyring::{KeyringError, Passphrase, RootKey};
use crate::net::acme::AcmeError;
use crate::net::budget::Budget;
use crate::net::listen::Listener;
use crate::net::metrics::Metrics;
use crate::net::tls::{ServerTls, TlsError};
use crate::owner::index::Indexes;
use crate::owner::sessions::Sessions;
use crate::records::{RecordError, Records};
use crate::seal::Epochs;
use crate::shutdown::Lifecycle;
use crate::store::blobs::{BlobError, Blobs};
use crate::store::layout::{self, DataFolder, LayoutError};
use crate::store::ledger::{LedgerError, Options, RedbLedger};
use crate::store::sweep::InFlight;
use crate::tenant::{directory, registry};
use crate::vault::hashing::Hashing;
use crate::vault::{AuditRows, Mailboxes, Policies, Settings, Vault};

/// Why the server does not start. Each says what to do or leads to where it is said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The root key cannot be had.
    #[error("the root key {}: {source}", .path.display())]
    RootKey {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        source: KeyringError,
    },
    /// The data folder cannot be used.
    #[error(transparent)]
    Data(#[from] LayoutError),
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The blobs cannot be opened.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The key in the key folder is not the one that the data is sealed under.
    #[error(
        "{} is not the root key that {} is sealed under: put back the copy of that key; nothing was changed",
        .key.display(), .data.display()
    )]
    OtherRootKey {
        /// The key's file.
        key: PathBuf,
        /// The data folder.
        data: PathBuf,
    },
    /// The rows do not open under this root key.
    #[error("{0}; is this the root key that the data was made with?")]
    Records(#[from] RecordError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// ACME cannot start.
    #[error(transparent)]
    Acme(#[from] AcmeError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address or path.
        address: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The audit key cannot be made; this does not happen with a sound root key.
    #[error(transparent)]
    Audit(#[from] CheckpointError),
}

/// A server whose listeners are open.
pub struct Server {
    /// The vault.
    pub vault: Arc<Vault>,
    /// The unlock sessions.
    pub sessions: Arc<Sessions>,
    /// The search indexes of those who have unlocked.
    pub indexes: Arc<Indexes>,
    /// Who signs the audit logs.
    pub notary: Arc<Notary<AuditRows>>,
    /// Where it listens.
    pub listening: Listening,
    /// The certificate.
    pub tls: ServerTls,
    /// Where everything lies; held for its lock.
    pub folder: DataFolder,
}

impl Server {
    /// Opens the vault, binds every listener and starts serving. Everything runs in `life` until it
    /// is told to stop. `passphrase` opens a root key file that is locked with one.
    pub async fn start(
        config: &Config,
        clock: Clock,
        life: &Lifecycle,
        passphrase: Option<Passphrase>,
    ) -> Result<Arc<Self>, StartError> {
        let root = load_root(config, passphrase.as_ref())?;
        let folder = DataFolder::open(&config.data_dir)?;
        let check = root.check_value();
        refuse_other_root(config, &check)?;
        let key = CheckpointKey::from_seed("veilpost", root.audit_signing_seed().expose())?;
        let dashboard = listeners::bind_dashboard(config)?;
        let port = dashboard.first().and_then(Listener::local_addr).map(|address| address.port());
        let vault = Arc::new(open_vault(config, clock, &folder, root, port)?);
        check_root(&vault)?;
        folder.note_root_check(&check).map_err(LayoutError::from)?;
        if let Err(error) = crate::owner::view::settle(&vault).await {
            tracing::error!(%error, "views whose older mail looks different now keep their UIDs");
        }
        note_domains(&vault).await?;
        let notary = Arc::new(Notary::new(vault.audit.clone(), key, sinks(config)));
        let sessions = Arc::new(Sessions::default());
        let front = listeners::Front::new(config, life);
        let (mut listening, tls) = listeners::open(&front, &vault).await?;
        listening.dashboard = dashboard.iter().filter_map(Listener::local_addr).collect();
        let server =
            Arc::new(Self { vault, sessions, indexes: Arc::default(), notary, listening, tls, folder });
        listeners::open_dashboard(&front, &server, dashboard)?;
        listeners::open_admin(config, &server, life)?;
        upkeep::start(config, &server, life);
        Ok(server)
    }

    /// Keeps what became of the last mail, when all sessions have ended: some go on after the server was told
    /// to stop.
    pub async fn last_words(&self) {
        upkeep::keep_arrivals(self).await;
    }
}

fn load_root(config: &Config, passphrase: Option<&Passphrase>) -> Result<RootKey, StartError> {
    let path = config.key_dir.join(ROOT_KEY);
    RootKey::load(&path, passphrase).map_err(|source| StartError::RootKey { path, source })
}

fn open_vault(
    config: &Config,
    clock: Clock,
    folder: &DataFolder,
    root: RootKey,
    dashboard_port: Option<u16>,
) -> Result<Vault, StartError> {
    let ledger = Arc::new(RedbLedger::open(&folder.ledger(), Options::default())?);
    let records = Arc::new(Records::new(ledger, Arc::new(root)));
    let metrics = Metrics::new();
    Ok(Vault {
        audit: Log::new(AuditRows::new(records.clone(), metrics.clone()), clock.clone()),
        records,
        blobs: Blobs::open(&folder.blobs())?,
        arrivals: Default::default(),
        in_flight: InFlight::default(),
        epochs: Epochs::new(),
        mailboxes: Mailboxes::default(),
        turns: Default::default(),
        policies: Policies::default(),
        reading: Budget::new(config.limits.memory_in_flight / 8),
        rendering: Budget::new(config.limits.memory_in_flight / 8),
        sealing: Budget::new(config.limits.memory_in_flight / 8),
        reading_ahead: Arc::new(Semaphore::new(crate::vault::bulk::MOST_AHEAD)),
        hashing: Hashing::new(),
        clock,
        metrics,
        settings: Settings {
            hostname: config.hostname.clone(),
            public_url: config.dashboard.url(&config.hostname, dashboard_port),
            indexes: folder.path().join("search"),
            unlock_lasts: config.unlock.lasts,
            unlock_longest: config.unlock.longest,
            removed_logs: config.audit.removed_tenants,
            reason_required: config.unlock.require_reason,
        },
    })
}

/// The check value of the root key that the data folder is sealed under: none before the first start of
/// a version that notes it.
pub fn noted_root_check(config: &Config) -> std::io::Result<Option<String>> {
    layout::root_check(&config.data_dir)
}

/// What is gone of a data folder that was in use.
pub fn missing_part(config: &Config) -> std::io::Result<Option<PathBuf>> {
    layout::missing(&config.data_dir)
}

/// Known at once, from the note beside the data; older data has none, and is asked in [`check_root`].
fn refuse_other_root(config: &Config, check: &str) -> Result<(), StartError> {
    let noted = noted_root_check(config).map_err(LayoutError::from)?;
    if noted.is_none_or(|noted| noted == check) {
        return Ok(());
    }
    Err(StartError::OtherRootKey { key: config.key_dir.join(ROOT_KEY), data: config.data_dir.clone() })
}

/// Reads every tenant's row: with a wrong root key none of them opens, and the server must not
/// start to write rows that only the wrong key opens.
fn check_root(vault: &Vault) -> Result<(), StartError> {
    registry::tenants(&vault.records)?;
    Ok(())
}

/// Rows of domains, for a ledger of a release that had none.
async fn note_domains(vault: &Vault) -> Result<(), StartError> {
    let tenants: Vec<_> = registry::tenants(&vault.records)?.into_iter().map(|(tenant, _)| tenant).collect();
    if let Some(batch) = directory::note_domains(&vault.records, &tenants)? {
        let _committed = vault.records.commit(batch).await.map_err(RecordError::from)?;
    }
    Ok(())
}

fn sinks(config: &Config) -> Vec<Sink> {
    let file = config.audit.checkpoint_file.clone().map(Sink::File);
    let syslog = config.audit.syslog.then(|| Sink::Syslog(SyslogSocket::Unix("/dev/log".into())));
    file.into_iter().chain(syslog).collect()
}
