//! Typed rows over the ledger: keys opaque, values CBOR sealed under a record key with the row's
//! key as associated data, so that a value moved to another key does not open.
//!
//! Each tenant's rows are sealed under a record key of their own; rows that say which tenant
//! something belongs to are sealed under the system's. All record keys come from the root key: they
//! guard routing and bookkeeping (design section 2), never the content of mail.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock};

use crate::keyring::{RecordKey, RootKey};
use crate::names::TenantId;
use crate::store::ledger::{Batch, CommitError, Expectation, Ledger, LedgerError, Pending};
use crate::tenant::rows::Row;

/// Why a row could not be read or written.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger did not take the batch.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The value does not open under its key: the row was changed, moved, or sealed under another root key.
    #[error("a row of table {} does not open: changed on disk, or sealed under another root key", *.0 as char)]
    Damaged(u8),
    /// The mailbox takes no more mail: its user is being removed.
    #[error("the mailbox takes no more mail")]
    Closed,
    /// A mailbox has given out all the numbers there are.
    #[error("the mailbox has no numbers left")]
    Exhausted,
}

impl RecordError {
    /// Whether somebody else was faster; the caller reads again.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Commit(CommitError::Conflict))
    }
}

/// The ledger with the root key that opens its rows.
pub struct Records {
    ledger: Arc<dyn Ledger>,
    root: Arc<RootKey>,
    system: Scope,
    /// The record keys of tenants, as they were derived: each delivery reads some ten rows. They open no more
    /// than the root key does, which is in memory as well.
    tenants: RwLock<HashMap<TenantId, Arc<RecordKey>>>,
}

impl Records {
    /// Joins a ledger and a root key.
    pub fn new(ledger: Arc<dyn Ledger>, root: Arc<RootKey>) -> Self {
        let system = Scope { ledger: ledger.clone(), key: Arc::new(root.record_key(None)) };
        Self { ledger, root, system, tenants: RwLock::default() }
    }

    /// The rows that belong to no tenant.
    pub fn system(&self) -> &Scope {
        &self.system
    }

    /// The rows of a tenant.
    pub fn tenant(&self, tenant: TenantId) -> Scope {
        Scope { ledger: self.ledger.clone(), key: self.key_of(tenant) }
    }

    fn key_of(&self, tenant: TenantId) -> Arc<RecordKey> {
        // Nothing panics while the lock is held, and a map is whole between two operations.
        let known = self.tenants.read().unwrap_or_else(PoisonError::into_inner).get(&tenant).cloned();
        known.unwrap_or_else(|| {
            let key = Arc::new(self.root.record_key(Some(tenant)));
            let mut keys = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
            if keys.len() >= MOST_KEYS {
                keys.clear();
            }
            keys.insert(tenant, key.clone());
            key
        })
    }

    /// The rows of a tenant, or those that belong to none.
    pub fn scope(&self, tenant: Option<TenantId>) -> Scope {
        tenant.map_or_else(|| self.system.clone(), |tenant| self.tenant(tenant))
    }

    /// The root key, for keyed hashes.
    pub fn root(&self) -> &RootKey {
        &self.root
    }

    /// The ledger, for changes that touch no value.
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// Shows `visit` every row of a table whose keys begin with 16 octets that say whose it is, in one
    /// snapshot: `scopes` has the key that each owner's rows are sealed under. The owner, the rest of the key,
    /// and the row; none where the owner is not among them.
    pub fn survey<R: Row>(
        &self,
        scopes: &HashMap<[u8; 16], Scope>,
        mut visit: impl FnMut([u8; 16], &[u8], Option<Result<R, RecordError>>) -> ControlFlow<()>,
    ) -> Result<(), RecordError> {
        let table = row_key::<R>(&[]);
        self.ledger.visit(&table, &[], &mut |name, value| match name[table.len()..].split_first_chunk() {
            Some((owner, rest)) => {
                visit(*owner, rest, scopes.get(owner).map(|scope| scope.open(name, value)))
            }
            None => ControlFlow::Continue(()),
        })?;
        Ok(())
    }

    /// Commits `batch`; resolves when it is durable.
    pub fn commit(&self, batch: Batch) -> Pending {
        self.ledger.commit(batch)
    }
}

/// Rows under one record key.
#[derive(Clone)]
pub struct Scope {
    ledger: Arc<dyn Ledger>,
    key: Arc<RecordKey>,
}

impl Scope {
    /// The row under the key made of `parts`.
    pub fn get<R: Row>(&self, parts: &[&[u8]]) -> Result<Option<R>, RecordError> {
        let name = row_key::<R>(parts);
        self.ledger.get(&name)?.map(|value| self.open(&name, &value)).transpose()
    }

