//! tantivy's `Directory` over a folder of sealed files. Refuses to know what the files are, but for
//! the one that names the others.
//!
//! An index can be built anew, so durability here means: after a crash or a power cut the index is
//! right, or it is refused. Every octet read is authenticated; segments are synced before the file
//! that names them takes the place of the old one, so a power cut seldom costs a rebuild.
//!
//! Locks are `flock`s: the kernel lets go of them when the process ends, however it ends. tantivy's
//! own would leave a file behind that keeps everybody out for good.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use tantivy::HasLen;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, OwnedBytes, TerminatingWrite, WatchCallback,
    WatchHandle, WritePtr,
};

use super::chunks::{Chunk, ChunkCache};
use super::sealed_file::{CHUNK, SealedFile, SealingWriter, refused};
use crate::keyring::IndexKey;
use crate::private_file::{FILE_MODE, FOLDER_MODE};

/// A folder of sealed files; clones share key and cache.
#[derive(Clone)]
pub(super) struct SealedFolder(Arc<Inner>);

struct Inner {
    path: PathBuf,
    key: IndexKey,
    cache: ChunkCache,
    /// Every opened file has a number of its own, so that a name that is used again meets no old chunk.
    opened: AtomicU64,
}

impl SealedFolder {
    /// The folder at `path`, made if it does not exist, mode 0700.
    pub(super) fn open(path: &Path, key: IndexKey) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
        let (path, cache, opened) = (path.to_owned(), ChunkCache::new(CACHED), AtomicU64::new(0));
        Ok(Self(Arc::new(Inner { path, key, cache, opened })))
    }

    /// Whether it holds nothing but locks.
    pub(super) fn is_empty(&self) -> io::Result<bool> {
        for entry in std::fs::read_dir(&self.0.path)? {
            if !entry?.file_name().as_encoded_bytes().ends_with(b".lock") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn path(&self, name: &Path) -> PathBuf {
        self.0.path.join(name)
    }

    fn open_sealed(&self, name: &Path) -> Result<SealedFile, OpenReadError> {
        let wrap = |error: io::Error| match error.kind() {
            ErrorKind::NotFound => OpenReadError::FileDoesNotExist(name.to_owned()),
            _ => OpenReadError::wrap_io_error(error, name.to_owned()),
        };
        let file = File::open(self.path(name)).map_err(wrap)?;
        SealedFile::open(file, &self.0.key, text(name).map_err(wrap)?).map_err(wrap)
    }

    fn create(&self, name: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(self.path(name))
    }

    /// Writes `content` under `name` into a file beside it, and gives that file's name.
    fn write_beside(&self, name: &Path, content: &[u8], sync: bool) -> io::Result<PathBuf> {
        let beside = name.with_extension("new");
        let mut options = OpenOptions::new();
        let file =
            options.write(true).create(true).truncate(true).mode(FILE_MODE).open(self.path(&beside))?;
        let mut writer = SealingWriter::begin(file, &self.0.key, text(name)?)?;
        writer.write_all(content)?;
        let file = writer.finish()?;
        if sync {
            file.sync_all()?;
        }
        Ok(beside)
    }
}

impl Directory for SealedFolder {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let file = self.open_sealed(path)?;
        let number = self.0.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(OpenFile { folder: self.clone(), file, number }))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        std::fs::remove_file(self.path(path)).map_err(|error| match error.kind() {
            ErrorKind::NotFound => DeleteError::FileDoesNotExist(path.to_owned()),
            _ => DeleteError::IoError { io_error: Arc::new(error), filepath: path.to_owned() },
        })
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        let exists = self.path(path).try_exists();
        exists.map_err(|error| OpenReadError::wrap_io_error(error, path.to_owned()))
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let wrap = |error: io::Error| match error.kind() {
            ErrorKind::AlreadyExists => OpenWriteError::FileAlreadyExists(path.to_owned()),
            _ => OpenWriteError::wrap_io_error(error, path.to_owned()),
        };
        let file = self.create(path).map_err(wrap)?;
        let name = text(path).map_err(wrap)?;
        let writer = SealingWriter::begin(file, &self.0.key, name).map_err(wrap)?;
        Ok(BufWriter::new(Box::new(SegmentFile(writer))))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let file = self.open_sealed(path)?;
        let content = if file.length() > LONGEST_LIST { Err(refused()) } else { file.read() };
        content.map_err(|error| OpenReadError::wrap_io_error(error, path.to_owned()))
    }

    fn atomic_write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        // The list of files to clean up is written for every new file, and only cleaning needs it.
        let matters = path != Path::new(CLEANING_LIST);
        let beside = self.write_beside(path, content, matters)?;
        std::fs::rename(self.path(&beside), self.path(path))?;
        if matters { self.sync_directory() } else { Ok(()) }
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.0.path)?.sync_all()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(FILE_MODE);
        let file = options.open(self.path(&lock.filepath)).map_err(LockError::wrap_io_error)?;
        let end = Instant::now() + LONGEST_WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(DirectoryLock::from(Box::new(file))),
                Err(TryLockError::Error(error)) => return Err(LockError::wrap_io_error(error)),
                Err(TryLockError::WouldBlock) if lock.is_blocking && Instant::now() < end => {
                    thread::sleep(BETWEEN_TRIES);
                }
                Err(TryLockError::WouldBlock) => return Err(LockError::LockBusy),
            }
        }
    }

    /// Nobody watches: the writer of an index tells its readers.
    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}

