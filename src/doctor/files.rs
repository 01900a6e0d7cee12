//! Folders and secret files: there, reachable for the server, closed to others, and with room on the disk.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{Case, Finding};
use crate::config::{Endpoint, Tls};
use crate::init::ROOT_KEY;

/// Data and key folder. The server writes in the first; in the second it only reads, so that root may
/// own it where the server's group may enter.
pub(super) fn folders(case: &Case<'_>) -> Vec<Finding> {
    let folders =
        [("data", &case.config.data_dir, READ | WRITE | ENTER), ("keys", &case.config.key_dir, ENTER)];
    folders.into_iter().map(|(check, path, wanted)| folder(case, check, path, wanted)).collect()
}

fn folder(case: &Case<'_>, check: &'static str, path: &Path, wanted: u32) -> Finding {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            reach(case, check, path, &found, Kept { wanted, group: READ | ENTER, whole: true })
        }
        Ok(_) => Finding::fail(
            check,
            format!("{} is no folder", path.display()),
            "correct the path in the configuration",
        ),
        Err(error) => unreadable(case, check, path, &error),
    }
}

/// The root key, which the server takes from nobody but its own user, and the certificate's key.
pub(super) fn secret_files(case: &Case<'_>) -> Vec<Finding> {
    let root = ("root-key", case.config.key_dir.join(ROOT_KEY), Kept { wanted: READ, group: 0, whole: true });
    let mut files = vec![root];
    if let Tls::Files { key, .. } = &case.config.tls {
        files.push(("tls-key", key.clone(), Kept { wanted: READ, group: READ, whole: false }));
    }
    let look = |(check, path, kept): (&'static str, PathBuf, Kept)| match std::fs::metadata(&path) {
        Ok(found) if found.is_file() => reach(case, check, &path, &found, kept),
        Ok(_) => Finding::fail(check, format!("{} is no file", path.display()), "put the key's file there"),
        Err(error) => unreadable(case, check, &path, &error),
    };
    files.into_iter().map(look).collect()
}

