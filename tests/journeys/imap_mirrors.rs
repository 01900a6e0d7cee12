//! Another server as the copy: interimap between this one and Dovecot, and Dovecot's own `doveadm backup`, over
//! real sockets and TLS, set up as docs/clients.md has it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::imap::Imap;
use crate::imap_sync::{find, flagged, messages};
use crate::pop3::Pop3;
use crate::support::{Device, Server, absent, tool};

#[test]
fn interimap_carries_changes_both_ways_and_then_finds_nothing_to_do() {
    let Some(mirror) = Mirror::of_interimap() else { return };
    let mut imap = Imap::inbox(&mirror.server, &mirror.device);
    for name in ["100 %", "a*b", "Entw&APw-rfe"] {
        imap.ask(&format!("CREATE \"{name}\""));
    }
    mirror.succeeds();
    mirror.has_the_view();
    for name in ["100 %", "a*b", "Entw&APw-rfe", "Sent", "Drafts", "Junk", "Trash", "Archive"] {
        assert!(mirror.mail().join(name).is_dir(), "{name}");
    }
    // There: one is flagged, one removed. Here: one is read, and there is a new folder.
    imap.ask("STORE 6 +FLAGS (\\Flagged)");
    imap.ask("STORE 2 +FLAGS (\\Deleted)");
    imap.ask("EXPUNGE");
    let read = find(&mirror.mail(), "prepared to pay");
    fs::rename(&read, flagged(&read, "S")).expect("the flag is in the name");
    let made = mirror.mail().join("mine * %");
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(made.join(part)).expect("a Maildir");
    }
    mirror.give_away(&made);
    mirror.succeeds();
    assert!(find(&mirror.mail(), "bollards").display().to_string().contains(":2,F"));
    assert_eq!(messages(&mirror.mail()).len(), 5);
    imap.ask("NOOP");
    assert_eq!(imap.search("SEEN"), imap.search("BODY \"prepared to pay\""));
    assert_eq!(imap.status("\"mine * %\"", "MESSAGES"), 0);
    let before = (messages(&mirror.mail()), imap.status("INBOX", "HIGHESTMODSEQ"));
    mirror.succeeds();
    assert_eq!((messages(&mirror.mail()), imap.status("INBOX", "HIGHESTMODSEQ")), before);
}

#[test]
fn interimap_stops_at_another_policy_until_its_copy_is_removed() {
    let Some(mirror) = Mirror::of_interimap() else { return };
    mirror.succeeds();
    let copied = messages(&mirror.mail());
    mirror.tighten();
    let stopped = mirror.run();
    let said = String::from_utf8_lossy(&stopped.stderr).into_owned();
    assert!(!stopped.status.success() && said.contains("UIDVALIDITY changed"), "{said}");
    assert_eq!(messages(&mirror.mail()), copied, "the copy stays as it was");
    assert_eq!(Imap::login(&mirror.server, &mirror.device).status("INBOX", "MESSAGES"), 6);
    fs::remove_file(mirror.root.path().join("vault.db")).expect("its database");
    mirror.remove_copy();
    mirror.succeeds();
    mirror.has_the_view();
}

#[test]
fn doveadm_backs_up_the_view_and_after_another_policy_into_an_empty_copy() {
    let Some(mirror) = Mirror::of_doveadm() else { return };
    let mut imap = Imap::login(&mirror.server, &mirror.device);
    imap.ask("CREATE \"a*b\"");
    mirror.succeeds();
    mirror.has_the_view();
    assert!(mirror.mail().join("a*b").is_dir());
    let before = (messages(&mirror.mail()), imap.status("INBOX", "HIGHESTMODSEQ"));
    mirror.succeeds();
    assert_eq!((messages(&mirror.mail()), imap.status("INBOX", "HIGHESTMODSEQ")), before);
    imap.ask("SELECT INBOX");
    imap.ask("STORE 6 +FLAGS (\\Flagged)");
    mirror.succeeds();
    assert!(find(&mirror.mail(), "bollards").display().to_string().contains(":2,F"));
    mirror.tighten();
    let stopped = mirror.run();
    let said = String::from_utf8_lossy(&stopped.stderr).into_owned();
    assert!(!stopped.status.success() && said.contains("INBOX can't be deleted"), "{said}");
    mirror.remove_copy();
    mirror.succeeds();
    mirror.has_the_view();
}

/// A copy in a Maildir of Dovecot's, of what the demo's laptop sees, and the program that makes it. Dovecot
/// opens no mail for root, so all of it belongs to somebody else where the tests run as root.
struct Mirror {
    server: Server,
    device: Device,
    root: tempfile::TempDir,
    program: PathBuf,
    arguments: Vec<String>,
    user: Option<(u32, u32)>,
}

