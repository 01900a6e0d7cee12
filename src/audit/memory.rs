//! An [`AuditStore`] in memory: for tests, and as the shortest statement of what a store must do.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tlog_tiles::Hash;

use super::store::{Append, AuditStore, StoreError};
use crate::names::TenantId;

/// Logs in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<HashMap<TenantId, Rows>>>);

/// The rows of one log, as a thief of the disk would find them.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The head.
    pub size: u64,
    /// Lines by number.
    pub entries: BTreeMap<u64, Vec<u8>>,
    /// Merkle hashes by index.
    pub hashes: BTreeMap<u64, Hash>,
    /// The checkpoint kept last.
    pub checkpoint: Option<String>,
}

impl MemoryStore {
    /// Looks at a log or tampers with it.
    pub fn with<T>(&self, tenant: TenantId, touch: impl FnOnce(&mut Rows) -> T) -> T {
        let mut logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        touch(logs.entry(tenant).or_default())
    }
}

impl AuditStore for MemoryStore {
    async fn append(&self, tenant: TenantId, append: Append) -> Result<(), StoreError> {
        self.with(tenant, |rows| {
            if rows.size != append.expected() {
                return Err(StoreError::Conflict);
            }
            rows.entries.extend(append.entry_rows().map(|(number, line)| (number, line.to_vec())));
            rows.hashes.extend(append.hash_rows());
            rows.size = append.size_after();
            Ok(())
        })
    }

    async fn size(&self, tenant: TenantId) -> Result<u64, StoreError> {
        Ok(self.with(tenant, |rows| rows.size))
    }

    async fn entries(
        &self,
        tenant: TenantId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        Ok(self.with(tenant, |rows| {
            rows.entries.range(from..).take(limit).map(|(number, line)| (*number, line.clone())).collect()
        }))
    }

    async fn hashes(
        &self,
        tenant: TenantId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Hash)>, StoreError> {
        Ok(self.with(tenant, |rows| {
            rows.hashes.range(from..).take(limit).map(|(index, hash)| (*index, *hash)).collect()
        }))
    }

    async fn hashes_at(&self, tenant: TenantId, indexes: &[u64]) -> Result<Vec<Option<Hash>>, StoreError> {
        Ok(self.with(tenant, |rows| indexes.iter().map(|index| rows.hashes.get(index).copied()).collect()))
    }

    async fn put_checkpoint(&self, tenant: TenantId, note: String) -> Result<(), StoreError> {
        self.with(tenant, |rows| rows.checkpoint = Some(note));
        Ok(())
    }

    async fn checkpoint(&self, tenant: TenantId) -> Result<Option<String>, StoreError> {
        Ok(self.with(tenant, |rows| rows.checkpoint.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_keeps_the_contract() {
        super::super::contract::keeps_its_contract(MemoryStore::default()).await;
    }
}
