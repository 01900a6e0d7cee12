//! Containers and other whole objects, each written once under a name that is never reused.
//!
//! Local files by `object_store`: a put writes beside the final name, syncs, renames and syncs the
//! folder. The 1024 folders of the containers are made when the store is opened: a folder made
//! during a put is durable only for the put that made it, not for another that found it there.
//! Deletions are never synced; what a power cut brings back is swept. Nothing is retried here.
//!
//! A blob is not checked against anything: whoever refers to it keeps its SHA-256 and its seals.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, path::Path as ObjectPath};

use super::layout::{create_folder, sync_folder};
use crate::clock::Timestamp;
use crate::names::{ContainerName, EpochId, Reader, TenantId};

/// The blobs of one data folder. Clones share it.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    folder: PathBuf,
}

impl Blobs {
    /// Opens the blobs in `folder`, which exists; blocks while it makes and syncs what is missing.
    pub fn open(folder: &Path) -> Result<Self, BlobError> {
        let messages = folder.join(MESSAGES);
        create_folder(&messages)?;
        for shard in shards() {
            make_shard(&messages.join(shard))?;
        }
        sync_folder(&messages)?;
        create_folder(&folder.join(EPOCHS))?;
        create_folder(&folder.join(RECOVERY))?;
        sync_folder(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self { store: Arc::new(store), folder: folder.to_owned() })
    }

    /// Makes the folder for a reader's epoch seeds, durably; blocks.
    pub fn make_room(&self, reader: Reader) -> Result<(), BlobError> {
        let folder = self.folder.join(EPOCHS);
        make_shard(&folder.join(reader_name(reader)))?;
        Ok(sync_folder(&folder)?)
    }