impl fmt::Debug for SealedFolder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SealedFolder(..)")
    }
}

/// tantivy's names are ASCII.
fn text(name: &Path) -> io::Result<&str> {
    name.to_str().ok_or_else(|| io::Error::from(ErrorKind::InvalidFilename))
}

/// A new file of a segment.
struct SegmentFile(SealingWriter);

impl Write for SegmentFile {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl TerminatingWrite for SegmentFile {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.0.finish()?.sync_data()
    }
}

/// A file of a segment, open for reading: it stays readable when it is removed.
struct OpenFile {
    folder: SealedFolder,
    file: SealedFile,
    number: u64,
}

impl OpenFile {
    fn chunk(&self, index: usize) -> io::Result<Chunk> {
        let cache = &self.folder.0.cache;
        if let Some(chunk) = cache.get((self.number, index)) {
            return Ok(chunk);
        }
        let chunk: Chunk = Arc::from(self.file.chunk(index)?.as_slice());
        cache.keep((self.number, index), chunk.clone());
        Ok(chunk)
    }

    /// Chunks one after the other into one piece. A long one is part of a merge: it would drive
    /// everything else out of the cache and never be asked for again.
    fn gather(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        let mut gathered = Vec::with_capacity(range.len());
        for index in range.start / CHUNK..range.end.div_ceil(CHUNK) {
            let part = |length| within(&range, index, length);
            if range.len() > LONGEST_CACHED {
                let chunk = self.file.chunk(index)?;
                gathered.extend_from_slice(&chunk[part(chunk.len())]);
            } else {
                let chunk = self.chunk(index)?;
                gathered.extend_from_slice(&chunk[part(chunk.len())]);
            }
        }
        Ok(OwnedBytes::new(gathered))
    }
}

/// The part of `range` that lies in the chunk `index` of `length` octets.
fn within(range: &Range<usize>, index: usize, length: usize) -> Range<usize> {
    let start = index * CHUNK;
    range.start.max(start) - start..range.end.min(start + length) - start
}

impl FileHandle for OpenFile {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        if range.start > range.end || range.end > self.file.length() {
            return Err(refused());
        }
        if range.is_empty() {
            return Ok(OwnedBytes::empty());
        }
        let index = range.start / CHUNK;
        if index == (range.end - 1) / CHUNK {
            let chunk = self.chunk(index)?;
            let part = within(&range, index, chunk.len());
            return Ok(OwnedBytes::new(chunk).slice(part));
        }
        self.gather(range)
    }
}

impl HasLen for OpenFile {
    fn len(&self) -> usize {
        self.file.length()
    }
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("OpenFile(..)")
    }
}