/// Places where the server makes files: sockets, checkpoints, certificates by ACME. In order, they are
/// not mentioned.
pub(super) fn written(case: &Case<'_>) -> Vec<Finding> {
    let config = case.config;
    let mut places: Vec<(&'static str, &Path)> = vec![("admin-socket", &config.admin_socket)];
    places.extend(config.audit.checkpoint_file.as_deref().map(|path| ("checkpoints", path)));
    let lmtp = config.lmtp.listen.iter().filter_map(|at| match at {
        Endpoint::Unix(path) => Some(("lmtp-socket", path.as_path())),
        Endpoint::Tcp(_) => None,
    });
    places.extend(lmtp);
    let mut findings: Vec<_> =
        places.into_iter().filter_map(|(check, path)| place(case, check, path)).collect();
    if let Tls::Acme(acme) = &config.tls {
        let found = folder(case, "acme", &acme.cache_dir, READ | WRITE | ENTER);
        findings.extend((found.state != super::State::Ok).then_some(found));
    }
    findings.extend(admin_socket(case));
    findings
}

/// The folder of a file that the server makes. systemd makes those below /run as the server starts.
fn place(case: &Case<'_>, check: &'static str, path: &Path) -> Option<Finding> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    let told = match std::fs::metadata(folder) {
        Ok(found) if case.account.may(&found, WRITE | ENTER) => return None,
        Ok(_) => format!("{} makes {} and may not write in its folder", case.account.name, path.display()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return None,
        // The data folder is looked at by itself.
        Err(_) if folder == case.config.data_dir || folder.starts_with("/run") => return None,
        Err(error) => format!("{}: {error}, and the server makes {} there", folder.display(), path.display()),
    };
    let remedy = format!("install -d -o {} -m 0750 '{}'", case.account.name, folder.display());
    Some(Finding::fail(check, told, remedy))
}

/// Whoever can reach the socket administers the server.
fn admin_socket(case: &Case<'_>) -> Option<Finding> {
    let path = &case.config.admin_socket;
    let found = std::fs::symlink_metadata(path).ok()?;
    let open = found.file_type().is_socket() && found.mode() & 0o077 != 0;
    open.then(|| {
        let what = format!(
            "{} has mode {:04o}: others reach the server's administration",
            path.display(),
            found.mode() & 0o7777
        );
        Finding::fail("admin-socket", what, format!("chmod 600 '{}'", path.display()))
    })
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

/// What is not there, or not for us to look at. Only what is gone is restored.
fn unreadable(case: &Case<'_>, check: &'static str, path: &Path, error: &std::io::Error) -> Finding {
    let what = format!("{}: {error}", path.display());
    match error.kind() {
        ErrorKind::NotFound if case.has_data() => {
            Finding::fail(check, what, "restore it from its backup; the data folder stays as it is")
        }
        ErrorKind::NotFound => Finding::fail(
            check,
            what,
            format!(
                "restore it from its backup; for a new server, move {} away and run `veilpost init`",
                case.file.display()
            ),
        ),
        _ => Finding::warn(
            check,
            format!("{what}: whether it is in order cannot be seen as this user"),
            format!(
                "run this as root or as the server's user: sudo -u {} veilpost doctor",
                case.account.name
            ),
        ),
    }
}

/// What is asked of a file or folder.
struct Kept {
    /// What the server needs.
    wanted: u32,
    /// What the group may have.
    group: u32,
    /// Whether the server wants it for its own user, or root's where that is enough.
    whole: bool,
}

/// Owner and mode of something that exists.
fn reach(case: &Case<'_>, check: &'static str, path: &Path, found: &Metadata, kept: Kept) -> Finding {
    let (mode, name, account) = (found.mode() & 0o7777, path.display(), case.account);
    let folder = found.is_dir();
    let strict = !folder && kept.whole;
    let foreign = found.uid() != account.uid && (strict || found.uid() != 0);
    if foreign || (found.uid() != account.uid && !account.may(found, kept.wanted)) {
        let what = format!("{name} belongs to {}, and the server runs as {}", owner(found), account.name);
        return Finding::fail(check, what, chown(account, path, folder && kept.wanted & WRITE != 0));
    }
    let (group, others) = (mode >> 3 & 0o7, mode & 0o7);
    if others != 0 || group & !kept.group != 0 {
        let whom = if others != 0 { "everybody" } else { "its group" };
        let shut = if found.uid() == account.uid { if folder { 0o700 } else { 0o600 } } else { mode & 0o750 };
        return Finding::fail(
            check,
            format!("{name} has mode {mode:04o}, open to {whom}"),
            format!("chmod {shut:o} '{name}'"),
        );
    }
    if !account.may(found, kept.wanted) {
        let shut = if folder { 0o700 } else { 0o600 };
        let what = format!("{name} has mode {mode:04o}, which keeps the server out");
        return Finding::fail(check, what, format!("chmod {shut:o} '{name}'"));
    }
    Finding::ok(check, format!("{name} is closed to others"))
}

fn owner(found: &Metadata) -> String {
    if found.uid() == 0 { "root".to_owned() } else { format!("user {}", found.uid()) }
}

/// A folder that the server writes in changes hands with all that is in it.
fn chown(account: &super::Account, path: &Path, whole: bool) -> String {
    let flag = if whole { "-R " } else { "" };
    format!("chown {flag}{} '{}'", account.name, path.display())
}

/// The bits of a mode, for [`super::Account::may`].
const READ: u32 = 4;
const WRITE: u32 = 2;
const ENTER: u32 = 1;

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
        let remedy = |fresh: &Fresh| fresh.look(secret_files)[0].do_this.clone().expect("a remedy");
        assert!(remedy(&fresh).contains("backup") && remedy(&fresh).contains("init"), "{}", remedy(&fresh));
        std::fs::remove_file(&fresh.config.data_dir).expect("ours");
        std::fs::create_dir(&fresh.config.data_dir).expect("ours");
        std::fs::write(fresh.config.data_dir.join("ledger"), "mail").expect("ours");
        assert!(!remedy(&fresh).contains("init"), "no new key beside old data: {}", remedy(&fresh));
    }

    /// As after `sudo veilpost init`, with a unit that runs as somebody else; and as an administrator who
    /// lets root own the key folder.
    #[test]
    fn another_owner_is_told_with_chown_and_never_with_a_backup() {
        let mut fresh = Fresh::new();
        fresh.account = super::super::Account { uid: 4711, gid: 4712, name: "veilpost".to_owned() };
        for (finding, start) in [
            (fresh.look(folders).remove(0), "chown -R veilpost '"),
            (fresh.look(folders).remove(1), "chown veilpost '"),
            (fresh.look(secret_files).remove(0), "chown veilpost '"),
        ] {
            let remedy = finding.do_this.clone().unwrap_or_default();
            assert!(finding.state == State::Fail && remedy.starts_with(start), "{finding:?}");
            assert!(!remedy.contains("backup"), "{remedy}");
        }
        if fresh.me != 0 {
            return;
        }
        std::os::unix::fs::chown(&fresh.config.key_dir, Some(0), Some(4712)).expect("we are root");
        set_mode(&fresh.config.key_dir, 0o750);
        assert_eq!(fresh.look(folders)[1].state, State::Ok, "root's, and the server's group may enter");
        let key = fresh.config.key_dir.join(ROOT_KEY);
        std::os::unix::fs::chown(&key, Some(4711), None).expect("we are root");
        let tls = fresh.config.key_dir.join("tls-key.pem");
        std::os::unix::fs::chown(&tls, Some(0), Some(4712)).expect("we are root");
        set_mode(&tls, 0o640);
        assert_eq!(
            states(&fresh.look(secret_files)),
            [State::Ok, State::Ok],
            "{:?}",
            fresh.look(secret_files)
        );
    }

    #[test]
    fn places_of_sockets_and_checkpoints_must_take_them() {
        let mut fresh = Fresh::new();
        assert!(fresh.look(written).is_empty(), "{:?}", fresh.look(written));
        fresh.config.audit.checkpoint_file = Some(fresh.folder.path().join("absent/checkpoints"));
        let found = fresh.look(written).remove(0);
        assert!(
            found.check == "checkpoints" && found.do_this.expect("a remedy").starts_with("install -d -o ")
        );
        fresh.config.audit.checkpoint_file = None;
        let _admin = std::os::unix::net::UnixListener::bind(&fresh.config.admin_socket).expect("binds");
        set_mode(&fresh.config.admin_socket, 0o600);
        assert!(fresh.look(written).is_empty());
        set_mode(&fresh.config.admin_socket, 0o666);
        assert!(
            fresh.look(written)[0].do_this.as_ref().is_some_and(|remedy| remedy.starts_with("chmod 600 "))
        );
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