    /// Removes a reader's epoch seeds, with their folder; blocks. What is gone already is no error.
    pub fn remove_seeds(&self, reader: Reader) -> Result<(), BlobError> {
        match std::fs::remove_dir_all(self.folder.join(EPOCHS).join(reader_name(reader))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Writes a blob. It is durable, and visible under its name only whole, when this returns `Ok`;
    /// a future that is dropped may still write it.
    pub async fn put(&self, name: &BlobName, bytes: Bytes) -> Result<(), BlobError> {
        self.store.put(&name.0, PutPayload::from_bytes(bytes)).await?;
        Ok(())
    }

    /// Puts the blob `from`, of at most `limit` bytes, under another name as well, as durably as
    /// [`Blobs::put`] does. On a disk of this machine both are one file, which counts as written now: a
    /// sweep must not take the new name for old.
    pub async fn copy(&self, from: &BlobName, to: &BlobName, limit: u64) -> Result<(), BlobError> {
        let file = self.folder.join(from.0.as_ref());
        let touch = move || std::fs::File::open(file)?.set_modified(SystemTime::now());
        tokio::task::spawn_blocking(touch).await.map_err(io::Error::other)??;
        match self.store.copy(&from.0, &to.0).await.map_err(BlobError::from) {
            Err(BlobError::Io(_)) => {}
            done => return done,
        }
        // File systems without links, or a file that has as many as it can.
        let bytes = self.get(from, limit).await?;
        self.put(to, bytes).await
    }

    /// A whole blob of at most `limit` bytes.
    pub async fn get(&self, name: &BlobName, limit: u64) -> Result<Bytes, BlobError> {
        let found = self.store.get(&name.0).await?;
        match found.meta.size > limit {
            true => Err(BlobError::TooLarge { size: found.meta.size }),
            false => Ok(found.bytes().await?),
        }
    }

    /// The bytes in `range` of a blob, all of them. The caller bounds the range.
    pub async fn get_range(&self, name: &BlobName, range: Range<u64>) -> Result<Bytes, BlobError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let wanted = range.end - range.start;
        // `get_ranges` opens and reads in one hop to the blocking threads; `get_range` takes two.
        let mut found = self.store.get_ranges(&name.0, &[range]).await.map_err(short_or_other)?;
        match found.pop() {
            Some(bytes) if bytes.len() as u64 == wanted => Ok(bytes),
            _ => Err(BlobError::Short),
        }
    }

    /// A whole blob of at most `limit` bytes. Blocks: for small ones, and for threads that may wait.
    pub fn read(&self, name: &BlobName, limit: u64) -> Result<Bytes, BlobError> {
        let blob = self.open_blob(name)?;
        let size = blob.0.metadata()?.len();
        match size > limit {
            true => Err(BlobError::TooLarge { size }),
            false => Ok(blob.read(0..size)?),
        }
    }

    /// A blob that is kept open, to be read by ranges. What is deleted meanwhile stays readable here. Blocks.
    pub fn open_blob(&self, name: &BlobName) -> Result<OpenBlob, BlobError> {
        match File::open(self.folder.join(name.0.as_ref())) {
            Ok(file) => Ok(OpenBlob(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BlobError::NotFound),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes a blob; a missing one is no error. Not synced.
    pub async fn delete(&self, name: &BlobName) -> Result<(), BlobError> {
        match self.store.delete(&name.0).await.map_err(BlobError::from) {
            Err(BlobError::NotFound) => Ok(()),
            other => other,
        }
    }

    /// The containers of one shard, in no order. Bounded memory, however many there are.
    pub fn list(&self, shard: &str) -> BoxStream<'static, Result<Found, BlobError>> {
        let prefix = ObjectPath::from_iter([MESSAGES, shard]);
        let found = self.store.list(Some(&prefix)).map_ok(|meta| Found {
            written: Timestamp::from_unix(meta.last_modified.timestamp()),
            size: meta.size,
            name: BlobName(meta.location),
        });
        found.map_err(BlobError::from).boxed()
    }

    /// Removes what interrupted puts before `written_before` left in one shard, which
    /// [`Blobs::list`] does not show, and says how many there were. What is `held` is still being written.
    pub async fn remove_unfinished(
        &self,
        shard: &str,
        written_before: Timestamp,
        held: impl Fn(&BlobName) -> bool + Send + 'static,
    ) -> Result<usize, BlobError> {
        let folder = self.folder.join(MESSAGES).join(shard);
        let is_held = move |name: &str| name.parse().is_ok_and(|name| held(&BlobName::of_container(name)));
        let removal =
            tokio::task::spawn_blocking(move || remove_unfinished(&folder, written_before, is_held));
        Ok(removal.await.map_err(io::Error::other)??)
    }

    /// The readers that have a folder for seeds, by their identifiers. Blocks.
    pub fn seed_folders(&self) -> Result<Vec<[u8; 16]>, BlobError> {
        let mut readers = Vec::new();
        for entry in std::fs::read_dir(self.folder.join(EPOCHS))? {
            let name = entry?.file_name();
            // Views' identifiers are written as tenants' are.
            let reader = name.to_str().and_then(|name| name.parse::<TenantId>().ok());
            readers.extend(reader.map(|reader| *reader.as_bytes()));
        }
        Ok(readers)
    }

    /// The epochs whose seeds are in a reader's folder, after what interrupted puts before `written_before` left
    /// there was removed. Blocks. None if the folder is gone.
    pub fn seeds(&self, reader: [u8; 16], written_before: Timestamp) -> Result<Vec<EpochId>, BlobError> {
        let folder = self.folder.join(EPOCHS).join(TenantId::from_bytes(reader).to_string());
        let read = || {
            remove_unfinished(&folder, written_before, |_| false)?;
            std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()
        };
        let names = match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            names => names?,
        };
        let epoch = |name: &std::ffi::OsString| name.to_str()?.strip_suffix(".age")?.parse().ok();
        Ok(names.iter().filter_map(epoch).collect())
    }
}

/// A blob that is read by ranges.
pub struct OpenBlob(File);

impl OpenBlob {
    /// The octets in `range`, all of them. Blocks.
    pub fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
        let mut octets = vec![0; length];
        self.0.read_exact_at(&mut octets, range.start)?;
        Ok(octets.into())
    }
}

/// The name of a blob.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobName(ObjectPath);

impl BlobName {
    /// The name under which a container is stored: `messages/<2 letters>/<container name>`.
    pub fn of_container(container: ContainerName) -> Self {
        let name = container.to_string();
        Self(ObjectPath::from_iter([MESSAGES, &name[..2], &name]))
    }

    /// The name of an epoch's sealed seed: `epochs/<reader>/<epoch>.age`. Its folder is made by
    /// [`Blobs::make_room`] before the first one is put.
    pub fn of_seed(reader: Reader, epoch: EpochId) -> Self {
        Self(ObjectPath::from_iter([EPOCHS, &reader_name(reader), &format!("{epoch}.age")]))
    }

