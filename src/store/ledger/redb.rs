//! The ledger in one redb file, written by one thread.
//!
//! All batches that wait when the thread is free go into one transaction with one pair of syncs;
//! each batch's own conditions are judged against what the batches before it left. Why redb, and
//! why `quick_repair`: `docs/decisions/0001-ledger-redb-not-sled.md`.
//!
//! redb refuses all work after a failed write. When the disk was full that is undone here by
//! reopening the file at its last commit. When a sync failed it is not: the kernel may have dropped
//! the pages that it could not write, so only a restart, after a look at the disk, is honest.
//! The file itself is the business of `file.rs`.

mod file;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use redb::{Database, ReadableDatabase, ReadableTable, Table};
use tokio::sync::oneshot;

use self::file::{Failure, ROWS, guarded, open, open_existing};
use super::watch::{Subscription, Watchers};
use super::{Batch, Change, CommitError, Committed, Ledger, LedgerError, Pending, Visitor};

/// How a ledger file is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of memory for cached pages.
    pub cache: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache: CACHE }
    }
}

/// A [`Ledger`] in one redb file. Dropping it commits what waits and closes the file.
pub struct RedbLedger {
    core: Arc<Core>,
    /// `None` only while dropping: closing the queue is what ends the thread.
    queue: Option<SyncSender<Waiting>>,
    thread: Option<JoinHandle<()>>,
}

impl RedbLedger {
    /// Opens the ledger at `path`, or creates it, durably.
    pub fn open(path: &Path, options: Options) -> Result<Self, LedgerError> {
        let stopped = Arc::new(AtomicBool::new(false));
        let database = open(path, options, &stopped)?;
        let core = Arc::new(Core {
            path: path.to_owned(),
            options,
            stopped,
            database: RwLock::new(Ok(database)),
            watchers: Watchers::default(),
        });
        let (queue, waiting) = sync_channel(QUEUE);
        let worker = Arc::clone(&core);
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || worker.commit_until_closed(&waiting))?;
        Ok(Self { core, queue: Some(queue), thread: Some(thread) })
    }

    /// Gives unused space of the closed ledger at `path` back to the file system.
    pub fn compact(path: &Path) -> Result<(), LedgerError> {
        let mut database = open_existing(path, Options::default(), &Arc::default())?;
        guarded(|| {
            while database.compact()? {}
            Ok(())
        })
    }

    /// Reads the whole of the closed ledger at `path` and compares every page with its checksum.
    pub fn verify(path: &Path) -> Result<(), LedgerError> {
        let mut database = open_existing(path, Options::default(), &Arc::default())?;
        match guarded(|| Ok(database.check_integrity()?))? {
            true => Ok(()),
            false => Err(LedgerError::Corrupt("a checksum did not match".to_owned())),
        }
    }
}

impl Ledger for RedbLedger {
    fn commit(&self, batch: Batch) -> Pending {
        let (answer, pending) = Pending::new();
        let refused = match &self.queue {
            Some(queue) => queue.try_send(Waiting { batch, answer }).err(),
            None => None,
        };
        // A disconnected queue drops the sender, which the caller sees as `Stopped`.
        if let Some(TrySendError::Full(waiting)) = refused {
            let _ = waiting.answer.send(Err(CommitError::Busy));
        }
        pending
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        self.core.read(|table| Ok(table.get(key)?.map(|value| value.value().to_vec())))
    }