    /// The row with its sealed value, for [`Scope::replace`].
    pub fn get_versioned<R: Row>(&self, parts: &[&[u8]]) -> Result<Option<Versioned<R>>, RecordError> {
        let name = row_key::<R>(parts);
        let Some(sealed) = self.ledger.get(&name)? else { return Ok(None) };
        Ok(Some(Versioned { row: self.open(&name, &sealed)?, sealed }))
    }

    /// Adds to `batch`: `row` under the key made of `parts`.
    pub fn put<R: Row>(&self, batch: &mut Batch, parts: &[&[u8]], row: &R) {
        let name = row_key::<R>(parts);
        let sealed = self.seal(&name, row);
        batch.put(name, sealed);
    }

    /// Adds to `batch`: `row` under a key where nothing is yet.
    pub fn insert<R: Row>(&self, batch: &mut Batch, parts: &[&[u8]], row: &R) {
        batch.require_absent(row_key::<R>(parts));
        self.put(batch, parts, row);
    }

    /// Adds to `batch`: `row` in the place of what was read, if nobody has changed it since.
    pub fn replace<R: Row>(&self, batch: &mut Batch, parts: &[&[u8]], read: Vec<u8>, row: &R) {
        batch.require(row_key::<R>(parts), Expectation::Equals(read));
        self.put(batch, parts, row);
    }

    /// Shows `visit` every row whose key begins with `parts`, with the rest of its key, from the
    /// first whose rest is not below `from`.
    pub fn visit<R: Row>(
        &self,
        parts: &[&[u8]],
        from: &[u8],
        mut visit: impl FnMut(&[u8], Result<R, RecordError>) -> ControlFlow<()>,
    ) -> Result<(), RecordError> {
        let prefix = row_key::<R>(parts);
        let from = [&prefix[..], from].concat();
        self.ledger
            .visit(&prefix, &from, &mut |name, value| visit(&name[prefix.len()..], self.open(name, value)))?;
        Ok(())
    }

    /// Every row whose key begins with `parts`, with the rest of its key.
    pub fn list<R: Row>(&self, parts: &[&[u8]]) -> Result<Vec<(Vec<u8>, R)>, RecordError> {
        let mut rows = Vec::new();
        let mut failed = None;
        self.visit::<R>(parts, &[], |rest, row| match row {
            Ok(row) => {
                rows.push((rest.to_vec(), row));
                ControlFlow::Continue(())
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })?;
        failed.map_or(Ok(rows), Err)
    }

    fn seal<R: Row>(&self, name: &[u8], row: &R) -> Vec<u8> {
        // Writing CBOR to a Vec has no way to fail.
        let encoded = zeroize::Zeroizing::new(minicbor::to_vec(row).expect("a row encodes into memory"));
        self.key.seal(name, &encoded)
    }

    fn open<R: Row>(&self, name: &[u8], sealed: &[u8]) -> Result<R, RecordError> {
        let encoded = self.key.open(name, sealed).map_err(|_| RecordError::Damaged(R::TABLE))?;
        minicbor::decode(&encoded).map_err(|_| RecordError::Damaged(R::TABLE))
    }
}

/// A row and the sealed value it was read from.
pub struct Versioned<R> {
    /// The row.
    pub row: R,
    /// What the ledger held.
    pub sealed: Vec<u8>,
}

/// The key of a row: its table's letter, then `parts`, which have fixed lengths.
pub fn row_key<R: Row>(parts: &[&[u8]]) -> Vec<u8> {
    let mut name = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    name.push(R::TABLE);
    parts.iter().for_each(|part| name.extend_from_slice(part));
    name
}

/// Tenants whose keys are kept at once; more than servers have.
const MOST_KEYS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ledger::{Options, RedbLedger};
    use crate::tenant::rows::StandingRow;

    #[tokio::test]
    async fn each_tenants_rows_open_under_its_own_key_alone_however_many_there_are() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ledger = RedbLedger::open(&folder.path().join("ledger"), Options::default()).expect("a ledger");
        let records = Records::new(Arc::new(ledger), Arc::new(RootKey::generate()));
        let (one, other) = (TenantId::random(), TenantId::random());
        for tenant in [one, other] {
            let mut batch = Batch::new();
            records.tenant(tenant).put(&mut batch, &[tenant.as_bytes()], &StandingRow { changes: 7 });
            let _committed = records.commit(batch).await.expect("committed");
        }
        let read = |by, of: TenantId| records.tenant(by).get::<StandingRow>(&[of.as_bytes()]);
        for _ in 0..2 {
            assert!(
                read(one, one).expect("it opens").is_some()
                    && read(other, other).expect("it opens").is_some()
            );
            assert!(read(one, other).is_err() && read(other, one).is_err());
            assert!(records.system().get::<StandingRow>(&[one.as_bytes()]).is_err());
            // The second round is with keys derived anew.
            for _ in 0..MOST_KEYS {
                let _key = records.key_of(TenantId::random());
            }
            assert!(records.tenants.read().expect("no panic").len() <= MOST_KEYS);
        }
    }
}