    /// The name of the file that a tenant's recovery code opens: `recovery/<tenant>.age`.
    pub fn of_recovery(tenant: TenantId) -> Self {
        Self(ObjectPath::from_iter([RECOVERY, &format!("{tenant}.age")]))
    }

    /// The name of the file that the `place`th escrow recipient of a tenant opens:
    /// `recovery/<tenant>.escrow-<place>.age`.
    pub fn of_escrow(tenant: TenantId, place: usize) -> Self {
        Self(ObjectPath::from_iter([RECOVERY, &format!("{tenant}.escrow-{place}.age")]))
    }

    /// The container stored under this name, if the name is one of a container.
    pub fn container(&self) -> Option<ContainerName> {
        let container = self.0.filename()?.parse().ok()?;
        (Self::of_container(container) == *self).then_some(container)
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl fmt::Debug for BlobName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "BlobName({})", self.0)
    }
}

/// A blob in a listing.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its name.
    pub name: BlobName,
    /// Its length in bytes.
    pub size: u64,
    /// When it was written, by the file system's clock.
    pub written: Timestamp,
}

/// Why a blob was not written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// There is no such blob.
    #[error("there is no such blob")]
    NotFound,
    /// No room; nothing is visible under the name.
    #[error("the disk is full")]
    Full,
    /// The blob ends before the range that was asked for: it is damaged, or not the one meant.
    #[error("the blob is shorter than it should be")]
    Short,
    /// The blob is larger than its reader allows.
    #[error("the blob has {size} bytes, more than its reader allows")]
    TooLarge {
        /// Its length in bytes.
        size: u64,
    },
    /// The operating system or the object server refused.
    #[error("blobs cannot be read or written: {0}")]
    Io(#[source] io::Error),
}

impl From<io::Error> for BlobError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error),
        }
    }
}

impl From<object_store::Error> for BlobError {
    fn from(error: object_store::Error) -> Self {
        if let object_store::Error::NotFound { .. } = error {
            return Self::NotFound;
        }
        match io_kind(&error) {
            Some(kind) => io::Error::new(kind, error).into(),
            None => Self::Io(io::Error::other(error)),
        }
    }
}

/// object_store wraps the operating system's error in errors of its own; this digs it out.
fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source())
        .find_map(|error| error.downcast_ref::<io::Error>().map(io::Error::kind))
}

/// A range that starts beyond the end is refused with an error of its own, without a kind.
fn short_or_other(error: object_store::Error) -> BlobError {
    match BlobError::from(error) {
        BlobError::Io(error) if error.kind() == io::ErrorKind::Other => BlobError::Short,
        other => other,
    }
}

/// The folders that containers are spread over: the first two letters of their names.
pub(super) fn shards() -> impl Iterator<Item = String> {
    let letters = || BASE32.chars();
    letters().flat_map(move |first| letters().map(move |second| String::from_iter([first, second])))
}

