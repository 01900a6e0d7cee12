//! The verifier: reads a log from the outside and recomputes all of it.
//!
//! It grows two trees, one from the entries' lines and one from the stored hash rows, each of
//! which is checked against its children. At the size of each checkpoint it asks which of the two
//! was signed; that tells an edited entry from an edited hash. Memory is bounded: a page of rows,
//! two right edges, at most 1,000 findings.

mod pages;
mod walk;

use std::collections::BTreeMap;

use super::checkpoint::{Checkpoint, VerifyingKey};
use super::error::AuditError;
use super::report::{Finding, Report};
use super::store::AuditStore;
use super::tree::MAX_SIZE;
use crate::names::TenantId;
use walk::Walk;

/// Checks a tenant's log against itself, its stored checkpoint and the notes that were kept
/// elsewhere. Those of other tenants are passed over, so a file of all tenants' checkpoints may be given.
///
/// Entries that are recorded meanwhile are left out. An error means that the store could not be read;
/// what is wrong with the log is in the report.
pub async fn verify<S: AuditStore>(
    store: &S,
    tenant: TenantId,
    key: &VerifyingKey,
    known: &[String],
) -> Result<Report, AuditError> {
    // The checkpoint before the size: the log may grow between the two, never shrink.
    let stored = store.checkpoint(tenant).await?;
    let size = store.size(tenant).await?;
    let mut walk = Walk::new(store, tenant, size);
    if size > MAX_SIZE {
        walk.note(Finding::SizeImpossible);
    }
    let heads = heads(tenant, key, stored.as_deref(), known, &mut walk);
    for number in 0..size.min(MAX_SIZE) {
        if walk.lost() {
            break;
        }
        walk.step(number).await?;
        for head in heads.get(&(number + 1)).into_iter().flatten() {
            walk.compare(head);
        }
    }
    for head in heads.range(size.saturating_add(1)..).flat_map(|(_, heads)| heads) {
        walk.note(Finding::Truncated { size, signed: head.size() });
    }
    if let Some(first) = uncounted(store, tenant, size).await? {
        walk.note(Finding::EntriesPastEnd { first });
    }
    let checkpoints = heads.values().map(Vec::len).sum();
    Ok(Report { checkpoints, ..walk.finish() })
}

/// The tenant's valid checkpoints by size, each once.
fn heads<S: AuditStore>(
    tenant: TenantId,
    key: &VerifyingKey,
    stored: Option<&str>,
    known: &[String],
    walk: &mut Walk<'_, S>,
) -> BTreeMap<u64, Vec<Checkpoint>> {
    let mut heads: BTreeMap<u64, Vec<Checkpoint>> = BTreeMap::new();
    let given = known.iter().enumerate().map(|(place, note)| (Some(place), note.as_str()));
    for (place, note) in stored.map(|note| (None, note)).into_iter().chain(given) {
        match Checkpoint::open(note, key) {
            Ok(head) if head.tenant() == tenant => {
                place.into_iter().for_each(|_| walk.count(true));
                let peers = heads.entry(head.size()).or_default();
                if peers.iter().all(|peer| peer.root() != head.root()) {
                    peers.push(head);
                }
            }
            Ok(_) if place.is_some() => walk.count(false),
            _ => walk.note(Finding::CheckpointUnreadable { place }),
        }
    }
    for (size, _) in heads.iter().filter(|(_, peers)| peers.len() > 1) {
        walk.note(Finding::TwoHistories { size: *size });
    }
    heads
}

/// The first entry row that the head does not count.
async fn uncounted<S: AuditStore>(store: &S, tenant: TenantId, size: u64) -> Result<Option<u64>, AuditError> {
    let Some((first, _)) = store.entries(tenant, size, 1).await?.into_iter().next() else { return Ok(None) };
    // It may have been recorded a moment ago; then the head counts it by now.
    let now = store.size(tenant).await?;
    Ok((first >= now).then_some(first))
}

#[cfg(test)]
mod tests;
