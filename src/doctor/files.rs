//! Folders and secret files: there, ours, closed to others, and with room on the disk.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Case, Finding};
use crate::config::Tls;
use crate::init::ROOT_KEY;

/// Data and key folder.
pub(super) fn folders(case: &Case<'_>) -> Vec<Finding> {
    let folders = [("data", &case.config.data_dir), ("keys", &case.config.key_dir)];
    let mut findings = Vec::new();
    for (check, path) in folders {
        findings.push(match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => closed(check, path, &found, 0o700),
            Ok(_) => Finding::fail(
                check,
                format!("{} is no folder", path.display()),
                "correct the path in the configuration",
            ),
            Err(error) => unreadable(check, path, &error),
        });
    }
    findings
}

/// The root key and the certificate's key.
pub(super) fn secret_files(case: &Case<'_>) -> Vec<Finding> {
    let mut files: Vec<(&'static str, PathBuf)> = vec![("root-key", case.config.key_dir.join(ROOT_KEY))];
    if let Tls::Files { key, .. } = &case.config.tls {
        files.push(("tls-key", key.clone()));
    }
    let look = |(check, path): (&'static str, PathBuf)| match std::fs::metadata(&path) {
        Ok(found) if found.is_file() => closed(check, &path, &found, 0o600),
        Ok(_) => Finding::fail(check, format!("{} is no file", path.display()), "put the key's file there"),
        Err(error) => unreadable(check, &path, &error),
    };
    files.into_iter().map(look).collect()
}

/// Free blocks and inodes where the data lies.
pub(super) fn room(case: &Case<'_>) -> Vec<Finding> {
    let path = &case.config.data_dir;
    let Ok(disk) = rustix::fs::statvfs(path) else { return Vec::new() };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    vec![space(free, case.config.smtp.max_message_size), inodes(disk.f_files, disk.f_favail)]
}

fn space(free: u64, largest_message: u64) -> Finding {
    let megabytes = format!("{} MB are free for data", free / 1_000_000);
    // Below that, a few large messages are enough to stop mail.
    let little = largest_message.saturating_mul(20);
    match free {
        _ if free < largest_message.saturating_mul(2) => {
            Finding::fail("space", megabytes, "make room, or move data_dir; mail is being deferred")
        }
        _ if free < little => Finding::warn("space", megabytes, "make room, or move data_dir"),
        _ => Finding::ok("space", megabytes),
    }
}

fn inodes(all: u64, free: u64) -> Finding {
    // Some file systems count none, and say 0 of 0.
    match all {
        0 => Finding::ok("inodes", "this file system has no limit of files"),
        _ if free < 10_000 => Finding::warn(
            "inodes",
            format!("{free} files fit in yet"),
            "use a file system with more inodes; each message is a file",
        ),
        _ => Finding::ok("inodes", format!("{free} files fit in yet")),
    }
}

fn unreadable(check: &'static str, path: &Path, error: &std::io::Error) -> Finding {
    let what = format!("{}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            Finding::fail(check, what, "restore it from its backup; for a new server, run `veilpost init`")
        }
        _ => Finding::fail(
            check,
            what,
            "run this as the server's user, as in `sudo -u veilpost veilpost doctor`",
        ),
    }
}

/// Owner and mode of something that exists; `at_most` are the mode's bits that may be set.
fn closed(check: &'static str, path: &Path, found: &Metadata, at_most: u32) -> Finding {
    let mode = found.mode() & 0o7777;
    let (name, owner, me) = (path.display(), found.uid(), rustix::process::geteuid().as_raw());
    if mode & !at_most != 0 {
        let others = if mode & 0o007 != 0 { "everybody" } else { "its group" };
        let what = format!("{name} has mode {mode:04o}, open to {others}");
        return Finding::fail(check, what, format!("chmod {at_most:o} '{name}'"));
    }
    if me != 0 && owner != me {
        return Finding::fail(
            check,
            format!("{name} belongs to another user"),
            format!("chown {me} '{name}'"),
        );
    }
    Finding::ok(check, format!("{name} is closed to others"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::State;
    use super::super::testing::Fresh;
    use super::*;

    fn states(findings: &[Finding]) -> Vec<State> {
        findings.iter().map(|finding| finding.state).collect()
    }

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
    }

    #[test]
    fn a_fresh_setup_is_closed() {
        let fresh = Fresh::new();
        assert_eq!(states(&fresh.look(folders)), [State::Ok, State::Ok]);
        assert_eq!(states(&fresh.look(secret_files)), [State::Ok, State::Ok]);
    }

    #[test]
    fn open_folders_and_keys_come_with_their_command() {
        let fresh = Fresh::new();
        set_mode(&fresh.config.key_dir, 0o755);
        set_mode(&fresh.config.key_dir.join(ROOT_KEY), 0o640);
        let findings = fresh.look(folders);
        assert_eq!(states(&findings), [State::Ok, State::Fail]);
        assert!(findings[1].do_this.as_ref().is_some_and(|remedy| remedy.starts_with("chmod 700 ")));
        let findings = fresh.look(secret_files);
        assert_eq!(states(&findings), [State::Fail, State::Ok]);
        assert!(findings[0].what.contains("its group"), "{}", findings[0].what);
        set_mode(&fresh.config.key_dir.join(ROOT_KEY), 0o400);
        assert_eq!(states(&fresh.look(secret_files)), [State::Ok, State::Ok]);
    }

    #[test]
    fn what_is_missing_fails() {
        let fresh = Fresh::new();
        std::fs::remove_file(fresh.config.key_dir.join(ROOT_KEY)).expect("ours");
        std::fs::remove_dir(&fresh.config.data_dir).expect("empty");
        std::fs::write(&fresh.config.data_dir, "a file").expect("writes");
        assert_eq!(states(&fresh.look(folders)), [State::Fail, State::Ok]);
        assert!(fresh.look(secret_files)[0].do_this.as_ref().is_some_and(|remedy| remedy.contains("backup")));
    }

    #[test]
    fn little_room_is_told_before_none() {
        let state = |free| space(free, 50_000_000).state;
        assert_eq!(
            (state(10_000_000_000), state(500_000_000), state(50_000_000)),
            (State::Ok, State::Warn, State::Fail)
        );
        assert_eq!((inodes(0, 0).state, inodes(1 << 20, 5).state), (State::Ok, State::Warn));
        assert_eq!(Fresh::new().look(room).len(), 2);
    }
}