    fn visit(&self, prefix: &[u8], from: &[u8], visit: &mut Visitor<'_>) -> Result<(), LedgerError> {
        self.core.read(|table| {
            for row in table.range(prefix.max(from)..)? {
                let (key, value) = row?;
                if !key.value().starts_with(prefix) || visit(key.value(), value.value()).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    fn watch(&self, prefix: &[u8]) -> Subscription {
        self.core.watchers.subscribe(prefix)
    }
}

impl Drop for RedbLedger {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has told everyone who waited; there is nothing left to close.
            let _ = thread.join();
        }
    }
}

/// A batch, and who wants to know what became of it.
struct Waiting {
    batch: Batch,
    answer: oneshot::Sender<Result<Committed, CommitError>>,
}

/// What readers and the commit thread share.
struct Core {
    path: PathBuf,
    options: Options,
    /// A sync failed; nothing is committed any more.
    stopped: Arc<AtomicBool>,
    /// An error after a failed reopening; the next commit tries again.
    database: RwLock<Result<Database, LedgerError>>,
    watchers: Watchers,
}

impl Core {
    fn read<T>(&self, read: impl FnOnce(&ReadRows) -> Result<T, Failure>) -> Result<T, LedgerError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().map_err(Clone::clone)?;
        guarded(|| read(&database.begin_read()?.open_table(ROWS)?))
    }

    fn commit_until_closed(&self, queue: &Receiver<Waiting>) {
        while let Ok(first) = queue.recv() {
            let group = std::iter::once(first).chain(queue.try_iter().take(QUEUE)).collect();
            self.commit_group(group);
        }
    }

    fn commit_group(&self, group: Vec<Waiting>) {
        match self.apply(&group) {
            Ok(verdicts) => {
                for (waiting, verdict) in group.into_iter().zip(verdicts) {
                    self.answer(waiting, verdict);
                }
            }
            Err(error) => {
                tracing::error!(%error, batches = group.len(), "the ledger did not commit");
                self.recover();
                for waiting in group {
                    let _ = waiting.answer.send(Err(error.clone().into()));
                }
            }
        }
    }

    fn answer(&self, waiting: Waiting, verdict: Verdict) {
        if matches!(verdict, Verdict::Applied) {
            self.watchers.wake(&waiting.batch);
        }
        // Whoever stopped waiting does not want the answer.
        let _ = waiting.answer.send(match verdict {
            Verdict::Applied => Ok(Committed(())),
            Verdict::Conflict => Err(CommitError::Conflict),
        });
    }

    /// Applies a group in one transaction and syncs it.
    fn apply(&self, group: &[Waiting]) -> Result<Vec<Verdict>, LedgerError> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(LedgerError::Stopped);
        }
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().map_err(Clone::clone)?;
        let outcome = guarded(|| transact(database, group));
        if self.stopped.load(Ordering::Acquire) { Err(LedgerError::Stopped) } else { outcome }
    }

    /// Brings the file back to its last commit after a write failed, if that can be trusted.
    fn recover(&self) {
        if self.stopped.load(Ordering::Acquire) {
            return;
        }
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // The old handle holds the lock that the new one needs.
        *database = Err(LedgerError::Stopped);
        *database = open_existing(&self.path, self.options, &self.stopped)
            .inspect_err(|error| tracing::error!(%error, "the ledger cannot be reopened yet"));
    }
}

type ReadRows = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;
type WriteRows<'a> = Table<'a, &'static [u8], &'static [u8]>;

/// What became of one batch of a transaction.
enum Verdict {
    Applied,
    Conflict,
}

/// Returns once the group is synced, or, if every batch conflicts, without a sync.
fn transact(database: &Database, group: &[Waiting]) -> Result<Vec<Verdict>, Failure> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    let verdicts = {
        let mut table = transaction.open_table(ROWS)?;
        group.iter().map(|waiting| judge(&mut table, &waiting.batch)).collect::<Result<Vec<_>, _>>()?
    };
    match verdicts.iter().any(|verdict| matches!(verdict, Verdict::Applied)) {
        true => transaction.commit()?,
        false => transaction.abort()?,
    }
    Ok(verdicts)
}

fn judge(table: &mut WriteRows<'_>, batch: &Batch) -> Result<Verdict, redb::StorageError> {
    for (key, expectation) in &batch.conditions {
        if !expectation.is_met_by(table.get(&key[..])?.as_ref().map(|value| value.value())) {
            return Ok(Verdict::Conflict);
        }
    }
    for change in &batch.changes {
        match change {
            Change::Put(key, value) => drop(table.insert(&key[..], &value[..])?),
            Change::Delete(key) => drop(table.remove(&key[..])?),
            Change::DeletePrefix(prefix) => delete_prefix(table, prefix)?,
        }
    }
    Ok(Verdict::Applied)
}

fn delete_prefix(table: &mut WriteRows<'_>, prefix: &[u8]) -> Result<(), redb::StorageError> {
    match successor(prefix) {
        Some(end) => table.retain_in(prefix..&end[..], |_, _| false),
        None => table.retain_in(prefix.., |_, _| false),
    }
}

/// The first key beyond all keys that begin with `prefix`; `None` when there is none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// Enough for the inner pages of some millions of rows, small beside the server's 80 MiB.
const CACHE: usize = 16 << 20;
/// Batches that may wait at once. At a millisecond a sync, a full queue is one second of waiting at worst.
const QUEUE: usize = 1024;

#[cfg(test)]
mod tests;
