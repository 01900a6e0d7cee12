//! Files and folders that only their owner may read, written so that a power cut leaves the old or
//! the new content, never half of it. Refuses to know what is in them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Creates `path` with `content`, mode 0600, synced with its folder. Fails if anything is there already.
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let written = write_new(path, FILE_MODE, content);
    if written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::AlreadyExists) {
        // Half a file must not stand in the way of the next attempt.
        let _ = std::fs::remove_file(path);
    }
    written.and_then(|()| sync_folder_of(path))
}

/// Puts `content` in the place of whatever `path` held, mode 0600, synced with its folder.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = beside(path);
    let written = write_new(&fresh, FILE_MODE, content).and_then(|()| std::fs::rename(&fresh, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    written.and_then(|()| sync_folder_of(path))
}

/// Creates the folder `path`, mode 0700, synced with the one around it, which must exist.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(FOLDER_MODE).create(path)?;
    sync_folder_of(path)
}

fn write_new(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// A name in the same folder, so that a rename replaces atomically, that no earlier crash has left behind.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", crate::names::ContainerName::random()));
    path.with_file_name(name)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// The mode of private files.
pub const FILE_MODE: u32 = 0o600;
/// The mode of private folders.
pub const FOLDER_MODE: u32 = 0o700;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("exists").permissions().mode() & 0o7777
    }

    #[test]
    fn only_the_owner_may_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inner = folder.path().join("keys");
        create_folder(&inner).expect("creates");
        create(&inner.join("a"), b"1").expect("creates");
        replace(&inner.join("b"), b"2").expect("creates");
        assert_eq!((mode(&inner), mode(&inner.join("a")), mode(&inner.join("b"))), (0o700, 0o600, 0o600));
    }

    #[test]
    fn creating_never_overwrites_and_replacing_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a");
        create(&path, b"old").expect("creates");
        assert_eq!(create(&path, b"new").expect_err("exists").kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(create_folder(folder.path()).expect_err("exists").kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).expect("reads"), b"old");
        replace(&path, b"new").expect("replaces");
        assert_eq!(std::fs::read(&path).expect("reads"), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 1);
    }
}
