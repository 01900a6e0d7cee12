//! The file of the ledger: created whole, locked, and opened by redb through [`Disk`], with one
//! error for the many that redb has. Knows no batches.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Database, TableDefinition};

use super::Options;
use crate::store::layout::sync_folder;
use crate::store::ledger::LedgerError;

/// All rows.
pub(super) const ROWS: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("rows");

/// Opens the ledger file, or creates it, durably. `stopped` is set when a sync fails, now or later.
pub(super) fn open(
    path: &Path,
    options: Options,
    stopped: &Arc<AtomicBool>,
) -> Result<Database, LedgerError> {
    if !path.try_exists()? {
        create(path, options)?;
    }
    open_existing(path, options, stopped)
}

/// Opens the ledger file.
pub(super) fn open_existing(
    path: &Path,
    options: Options,
    stopped: &Arc<AtomicBool>,
) -> Result<Database, LedgerError> {
    // redb would take an emptied file for a new one, and all mail would be gone without a word.
    if path.metadata()?.len() == 0 {
        return Err(LedgerError::Corrupt("the file is empty".to_owned()));
    }
    attach(path, options, stopped)
}

/// Runs `work` on the database. redb panics on some files that are not what it wrote; a damaged
/// ledger must be an error to the caller, not the end of the task.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, LedgerError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome.map_err(|Failure(error)| error),
        Err(_) => Err(LedgerError::Corrupt("the file contradicts itself".to_owned())),
    }
}

/// A [`LedgerError`] made of any of redb's error types by `?`.
pub(super) struct Failure(LedgerError);

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(match error.into() {
            redb::Error::Io(error) => error.into(),
            redb::Error::PreviousIo => io::Error::other("an earlier read or write failed").into(),
            other => LedgerError::Corrupt(other.to_string()),
        })
    }
}

/// Creates the file under another name first: a power cut in redb's own creation would leave a file
/// that it refuses ever after.
fn create(path: &Path, options: Options) -> Result<(), LedgerError> {
    let unfinished = path.with_extension("unfinished");
    File::options().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    let database = attach(&unfinished, options, &Arc::default())?;
    guarded(|| {
        let mut transaction = database.begin_write()?;
        transaction.set_quick_repair(true);
        transaction.open_table(ROWS)?;
        Ok(transaction.commit()?)
    })?;
    drop(database);
    std::fs::rename(&unfinished, path)?;
    let folder = path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    Ok(sync_folder(folder)?)
}

/// Locks the file and hands it to redb.
fn attach(path: &Path, options: Options, stopped: &Arc<AtomicBool>) -> Result<Database, LedgerError> {
    let file = File::options().read(true).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(LedgerError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    let disk = Disk { file, stopped: Arc::clone(stopped) };
    guarded(|| Ok(redb::Builder::new().set_cache_size(options.cache).create_with_backend(disk)?))
}

/// The ledger's file, as redb sees it. Remembers that a sync failed.
#[derive(Debug)]
struct Disk {
    /// Locked (`flock`) for as long as it is open; the kernel unlocks it after a crash.
    file: File,
    stopped: Arc<AtomicBool>,
}

impl redb::StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data().inspect_err(|_| self.stopped.store(true, Ordering::Release))
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }
}
