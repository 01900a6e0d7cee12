//! What the audit log asks of a key-value store. The integrator implements it over the ledger, with
//! sealed values; this module knows no engine and no key.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use tlog_tiles::{Hash, stored_hash_count};

use crate::names::TenantId;

/// Where the logs of all tenants lie.
pub trait AuditStore: Send + Sync + 'static {
    /// Writes the rows and the new size in one atomic step and returns when they are durable.
    ///
    /// MUST write nothing and say [`StoreError::Conflict`] if the log's size is not
    /// [`Append::expected`], so that two writers cannot fork a log. MUST replace rows that are
    /// there already past the size. MAY be dropped half-way: then either all of it happened or none.
    fn append(&self, tenant: TenantId, append: Append)
    -> impl Future<Output = Result<(), StoreError>> + Send;

    /// How many entries the log has; 0 for a tenant without a log.
    fn size(&self, tenant: TenantId) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// The entry rows that exist from number `from` on, ascending, at most `limit`, with their
    /// numbers. MUST show rows past the size as well, and leave out what is missing.
    fn entries(
        &self,
        tenant: TenantId,
        from: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(u64, Vec<u8>)>, StoreError>> + Send;

    /// The hash rows that exist from index `from` on, ascending, at most `limit`, with their indexes.
    fn hashes(
        &self,
        tenant: TenantId,
        from: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(u64, Hash)>, StoreError>> + Send;

    /// The hash rows with these indexes, in their order, `None` where there is none.
    fn hashes_at(
        &self,
        tenant: TenantId,
        indexes: &[u64],
    ) -> impl Future<Output = Result<Vec<Option<Hash>>, StoreError>> + Send;

    /// Keeps the newest signed checkpoint, durably.
    fn put_checkpoint(
        &self,
        tenant: TenantId,
        note: String,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The checkpoint kept last.
    fn checkpoint(&self, tenant: TenantId)
    -> impl Future<Output = Result<Option<String>, StoreError>> + Send;
}

/// Rows to be added to a log. Entries are numbered from [`Append::expected`], hashes indexed from
/// [`Append::first_hash`], without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    expected: u64,
    entries: Vec<Vec<u8>>,
    hashes: Vec<[u8; 32]>,
}

impl Append {
    /// Nothing yet, behind a log of this size.
    pub(super) fn behind(expected: u64) -> Self {
        Self { expected, entries: Vec::new(), hashes: Vec::new() }
    }

    /// Adds an entry's line and the hashes it completes.
    pub(super) fn push(&mut self, line: Vec<u8>, hashes: impl IntoIterator<Item = Hash>) {
        self.entries.push(line);
        self.hashes.extend(hashes.into_iter().map(|hash| hash.0));
    }

    /// The size the log must have for this append.
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// The size the log has after it.
    pub fn size_after(&self) -> u64 {
        self.expected + self.entries.len() as u64
    }

    /// Entry rows: number and line.
    pub fn entry_rows(&self) -> impl Iterator<Item = (u64, &[u8])> {
        (self.expected..).zip(self.entries.iter().map(Vec::as_slice))
    }

    /// Hash rows: index and hash.
    pub fn hash_rows(&self) -> impl Iterator<Item = (u64, Hash)> + '_ {
        (self.first_hash()..).zip(self.hashes.iter().map(|hash| Hash(*hash)))
    }

    /// Index of the first hash row.
    pub fn first_hash(&self) -> u64 {
        stored_hash_count(self.expected)
    }
}

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The log's size is not the expected one: another writer was faster. Nothing was written.
    #[error("another writer was faster")]
    Conflict,
    /// The engine failed; whether the rows were written is not known.
    #[error("the store failed")]
    Failed(#[source] Arc<dyn Error + Send + Sync>),
}

impl StoreError {
    /// An engine's error.
    pub fn failed(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(Arc::from(cause.into()))
    }
}
