//! The data folder: what lies where, who may read it, and that one server uses it at a time.
//!
//! ```text
//! <data>/format             what wrote this folder, and in which format; written before all else
//! <data>/lock               locked (flock) while a server runs, with its process number; the kernel unlocks it
//!                           after a crash
//! <data>/root.check         tells the root key that the rows are sealed under from every other
//! <data>/ledger             the ledger, one redb file
//! <data>/blobs/messages/aa/ containers, in 1024 folders by the first two letters of their name
//! ```
//!
//! Other modules keep their own files beside these. This one knows nothing of what is in them.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An open data folder. It is ours until this is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Held for its lock.
    _lock: File,
}

impl DataFolder {
    /// Opens the data folder at `path`, creating it durably if it does not exist or is empty.
    pub fn open(path: &Path) -> Result<Self, LayoutError> {
        create_folder(path)?;
        refuse_exposed(path)?;
        let lock = lock(path)?;
        match std::fs::read(path.join(FORMAT_FILE)) {
            Ok(found) => check_format(path, &found)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => start(path)?,
            Err(error) => return Err(error.into()),
        }
        if let Some(gone) = missing(path)? {
            return Err(LayoutError::Missing(gone));
        }
        create_folder(&path.join(BLOBS))?;
        sync_folder(path)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes the check value of the root key that this folder is sealed under, durably, if none is noted.
    pub fn note_root_check(&self, check: &str) -> io::Result<()> {
        if root_check(&self.path)?.is_some() {
            return Ok(());
        }
        let unfinished = self.path.join(format!("{ROOT_CHECK}.unfinished"));
        let mut file =
            File::options().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        writeln!(file, "{ROOT_CHECK_LINE}{check}")?;
        file.sync_all()?;
        std::fs::rename(&unfinished, self.path.join(ROOT_CHECK))?;
        sync_folder(&self.path)
    }

    /// Where the ledger is.
    pub fn ledger(&self) -> PathBuf {
        self.path.join(LEDGER)
    }

    /// Where the blobs are.
    pub fn blobs(&self) -> PathBuf {
        self.path.join(BLOBS)
    }
}

/// Why a folder cannot be used. The operator is at fault, or the disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// Another server has the folder open.
    #[error("{} is locked: another veilpost{by} uses this data folder; stop it first, or name another folder", path.display())]
    Locked {
        /// The lock.
        path: PathBuf,
        /// Its process in parentheses, with a space before, if the lock's file says it.
        by: String,
    },
    /// A newer version wrote the folder.
    #[error("{} has format {found}, and this version knows {FORMAT} at most; start a newer veilpost", path.display())]
    TooNew {
        /// The data folder.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// An older version wrote the folder, and this one cannot bring it up to date.
    #[error("{} has format {found}, and this version needs {FORMAT}; update by way of an older veilpost", path.display())]
    TooOld {
        /// The data folder.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The folder holds something, but nothing of ours.
    #[error("{} is not empty and not a veilpost data folder; name an empty or new folder", .0.display())]
    Foreign(PathBuf),
    /// Every user of the machine may enter the folder.
    #[error("{} is open to every user of this machine; run: chmod o= {}", .0.display(), .0.display())]
    Exposed(PathBuf),
    /// The operating system refused.
    #[error("the data folder cannot be used: {0}")]
    Io(#[from] io::Error),
    /// A part of a folder that was in use is gone.
    #[error("{} is gone, and the data folder was in use: put it back, or the whole folder from its backup; nothing was changed", .0.display())]
    Missing(PathBuf),
}

/// The check value of the root key that the data folder at `path` is sealed under, if one is noted.
/// Needs no lock, so a running server's folder may be asked.
pub fn root_check(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path.join(ROOT_CHECK)) {
        Ok(text) => Ok(text.trim_end().strip_prefix(ROOT_CHECK_LINE).map(str::to_owned)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is not there of a data folder that was in use: the check value is noted when ledger and blobs are
/// there. To begin anew beside the rest would refuse all mail, and look like a server in order.
pub fn missing(path: &Path) -> io::Result<Option<PathBuf>> {
    if root_check(path)?.is_none() {
        return Ok(None);
    }
    for part in [LEDGER, BLOBS].map(|part| path.join(part)) {
        if !part.try_exists()? {
            return Ok(Some(part));
        }
    }
    Ok(None)
}

/// Makes the entries of `folder` durable.
pub(in crate::store) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Creates `path` for its owner alone, durably in its parent; an existing folder is left as it is.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    // An existing one too: it may be from a start that was killed before this line.
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => sync_folder(Path::new(".")),
    }
}

/// A group may be let in on purpose (backups, containers), everybody never.
fn refuse_exposed(path: &Path) -> Result<(), LayoutError> {
    let mode = path.metadata()?.permissions().mode();
    if mode & 0o007 == 0 { Ok(()) } else { Err(LayoutError::Exposed(path.to_owned())) }
}

/// A process that was killed keeps its files open until the kernel has cleared it away, which takes a moment
/// when it had much in memory: so a start right after it waits for it.
fn lock(folder: &Path) -> Result<File, LayoutError> {
    let path = folder.join(LOCK_FILE);
    let mut file =
        File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
    let until = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOCK_ASK),
            Err(TryLockError::WouldBlock) => {
                return Err(LayoutError::Locked { by: holder(&mut file), path });
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    // For those who come later; a full disk keeps nobody from starting.
    let _ = file.set_len(0).and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
    Ok(file)
}

/// Who has the lock, in words; empty where the file does not say.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // What is unreadable says nothing.
    let _ = file.take(20).read_to_string(&mut text);
    text.trim().parse::<u32>().map_or_else(|_| String::new(), |process| format!(" (process {process})"))
}

fn check_format(path: &Path, found: &[u8]) -> Result<(), LayoutError> {
    let number = std::str::from_utf8(found).ok().and_then(|text| text.trim_end().strip_prefix(FORMAT_LINE));
    let found = number.and_then(|number| number.parse().ok());
    match found.ok_or_else(|| LayoutError::Foreign(path.to_owned()))? {
        FORMAT => Ok(()),
        found if found > FORMAT => Err(LayoutError::TooNew { path: path.to_owned(), found }),
        found => Err(LayoutError::TooOld { path: path.to_owned(), found }),
    }
}

/// Writes the format file of an empty folder, under another name first so that it is whole or absent.
fn start(folder: &Path) -> Result<(), LayoutError> {
    let unfinished = folder.join(UNFINISHED);
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        if name != LOCK_FILE && name != UNFINISHED {
            return Err(LayoutError::Foreign(folder.to_owned()));
        }
    }
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    writeln!(file, "{FORMAT_LINE}{FORMAT}")?;
    file.sync_all()?;
    std::fs::rename(&unfinished, folder.join(FORMAT_FILE))?;
    Ok(sync_folder(folder)?)
}

/// The format that this version reads and writes.
const FORMAT: u32 = 1;
const FORMAT_LINE: &str = "veilpost data folder, format ";
const FORMAT_FILE: &str = "format";
const UNFINISHED: &str = "format.unfinished";
const LOCK_FILE: &str = "lock";
/// How long a start waits for the lock, and how often it asks.
const LOCK_WAIT: Duration = Duration::from_secs(3);
const LOCK_ASK: Duration = Duration::from_millis(50);
const ROOT_CHECK: &str = "root.check";
const ROOT_CHECK_LINE: &str = "veilpost root key check, version 1: ";
const LEDGER: &str = "ledger";
const BLOBS: &str = "blobs";

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("data");
        (folder, path)
    }

    #[test]
    fn a_new_folder_is_for_its_owner_alone_and_opens_again() {
        let (_folder, path) = place();
        drop(DataFolder::open(&path).unwrap());
        let again = DataFolder::open(&path).unwrap();
        for inner in [again.path().to_owned(), again.blobs()] {
            assert_eq!(inner.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        }
        assert_eq!(again.ledger(), path.join("ledger"));
        assert_eq!(path.join("format").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn one_server_at_a_time() {
        let (_folder, path) = place();
        let first = DataFolder::open(&path).unwrap();
        let error = DataFolder::open(&path).unwrap_err();
        assert!(matches!(&error, LayoutError::Locked { path: lock, .. } if *lock == path.join("lock")));
        assert!(error.to_string().contains(&format!("(process {})", std::process::id())), "{error}");
        assert!(error.to_string().contains("stop it first"));
        drop(first);
        DataFolder::open(&path).unwrap();
    }

    #[test]
    fn other_formats_are_refused() {
        let (_folder, path) = place();
        drop(DataFolder::open(&path).unwrap());
        let format = |text: &str| {
            std::fs::write(path.join("format"), text).unwrap();
            DataFolder::open(&path).unwrap_err()
        };
        assert!(matches!(format("veilpost data folder, format 2\n"), LayoutError::TooNew { found: 2, .. }));
        assert!(matches!(format("veilpost data folder, format 0\n"), LayoutError::TooOld { found: 0, .. }));
        assert!(matches!(format("something else"), LayoutError::Foreign(_)));
        assert!(matches!(format(""), LayoutError::Foreign(_)));
    }

    #[test]
    fn a_folder_of_something_else_is_left_alone() {
        let (_folder, path) = place();
        create_folder(&path).unwrap();
        std::fs::write(path.join("letters.txt"), "dear").unwrap();
        assert!(matches!(DataFolder::open(&path), Err(LayoutError::Foreign(_))));
    }

    #[test]
    fn a_folder_that_lost_a_part_is_not_begun_anew() {
        for part in [LEDGER, BLOBS] {
            let (_folder, path) = place();
            let folder = DataFolder::open(&path).unwrap();
            std::fs::write(folder.ledger(), "rows").unwrap();
            drop(folder);
            let folder = DataFolder::open(&path).expect("before the first start has ended");
            folder.note_root_check("0123").unwrap();
            drop(folder);
            drop(DataFolder::open(&path).expect("it is whole"));
            std::fs::rename(path.join(part), path.join("elsewhere")).unwrap();
            let refused = DataFolder::open(&path);
            assert!(matches!(refused, Err(LayoutError::Missing(gone)) if gone == path.join(part)));
            assert!(!path.join(part).exists());
            std::fs::rename(path.join("elsewhere"), path.join(part)).unwrap();
            DataFolder::open(&path).expect("put back");
        }
    }

    #[test]
    fn the_root_keys_check_value_is_noted_once() {
        let (_folder, path) = place();
        let folder = DataFolder::open(&path).unwrap();
        assert_eq!(root_check(&path).unwrap(), None);
        folder.note_root_check("0123").unwrap();
        folder.note_root_check("4567").unwrap();
        assert_eq!(root_check(&path).unwrap().as_deref(), Some("0123"));
        assert_eq!(path.join("root.check").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_lost_format_file_does_not_start_a_new_folder() {
        let (_folder, path) = place();
        let folder = DataFolder::open(&path).unwrap();
        std::fs::write(folder.ledger(), "mail").unwrap();
        drop(folder);
        std::fs::remove_file(path.join("format")).unwrap();
        assert!(matches!(DataFolder::open(&path), Err(LayoutError::Foreign(_))));
    }

    #[test]
    fn an_unfinished_start_is_repeated() {
        let (_folder, path) = place();
        create_folder(&path).unwrap();
        std::fs::write(path.join("format.unfinished"), "veil").unwrap();
        DataFolder::open(&path).unwrap();
    }

    #[test]
    fn a_folder_open_to_everybody_is_refused() {
        let (_folder, path) = place();
        create_folder(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        assert!(matches!(DataFolder::open(&path), Err(LayoutError::Exposed(_))));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o750)).unwrap();
        DataFolder::open(&path).unwrap();
    }
}