impl Mirror {
    fn of_interimap() -> Option<Self> {
        let program = tool("interimap")?;
        let Some(imap) = dovecot() else {
            absent("dovecot-imapd is not installed");
            return None;
        };
        let mirror = Self::new(program, |root| vec![format!("--config={}/interimap.conf", root.display())]);
        let root = mirror.root.path().display();
        mirror.write("dovecot.conf", &settings(mirror.root.path()));
        mirror.write(
            "interimap.conf",
            &format!(
                "database = {root}/vault.db\nlist-mailbox = \"*\"\n\n[local]\ntype = tunnel\n\
                 command = exec {imap} -c {root}/dovecot.conf\n\n[remote]\ntype = imaps\nhost = localhost\n\
                 port = {}\nusername = {}\npassword = {}\nSSL_CAfile = {root}/ca.pem\n",
                mirror.server.port("imaps"),
                mirror.device.login,
                mirror.device.app_password,
            ),
        );
        mirror.give_away(mirror.root.path());
        Some(mirror)
    }

    fn of_doveadm() -> Option<Self> {
        let program = tool("doveadm")?;
        let mirror = Self::new(program, |root| {
            let conf = format!("{}/dovecot.conf", root.display());
            ["-c", &conf, "backup", "-R", "imapc:"].map(str::to_owned).to_vec()
        });
        let root = mirror.root.path();
        // By its number: doveadm alone, without Dovecot's service for it, resolves no names.
        let remote = format!(
            "imapc_host = 127.0.0.1\nimapc_port = {}\nimapc_ssl = imaps\nimapc_user = {}\nimapc_password = {}\n\
             imapc_features = rfc822.size fetch-headers\nssl_client_ca_file = {}/ca.pem\n",
            mirror.server.port("imaps"),
            mirror.device.login,
            mirror.device.app_password,
            root.display()
        );
        mirror.write("dovecot.conf", &(settings(root) + &remote));
        mirror.give_away(root);
        Some(mirror)
    }

    fn new(program: PathBuf, arguments: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let server = Server::demo();
        let device = server.device("laptop");
        let root = tempfile::tempdir().expect("a folder");
        fs::copy(server.ca_file(), root.path().join("ca.pem")).expect("the certificate");
        fs::create_dir(root.path().join("mail")).expect("a folder");
        let arguments = arguments(root.path());
        Self { server, device, root, program, arguments, user: somebody_else() }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.root.path().join(name), text).expect("a file");
    }

    fn mail(&self) -> PathBuf {
        self.root.path().join("mail")
    }

    fn give_away(&self, path: &Path) {
        let Some((user, group)) = self.user else { return };
        chown(path, Some(user), Some(group)).expect("root may");
        if path.is_dir() {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).expect("root may");
            let entries = fs::read_dir(path).expect("a folder").flatten();
            entries.for_each(|entry| self.give_away(&entry.path()));
        }
    }

    fn run(&self) -> Output {
        let root = self.root.path();
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(root).stdin(Stdio::null());
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", root).env("USER", "reader");
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.output().expect("it runs")
    }

    #[track_caller]
    fn succeeds(&self) {
        let output = self.run();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", output.status);
    }

    /// The copy is what the view shows, octet for octet.
    #[track_caller]
    fn has_the_view(&self) {
        let mut pop3 = Pop3::login(&self.server, &self.device);
        let mut shown: Vec<_> = (1..=6).map(|number| pop3.text(number).replace("\r\n", "\n")).collect();
        let mut copies: Vec<_> = messages(&self.mail()).into_values().collect();
        shown.sort();
        copies.sort();
        assert_eq!(copies, shown);
    }

    fn tighten(&self) {
        self.server.unlock();
        self.server.done(&["view", "policy", self.server.fact("user"), "laptop", "headers-only"]);
    }

    fn remove_copy(&self) {
        fs::remove_dir_all(self.mail()).expect("the copy");
        fs::create_dir(self.mail()).expect("an empty copy");
        self.give_away(&self.mail());
    }
}

fn dovecot() -> Option<&'static str> {
    ["/usr/lib/dovecot/imap", "/usr/libexec/dovecot/imap"].into_iter().find(|path| Path::new(path).is_file())
}

/// Dovecot's, for one mailbox and no service.
fn settings(root: &Path) -> String {
    let root = root.display();
    format!(
        "base_dir = {root}/run\nstate_dir = {root}/run\nlog_path = /dev/stderr\nmail_home = {root}\n\
         mail_location = maildir:{root}/mail:LAYOUT=fs\nprotocols = imap\nfirst_valid_uid = 1\n\
         mail_privileged_group =\nssl = no\nstats_writer_socket_path =\n\
         namespace inbox {{\n inbox = yes\n separator = /\n}}\n"
    )
}

/// Debian's user `mail`, where the tests run as root.
fn somebody_else() -> Option<(u32, u32)> {
    let number = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    (number(&["-u"])? == 0).then_some(())?;
    Some((number(&["-u", "mail"])?, number(&["-g", "mail"])?))
}