/// 32 MiB of chunks for an open index: measured in `docs/decisions/0015-search-index.md`.
const CACHED: NonZeroUsize = NonZeroUsize::new(32 * 1024 * 1024 / CHUNK).expect("more than none");
/// Octets of the longest read that passes through the cache.
const LONGEST_CACHED: usize = 4 * 1024 * 1024;
/// Octets of the longest list of segments or files that is read.
const LONGEST_LIST: usize = 16 * 1024 * 1024;
/// tantivy's list of the files it has made.
const CLEANING_LIST: &str = ".managed.json";
/// How long a lock that is held for moments is waited for: as long as tantivy waits.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use tantivy::directory::{INDEX_WRITER_LOCK, META_LOCK};

    use super::*;

    fn folder() -> (tempfile::TempDir, SealedFolder) {
        let place = tempfile::tempdir().expect("a temporary folder");
        let folder = SealedFolder::open(&place.path().join("a/b"), IndexKey::generate()).expect("opens");
        (place, folder)
    }

    fn write(folder: &SealedFolder, name: &str, content: &[u8]) {
        let mut writer = folder.open_write(Path::new(name)).expect("opens");
        writer.write_all(content).expect("writes");
        writer.terminate().expect("terminates");
    }

    #[test]
    fn any_range_is_read() {
        let (_place, folder) = folder();
        let content: Vec<u8> = (0..5 * CHUNK + 9).map(|at| (at % 241) as u8).collect();
        write(&folder, "a.idx", &content);
        let file = folder.get_file_handle(Path::new("a.idx")).unwrap();
        assert_eq!(file.len(), content.len());
        let edges = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, content.len() - 1, content.len()];
        for from in edges {
            for to in edges.into_iter().filter(|to| *to >= from) {
                assert_eq!(file.read_bytes(from..to).unwrap().as_slice(), &content[from..to], "{from}..{to}");
            }
        }
        assert!(file.read_bytes(0..content.len() + 1).is_err());
    }

    #[test]
    fn a_long_read_passes_the_cache_by() {
        let (_place, folder) = folder();
        let content = vec![3; LONGEST_CACHED + CHUNK + 5];
        write(&folder, "a.idx", &content);
        let file = folder.get_file_handle(Path::new("a.idx")).unwrap();
        assert_eq!(file.read_bytes(1..content.len()).unwrap().as_slice(), &content[1..]);
        assert!(folder.0.cache.get((0, 0)).is_none());
    }

    #[test]
    fn a_removed_file_stays_readable_and_its_name_starts_anew() {
        let (_place, folder) = folder();
        let name = Path::new("a.del");
        write(&folder, "a.del", b"old");
        let old = folder.get_file_handle(name).unwrap();
        assert!(matches!(folder.open_write(name), Err(OpenWriteError::FileAlreadyExists(_))));
        folder.delete(name).unwrap();
        assert!(matches!(folder.delete(name), Err(DeleteError::FileDoesNotExist(_))));
        assert!(matches!(folder.get_file_handle(name), Err(OpenReadError::FileDoesNotExist(_))));
        write(&folder, "a.del", b"new");
        let new = folder.get_file_handle(name).unwrap();
        assert_eq!(old.read_bytes(0..3).unwrap().as_slice(), b"old");
        assert_eq!(new.read_bytes(0..3).unwrap().as_slice(), b"new");
    }

    #[test]
    fn lists_are_replaced_and_leave_nothing_behind() {
        let (_place, folder) = folder();
        for name in ["meta.json", ".managed.json"] {
            folder.atomic_write(Path::new(name), b"one").unwrap();
            folder.atomic_write(Path::new(name), b"two").unwrap();
            assert_eq!(folder.atomic_read(Path::new(name)).unwrap(), b"two");
        }
        assert_eq!(std::fs::read_dir(&folder.0.path).unwrap().count(), 2);
    }

    #[test]
    fn a_lock_is_held_by_one_and_left_by_the_dead() {
        let (_place, folder) = folder();
        assert!(folder.is_empty().unwrap());
        let held = folder.acquire_lock(&INDEX_WRITER_LOCK).unwrap();
        assert!(matches!(folder.acquire_lock(&INDEX_WRITER_LOCK), Err(LockError::LockBusy)));
        let _other = folder.acquire_lock(&META_LOCK).unwrap();
        drop(held);
        // The file is still there, as after a crash, and keeps nobody out.
        assert!(folder.acquire_lock(&INDEX_WRITER_LOCK).is_ok());
        assert!(folder.is_empty().unwrap());
    }
}
