//! The ledger: small records under ordered keys, changed by atomic conditional batches.
//!
//! A [`Batch`] holds conditions and changes. It is applied whole or not at all, and once its
//! [`Pending`] resolves to [`Committed`] it survives a power cut. Keys and values are opaque here:
//! callers make the keys of identifiers and keyed hashes, and seal the values with the key as
//! associated data. So this module refuses to know what a record means.

mod redb;
mod watch;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod memory;

use std::future::Future;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

pub use self::redb::{Options, RedbLedger};
pub use self::watch::Subscription;

/// An ordered key-value store. Object-safe, so that the server holds an `Arc<dyn Ledger>`.
///
/// Reads block the calling thread for as long as the disk takes, microseconds when cached; scan
/// large ranges from `spawn_blocking`.
pub trait Ledger: Send + Sync {
    /// Queues `batch`. Batches are applied in the order of these calls, so a caller that allots a
    /// number and commits it under one mutex sees numbers become visible in order. Batches that
    /// wait together share one sync. Dropping the result does not take the batch back.
    fn commit(&self, batch: Batch) -> Pending;

    /// The value under `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerError>;

    /// Shows `visit` the rows whose key begins with `prefix`, in order, from the first key not
    /// below `from` (a whole key; empty starts at the beginning) until it breaks. One consistent
    /// snapshot, nothing allocated per row. `visit` must not call the ledger itself.
    fn visit(&self, prefix: &[u8], from: &[u8], visit: &mut Visitor<'_>) -> Result<(), LedgerError>;

    /// Wakes after each commit that touches a key beginning with `prefix`.
    fn watch(&self, prefix: &[u8]) -> Subscription;

    /// At most `limit` rows whose key begins with `prefix`, in order, from the first key not below
    /// `from`.
    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Row>, LedgerError> {
        let mut rows = Vec::new();
        if limit == 0 {
            return Ok(rows);
        }
        self.visit(prefix, from, &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            if rows.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(rows)
    }
}

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Is shown a key and its value, and says whether it wants more.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Changes that happen together, and the conditions under which they happen at all.
#[derive(Clone, Default)]
pub struct Batch {
    conditions: Vec<(Vec<u8>, Expectation)>,
    changes: Vec<Change>,
}

impl Batch {
    /// A batch that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Demands what is under `key` before the batch.
    pub fn require(&mut self, key: impl Into<Vec<u8>>, expectation: Expectation) -> &mut Self {
        self.conditions.push((key.into(), expectation));
        self
    }

    /// Demands that nothing is under `key` before the batch.
    pub fn require_absent(&mut self, key: impl Into<Vec<u8>>) -> &mut Self {
        self.require(key, Expectation::Absent)
    }

    /// Puts `value` under `key`, replacing what was there.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> &mut Self {
        self.changes.push(Change::Put(key.into(), value.into()));
        self
    }

    /// Removes what is under `key`, if anything is.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) -> &mut Self {
        self.changes.push(Change::Delete(key.into()));
        self
    }

    /// Removes every row whose key begins with `prefix`. The empty prefix is every row.
    pub fn delete_prefix(&mut self, prefix: impl Into<Vec<u8>>) -> &mut Self {
        self.changes.push(Change::DeletePrefix(prefix.into()));
        self
    }

    /// Adds the conditions and changes of another batch, behind those of this one.
    pub fn append(&mut self, other: Self) -> &mut Self {
        self.conditions.extend(other.conditions);
        self.changes.extend(other.changes);
        self
    }

    /// Whether the batch changes nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// What a batch demands of a key before it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing is there.
    Absent,
    /// Some value is there.
    Present,
    /// Exactly this value is there.
    Equals(Vec<u8>),
}

impl Expectation {
    fn is_met_by(&self, found: Option<&[u8]>) -> bool {
        match self {
            Self::Absent => found.is_none(),
            Self::Present => found.is_some(),
            Self::Equals(value) => found == Some(value),
        }
    }
}

/// One change of a batch. Changes are applied in the order in which they were added.
#[derive(Clone)]
enum Change {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    DeletePrefix(Vec<u8>),
}

/// The proof that a batch is on disk, synced. Only a backend makes one.
#[derive(Debug)]
#[must_use = "whoever waited for the commit can now acknowledge it"]
pub struct Committed(());

/// A batch on its way to the disk.
#[must_use = "a batch is durable only once this resolves"]
pub struct Pending(oneshot::Receiver<Result<Committed, CommitError>>);

impl Future for Pending {
    type Output = Result<Committed, CommitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // A sender dropped without a word means that the commit thread is gone.
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(LedgerError::Stopped.into())))
    }
}

impl Pending {
    /// A batch that waits, and where its outcome is to be sent.
    fn new() -> (oneshot::Sender<Result<Committed, CommitError>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }
}

/// Why a batch was not committed. Nothing of it is visible then, save after [`LedgerError::Stopped`].
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// A condition did not hold: somebody else was faster, or the caller's picture is stale.
    #[error("a condition of the batch does not hold")]
    Conflict,
    /// Too many batches are waiting; the load is at fault, and a later attempt may succeed.
    #[error("too many commits are waiting")]
    Busy,
    /// The ledger itself failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What is wrong with the ledger or the disk below it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// No room. What was committed stays, and commits work again once there is room.
    #[error("the disk is full")]
    Full,
    /// Another process has the ledger open.
    #[error("{} is open in another process", .0.display())]
    Locked(PathBuf),
    /// The file is not what this program wrote: a failing disk, a damaged copy, or tampering.
    #[error("the ledger is damaged: {0}")]
    Corrupt(String),
    /// A sync failed or the commit thread died, so what the disk holds is unknown until a restart:
    /// a batch that was waiting may or may not be found then.
    #[error("the ledger has stopped; look at the disk, then restart")]
    Stopped,
    /// The operating system refused a read or write.
    #[error("the ledger cannot be read or written: {0}")]
    Io(Arc<io::Error>),
}

impl From<io::Error> for LedgerError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            // redb reads only inside the length its header states, and says `InvalidData` of a bad header.
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => Self::Corrupt(error.to_string()),
            _ => Self::Io(Arc::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(Committed: Clone, Copy, Default);
    static_assertions::assert_obj_safe!(Ledger);

    #[tokio::test]
    async fn a_commit_thread_that_died_is_reported() {
        let (sender, pending) = Pending::new();
        drop(sender);
        assert!(matches!(pending.await, Err(CommitError::Ledger(LedgerError::Stopped))));
    }
}