fn make_shard(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn remove_unfinished(
    folder: &Path,
    written_before: Timestamp,
    is_held: impl Fn(&str) -> bool,
) -> io::Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // object_store writes `name#1` and renames it to `name`; no name of ours has a `#`.
        let name = entry.file_name();
        let Some((name, _)) = name.to_str().and_then(|name| name.split_once('#')) else { continue };
        let remove = || {
            let old = modified(&entry)? < written_before;
            if old {
                std::fs::remove_file(entry.path())?;
            }
            Ok::<_, io::Error>(old)
        };
        match if is_held(name) { Ok(false) } else { remove() } {
            Ok(gone) => removed += usize::from(gone),
            // It was finished meanwhile, and has its name.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}

fn modified(entry: &std::fs::DirEntry) -> io::Result<Timestamp> {
    let since = entry.metadata()?.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(Timestamp::from_unix(since.as_secs() as i64))
}

/// The tenant's or the view's identifier; both are random, so they never meet.
fn reader_name(reader: Reader) -> String {
    match reader {
        Reader::Owner(tenant) => tenant.to_string(),
        Reader::View(view) => view.to_string(),
    }
}

const MESSAGES: &str = "messages";
const EPOCHS: &str = "epochs";
const RECOVERY: &str = "recovery";
/// RFC 4648 §6 in lower case, as identifiers print.
const BASE32: &str = "abcdefghijklmnopqrstuvwxyz234567";

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> (tempfile::TempDir, Blobs) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let blobs = Blobs::open(folder.path()).expect("opens");
        (folder, blobs)
    }

    fn name() -> BlobName {
        BlobName::of_container(ContainerName::random())
    }

    #[tokio::test]
    async fn a_blob_comes_back_whole_and_by_range() {
        let (_folder, blobs) = open();
        let name = name();
        blobs.put(&name, Bytes::from_static(b"0123456789")).await.unwrap();
        assert_eq!(blobs.get(&name, 10).await.unwrap(), "0123456789");
        assert_eq!(blobs.get_range(&name, 2..5).await.unwrap(), "234");
        assert_eq!(blobs.get_range(&name, 5..5).await.unwrap(), "");
        assert!(matches!(blobs.get(&name, 9).await, Err(BlobError::TooLarge { size: 10 })));
    }

    #[tokio::test]
    async fn a_range_beyond_the_end_is_short() {
        let (_folder, blobs) = open();
        let name = name();
        blobs.put(&name, Bytes::from_static(b"0123456789")).await.unwrap();
        for range in [5..11, 10..11, 400..500] {
            assert!(matches!(blobs.get_range(&name, range).await, Err(BlobError::Short)));
        }
    }

    #[tokio::test]
    async fn a_missing_blob_is_not_found_and_may_be_deleted() {
        let (_folder, blobs) = open();
        assert!(matches!(blobs.get(&name(), 1).await, Err(BlobError::NotFound)));
        assert!(matches!(blobs.get_range(&name(), 0..1).await, Err(BlobError::NotFound)));
        blobs.delete(&name()).await.unwrap();
    }

    #[tokio::test]
    async fn a_deleted_blob_is_gone() {
        let (_folder, blobs) = open();
        let name = name();
        blobs.put(&name, Bytes::from_static(b"x")).await.unwrap();
        blobs.delete(&name).await.unwrap();
        assert!(matches!(blobs.get(&name, 1).await, Err(BlobError::NotFound)));
    }

    #[tokio::test]
    async fn a_shard_lists_its_containers() {
        let (_folder, blobs) = open();
        let container = ContainerName::from_bytes([0; 16]);
        let name = BlobName::of_container(container);
        blobs.put(&name, Bytes::from_static(b"xyz")).await.unwrap();
        let found: Vec<_> = blobs.list("aa").try_collect().await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.clone(), found[0].size), (name, 3));
        assert_eq!(found[0].name.container(), Some(container));
        assert!(blobs.list("ab").next().await.is_none());
    }

    #[tokio::test]
    async fn a_copy_stays_when_the_other_goes_and_is_new() {
        let (folder, blobs) = open();
        let (one, other) = (name(), name());
        blobs.put(&one, Bytes::from_static(b"sealed")).await.unwrap();
        let path = folder.path().join(one.0.as_ref());
        let long_ago = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        std::fs::File::open(path).unwrap().set_modified(long_ago).unwrap();
        blobs.copy(&one, &other, 6).await.unwrap();
        blobs.delete(&one).await.unwrap();
        assert_eq!(blobs.get(&other, 6).await.unwrap(), "sealed");
        let shard = other.0.to_string()["messages/".len()..][..2].to_owned();
        let found: Vec<_> = blobs.list(&shard).try_collect().await.unwrap();
        assert!(found[0].written.unix() > 1_700_000_000, "a sweep takes it for new");
        assert!(matches!(blobs.copy(&one, &name(), 6).await, Err(BlobError::NotFound)));
    }

    #[test]
    fn names_are_spread_over_the_shards_that_exist() {
        let shards: std::collections::HashSet<_> = shards().collect();
        assert_eq!(shards.len(), 1024);
        for _ in 0..100 {
            let container = ContainerName::random();
            assert!(shards.contains(&container.to_string()[..2]));
            assert_eq!(BlobName::of_container(container).container(), Some(container));
        }
        assert_eq!(BlobName(ObjectPath::from("messages/zz/notes.txt")).container(), None);
    }

    #[test]
    fn the_errors_of_the_system_keep_their_kind() {
        let wrapped = object_store::Error::Generic {
            store: "test",
            source: Box::new(io::Error::from(io::ErrorKind::StorageFull)),
        };
        assert!(matches!(BlobError::from(wrapped), BlobError::Full));
    }
}
