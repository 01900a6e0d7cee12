//! Removes what no stored message needs: containers that crashes left, and the seeds of epochs whose last
//! message is gone.
//!
//! Nothing is removed on the word of a clock, nor of what was read some time ago. First whoever seals is
//! asked to be through: it holds container and epochs until its row is committed. Then the ledger is asked.

use std::collections::HashSet;
use std::sync::Arc;

use super::Vault;
use super::needs::{Needs, make_speak, survey};
use crate::clock::Timestamp;
use crate::names::{ContainerName, EpochId, Reader, TenantId, UserId, ViewId};
use crate::records::{RecordError, row_key};
use crate::store::blobs::{BlobError, BlobName};
use crate::store::ledger::Batch;
use crate::store::sweep::{Pace, Swept, limit, sweep};
use crate::tenant::rows::SeedRow;

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
    /// There is mail of a user who was made, or removed, while the rows were read. The next sweep will do.
    #[error("mailbox {0} changed hands while it was read")]
    Unsure(UserId),
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Stopping,
}

/// An epoch's seed: its reader's identifier, and the epoch.
type Seed = ([u8; 16], EpochId);

/// Removes what crashes left, and the seeds of the past that nothing needs.
pub async fn run(vault: &Arc<Vault>, pace: Pace) -> Result<Swept, SweepError> {
    let limit = limit(&vault.clock, pace);
    let known = needs(vault).await?.containers;
    let referenced = |asked: Vec<ContainerName>| async move {
        let needs = needs(vault).await?;
        Ok::<_, SweepError>(asked.into_iter().filter(|name| needs.containers.contains(name)).collect())
    };
    let is_known = |container| known.contains(&container);
    let swept = sweep(&vault.blobs, &vault.in_flight, limit, pace, is_known, referenced).await?;
    drop(known);
    vault.metrics.sweeps.inc();
    vault.metrics.swept.inc_by(swept.removed);
    seeds(vault, Some(limit)).await?;
    Ok(swept)
}

/// Removes the seeds of epochs whose messages were deleted or sealed again since this was last called, and how
/// many they were. With a `limit` all epochs are looked at, and what interrupted puts before it left goes too.
pub async fn seeds(vault: &Arc<Vault>, limit: Option<Timestamp>) -> Result<usize, SweepError> {
    let doubted = vault.epochs.take_doubts();
    if doubted.is_empty() && limit.is_none() {
        return Ok(0);
    }
    let removed = async {
        let mut doubted = doubted.clone();
        if let Some(limit) = limit {
            let asked = vault.clone();
            doubted.extend(aside(move || kept_seeds(&asked, limit)).await?);
        }
        loosen(vault, doubted).await
    };
    // What could not be decided now is asked again.
    removed.await.inspect_err(|_| vault.epochs.doubt(doubted))
}

/// Removes those seeds that no row needs and nobody seals with.
async fn loosen(vault: &Arc<Vault>, mut doubted: HashSet<Seed>) -> Result<usize, SweepError> {
    let mut first = needs(vault).await?;
    if !first.silent.is_empty() {
        let dumb = make_speak(vault, std::mem::take(&mut first.silent)).await?;
        if dumb > 0 {
            tracing::warn!(messages = dumb, "no epoch's seed is removed: containers cannot be read");
            return Ok(0);
        }
        first = needs(vault).await?;
    }
    doubted.retain(|seed| !first.epochs.contains(seed));
    let free =
        |(id, epoch): &Seed| readers(*id).into_iter().all(|reader| vault.epochs.retire(reader, *epoch));
    let busy: HashSet<Seed> = doubted.extract_if(|seed| !free(seed)).collect();
    vault.epochs.doubt(busy);
    if doubted.is_empty() {
        return Ok(0);
    }
    // Whoever sealed with one of them has committed; nobody will any more.
    let last = needs(vault).await?;
    if !last.silent.is_empty() {
        return Ok(0);
    }
    doubted.retain(|seed| !last.epochs.contains(seed));
    remove(vault, &doubted).await?;
    Ok(doubted.len())
}

async fn remove(vault: &Vault, seeds: &HashSet<Seed>) -> Result<(), SweepError> {
    let mut batch = Batch::new();
    for (id, epoch) in seeds {
        for reader in readers(*id) {
            batch.delete(row_key::<SeedRow>(&[&reader.to_bytes(), epoch.as_bytes()]));
        }
    }
    let _committed = vault.records.commit(batch).await.map_err(RecordError::from)?;
    for (id, epoch) in seeds {
        vault.blobs.delete(&BlobName::of_seed(Reader::View(ViewId::from_bytes(*id)), *epoch)).await?;
    }
    Ok(())
}

/// Every epoch that has a seed in a file or in a row. Blocks.
fn kept_seeds(vault: &Vault, limit: Timestamp) -> Result<HashSet<Seed>, SweepError> {
    let mut kept = HashSet::new();
    let table = row_key::<SeedRow>(&[]);
    let rows = vault.records.ledger().visit(&table, &[], &mut |key, _| {
        kept.extend(seed_of(&key[table.len()..]));
        std::ops::ControlFlow::Continue(())
    });
    rows.map_err(RecordError::from)?;
    for id in vault.blobs.seed_folders()? {
        kept.extend(vault.blobs.seeds(id, limit)?.into_iter().map(|epoch| (id, epoch)));
    }
    Ok(kept)
}

fn seed_of(key: &[u8]) -> Option<Seed> {
    let (reader, epoch) = key.split_first_chunk::<17>()?;
    let (_kind, id) = reader.split_first_chunk::<1>()?;
    Some((id.try_into().ok()?, EpochId::from_bytes(epoch.try_into().ok()?)))
}

/// Whose the identifier may be: a folder does not say, and identifiers are random, so they never meet.
fn readers(id: [u8; 16]) -> [Reader; 2] {
    [Reader::Owner(TenantId::from_bytes(id)), Reader::View(ViewId::from_bytes(id))]
}

async fn needs(vault: &Arc<Vault>) -> Result<Needs, SweepError> {
    let records = vault.records.clone();
    aside(move || survey(&records)).await
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SweepError> + Send + 'static,
) -> Result<T, SweepError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| SweepError::Stopping)?
}
