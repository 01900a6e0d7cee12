//! A vault for tests, over any ledger: small budgets, a clock that the test sets.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{AuditRows, Settings, Vault};
use crate::audit::Log;
use crate::clock::{Clock, Timestamp};
use crate::keyring::RootKey;
use crate::net::budget::Budget;
use crate::net::metrics::Metrics;
use crate::records::Records;
use crate::store::blobs::Blobs;
use crate::store::ledger::Ledger;

/// A vault whose blobs and indexes lie in `folder`, and whose rows are sealed under `root`.
pub(crate) fn vault_over(folder: &Path, ledger: Arc<impl Ledger + 'static>, root: Arc<RootKey>) -> Vault {
    let clock = Clock::manual(Timestamp::from_unix(1_800_000_000));
    let records = Arc::new(Records::new(ledger, root));
    let metrics = Metrics::new();
    Vault {
        audit: Log::new(AuditRows::new(records.clone(), metrics.clone()), clock.clone()),
        records,
        blobs: Blobs::open(folder).expect("a folder"),
        arrivals: Default::default(),
        in_flight: Default::default(),
        epochs: crate::seal::Epochs::new(),
        mailboxes: Default::default(),
        turns: Default::default(),
        policies: Default::default(),
        reading: Budget::new(1 << 20),
        rendering: Budget::new(1 << 20),
        sealing: Budget::new(1 << 20),
        reading_ahead: Arc::new(Semaphore::new(1)),
        hashing: Default::default(),
        clock,
        metrics,
        settings: Settings {
            hostname: "vault.example".to_owned(),
            public_url: Some("https://vault.example".to_owned()),
            indexes: folder.join("search"),
            unlock_lasts: Duration::from_secs(600),
            unlock_longest: Duration::from_secs(3600),
            removed_logs: Duration::from_secs(86_400),
            reason_required: false,
        },
    }
}
