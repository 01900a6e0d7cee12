//! A file system whose power can be cut: a FUSE mount in memory that knows what was synced.
//!
//! Whatever runs in the mount, our own process or a whole server, sees an ordinary file system.
//! [`PowerCut::cut`] writes what a disk would hold if the power failed now into a fresh folder.
//! The model is what POSIX promises and no more, stricter than ext4:
//!
//! - bytes and length of a file survive from its last `fsync` or `fdatasync`;
//! - a name (created, renamed, removed) survives from the last `fsync` of its folder;
//!   syncing a file does not make its name durable;
//! - of what was not synced, [`Loss::All`] drops everything, and [`Loss::Some`] keeps a random part,
//!   in sectors of 512 bytes and single names, as a disk that reorders its writes would;
//! - modes and times are kept as they are.
//!
//! It can also run out of room, and fail syncs.

mod disk;
mod fuse;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use disk::Disk;
pub use disk::Loss;

/// A mounted file system. Dropping it unmounts; end the processes in it first.
pub struct PowerCut {
    disk: Arc<Mutex<Disk>>,
    // Unmounts before the folder below is removed.
    _session: fuser::BackgroundSession,
    folder: tempfile::TempDir,
}

impl PowerCut {
    /// Mounts an empty file system; `None`, with a line that says so, where there is no FUSE.
    pub fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let disk = Arc::new(Mutex::new(Disk::new()));
        let mut config = fuser::Config::default();
        config.mount_options = vec![fuser::MountOption::FSName("powercut".to_owned())];
        match fuser::spawn_mount(fuse::Mounted(Arc::clone(&disk)), folder.path(), &config) {
            Ok(session) => Some(Self { disk, _session: session, folder }),
            Err(error) => {
                let required = std::env::var("VEILPOST_TEST_REQUIRE").is_ok_and(|what| what == "all");
                assert!(!required, "FUSE is required and cannot be mounted: {error}");
                eprintln!("SKIPPED: the power-cut tests need FUSE (/dev/fuse, fusermount3): {error}");
                None
            }
        }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Cuts the power at this instant: writes what survives into the empty folder `into`. Whoever
    /// works in the mount notices nothing, so only what was acknowledged before the call counts.
    pub fn cut(&self, loss: Loss, into: &Path) {
        let survivors = self.disk().survivors(loss);
        survivors.write_to(into).expect("the survivors can be written");
    }

    /// Leaves room for this many bytes more; `None` is without end.
    pub fn leave_room(&self, bytes: Option<u64>) {
        self.disk().leave_room(bytes);
    }

    /// Lets every sync from now on fail, or succeed again.
    pub fn fail_syncs(&self, fail: bool) {
        self.disk().fail_syncs = fail;
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().expect("no file operation panics")
    }
}
