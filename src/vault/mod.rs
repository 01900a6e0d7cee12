//! The vault: what the server's halves share. Mail comes in through [`seal`], the one door that
//! seals; it goes out through `server::mailroom` (masked) and `owner::mail` (whole).

pub mod arrivals;
pub mod audit_rows;
pub mod bulk;
pub mod hashing;
pub mod listings;
pub mod logins;
pub mod mailboxes;
pub mod masked;
mod needs;
mod policies;
pub mod read;
pub mod seal;
pub mod seeds;
pub mod summary;
pub mod sweep;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod turns;
pub mod usage;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

pub use audit_rows::AuditRows;
pub use mailboxes::{Mailboxes, pages};
pub use policies::{Policies, PolicyUnavailable};
pub use turns::Turns;

use crate::audit::Log;
use crate::clock::Clock;
use crate::names::UserId;
use crate::net::budget::Budget;
use crate::net::metrics::Metrics;
use crate::records::Records;
use crate::seal::Epochs;
use crate::store::blobs::Blobs;
use crate::store::sweep::InFlight;

/// Everything behind the protocols.
pub struct Vault {
    /// Typed rows of the ledger.
    pub records: Arc<Records>,
    /// Containers, epoch seeds, recovery files.
    pub blobs: Blobs,
    /// Containers on their way into the ledger.
    pub in_flight: InFlight,
    /// The audit logs of all tenants.
    pub audit: Log<AuditRows>,
    /// The chains of message keys.
    pub epochs: Epochs,
    /// Folders, UIDs, flags.
    pub mailboxes: Mailboxes,
    /// Whose turn it is among acts.
    pub turns: Turns,
    /// Checked policies.
    pub policies: Policies,
    /// What messages that their owners read whole may take in memory together.
    pub reading: Budget<UserId>,
    /// What messages that are masked again for a newer policy may take.
    pub rendering: Budget<UserId>,
    /// What arriving mail may take besides its octets while it is sealed.
    pub sealing: Budget<UserId>,
    /// A place for each session that may open messages before its client takes them; see [`bulk`].
    pub reading_ahead: Arc<Semaphore>,
    /// Where passwords are hashed, a few at once.
    pub hashing: hashing::Hashing,
    /// What became of mail lately.
    pub arrivals: arrivals::Arrivals,
    /// The time.
    pub clock: Clock,
    /// What operators watch.
    pub metrics: Metrics,
    /// What the configuration says about the vault.
    pub settings: Settings,
}

/// What the configuration says about the vault.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This server's name: the domain of fixed and pseudonymous senders in views.
    pub hostname: String,
    /// Where the dashboard is, for the links in placeholders.
    pub public_url: Option<String>,
    /// Where search indexes lie, a folder for each mailbox.
    pub indexes: std::path::PathBuf,
    /// How long an unlock lasts from its last use.
    pub unlock_lasts: Duration,
    /// How long it lasts at most.
    pub unlock_longest: Duration,
    /// How long the audit log of a tenant outlives it.
    pub removed_logs: Duration,
    /// Whether every tenant's unlock needs a reason.
    pub reason_required: bool,
}
