//! The audit logs in the ledger: one sealed row per entry, with the Merkle hashes it completes, and
//! one for the size.
//!
//! RFC 6962's hashes are stored in the order in which they become complete, so the hash with a
//! given index belongs to exactly one entry, and an append of one entry writes two rows.

use std::ops::ControlFlow;
use std::sync::Arc;

use tlog_tiles::{split_stored_hash_index, stored_hash_count};

use crate::audit::{Append, AuditStore, Hash, StoreError};
use crate::names::TenantId;
use crate::net::metrics::Metrics;
use crate::records::{RecordError, Records, Scope};
use crate::store::ledger::Batch;
use crate::tenant::rows::{AuditEntryRow, AuditHeadRow, CheckpointRow};

/// The logs of all tenants.
#[derive(Clone)]
pub struct AuditRows(Arc<Records>, Metrics);

impl AuditRows {
    /// Over these records; `metrics` counts the entries.
    pub fn new(records: Arc<Records>, metrics: Metrics) -> Self {
        Self(records, metrics)
    }

    fn rows(
        &self,
        tenant: TenantId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, AuditEntryRow)>, StoreError> {
        let mut found = Vec::new();
        let mut failed = None;
        self.0
            .tenant(tenant)
            .visit::<AuditEntryRow>(&[tenant.as_bytes()], &from.to_be_bytes(), |key, row| {
                let (Ok(number), true) = (key.try_into().map(u64::from_be_bytes), found.len() < limit) else {
                    return ControlFlow::Break(());
                };
                match row {
                    Ok(row) => found.push((number, row)),
                    // A row that does not open is a missing row: the verifier names it.
                    Err(RecordError::Damaged(_)) => {}
                    Err(error) => failed = Some(error),
                }
                if failed.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
            .map_err(StoreError::failed)?;
        failed.map_or(Ok(found), |error| Err(StoreError::failed(error)))
    }
}

impl AuditStore for AuditRows {
    async fn append(&self, tenant: TenantId, append: Append) -> Result<(), StoreError> {
        let scope = self.0.tenant(tenant);
        let head = scope.get_versioned::<AuditHeadRow>(&[tenant.as_bytes()]).map_err(StoreError::failed)?;
        if head.as_ref().map_or(0, |head| head.row.size) != append.expected() {
            return Err(StoreError::Conflict);
        }
        let mut batch = Batch::new();
        let next = AuditHeadRow { size: append.size_after() };
        match head {
            Some(head) => scope.replace(&mut batch, &[tenant.as_bytes()], head.sealed, &next),
            None => scope.insert(&mut batch, &[tenant.as_bytes()], &next),
        }
        put_entries(&scope, &mut batch, tenant, &append);
        match self.0.commit(batch).await.map_err(RecordError::from) {
            Ok(_committed) => {
                self.1.audit_entries.inc_by(append.size_after() - append.expected());
                Ok(())
            }
            Err(error) if error.is_conflict() => Err(StoreError::Conflict),
            Err(error) => Err(StoreError::failed(error)),
        }
    }

    async fn size(&self, tenant: TenantId) -> Result<u64, StoreError> {
        let head =
            self.0.tenant(tenant).get::<AuditHeadRow>(&[tenant.as_bytes()]).map_err(StoreError::failed)?;
        Ok(head.map_or(0, |head| head.size))
    }

    async fn entries(
        &self,
        tenant: TenantId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        Ok(self.rows(tenant, from, limit)?.into_iter().map(|(number, row)| (number, row.line)).collect())
    }

    async fn hashes(
        &self,
        tenant: TenantId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Hash)>, StoreError> {
        let rows = self.rows(tenant, entry_of(from), limit)?;
        let hashes = rows.iter().flat_map(|(number, row)| {
            (stored_hash_count(*number)..)
                .zip(row.hashes.as_chunks::<32>().0)
                .map(|(index, hash)| (index, Hash(*hash)))
        });
        Ok(hashes.filter(|(index, _)| *index >= from).take(limit).collect())
    }

    async fn hashes_at(&self, tenant: TenantId, indexes: &[u64]) -> Result<Vec<Option<Hash>>, StoreError> {
        let scope = self.0.tenant(tenant);
        let hash_at = |index: &u64| {
            let number = entry_of(*index);
            let row = match scope.get::<AuditEntryRow>(&[tenant.as_bytes(), &number.to_be_bytes()]) {
                Err(RecordError::Damaged(_)) => None,
                other => other.map_err(StoreError::failed)?,
            };
            let place = usize::try_from(index - stored_hash_count(number)).map_err(StoreError::failed)?;
            Ok(row.and_then(|row| row.hashes.as_chunks::<32>().0.get(place).copied()).map(Hash))
        };
        indexes.iter().map(hash_at).collect()
    }

    async fn put_checkpoint(&self, tenant: TenantId, note: String) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        self.0.tenant(tenant).put(&mut batch, &[tenant.as_bytes()], &CheckpointRow { note });
        self.0.commit(batch).await.map(|_committed| ()).map_err(StoreError::failed)
    }

    async fn checkpoint(&self, tenant: TenantId) -> Result<Option<String>, StoreError> {
        let row =
            self.0.tenant(tenant).get::<CheckpointRow>(&[tenant.as_bytes()]).map_err(StoreError::failed)?;
        Ok(row.map(|row| row.note))
    }
}

fn put_entries(scope: &Scope, batch: &mut Batch, tenant: TenantId, append: &Append) {
    let mut hashes = append.hash_rows().peekable();
    for (number, line) in append.entry_rows() {
        let mut row = AuditEntryRow { line: line.to_vec(), hashes: Vec::new() };
        let end = stored_hash_count(number + 1);
        while let Some((_, hash)) = hashes.next_if(|(index, _)| *index < end) {
            row.hashes.extend_from_slice(&hash.0);
        }
        scope.put(batch, &[tenant.as_bytes(), &number.to_be_bytes()], &row);
    }
}

/// The entry that completes the hash with this index: hash n of level l covers entries up to
/// (n + 1) * 2^l - 1 (RFC 6962 §2.1).
fn entry_of(index: u64) -> u64 {
    let (level, n) = split_stored_hash_index(index);
    ((n + 1) << level) - 1
}
