//! Which containers the ledger refers to, for the sweeper.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::Vault;
use crate::names::ContainerName;
use crate::records::RecordError;
use crate::store::blobs::BlobError;
use crate::store::sweep::{Pace, Swept, sweep};
use crate::tenant::registry;
use crate::tenant::rows::MessageRow;

/// Why a sweep ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// The ledger failed, or a row is damaged: nothing is removed on doubt.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// The blob store failed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
}

/// Removes what crashes left. Containers that are younger than the grace period stay, so that the
/// set of references, read once, may be older than them.
pub async fn run(vault: &Vault, pace: Pace) -> Result<Swept, SweepError> {
    let referenced = referenced(vault)?;
    let asked = |container: ContainerName| {
        let known = referenced.contains(&container);
        async move { Ok::<_, SweepError>(known) }
    };
    let swept = sweep(&vault.blobs, &vault.in_flight, &vault.clock, pace, asked).await?;
    vault.metrics.sweeps.inc();
    vault.metrics.swept.inc_by(swept.removed);
    Ok(swept)
}

/// 16 octets for each stored message, while the sweep runs.
fn referenced(vault: &Vault) -> Result<HashSet<ContainerName>, SweepError> {
    let mut containers = HashSet::new();
    let mut failed = None;
    for (tenant, _) in registry::tenants(&vault.records)? {
        for (user, _) in registry::users(&vault.records, tenant)? {
            vault.records.tenant(tenant).visit::<MessageRow>(
                &[user.user.as_bytes()],
                &[],
                |_, row| match row {
                    Ok(row) => {
                        containers.insert(row.container);
                        ControlFlow::Continue(())
                    }
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                },
            )?;
        }
    }
    failed.map_or(Ok(containers), |error| Err(error.into()))
}
