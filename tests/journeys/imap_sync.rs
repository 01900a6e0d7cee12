//! Programs that keep a copy of a mailbox, and one that shows it, over real sockets and TLS: mbsync,
//! offlineimap3 and neomutt, set up as docs/clients.md has it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::clients::{private, succeeds};
use crate::imap::Imap;
use crate::pop3::Pop3;
use crate::support::{Device, Server, tool};

#[test]
fn mbsync_copies_the_view_octet_for_octet_and_then_finds_nothing_to_do() {
    let Some(mbsync) = Mbsync::new() else { return };
    mbsync.sync();
    let copied = mbsync.messages("INBOX");
    let mut pop3 = Pop3::login(&mbsync.server, &mbsync.device);
    let mut shown: Vec<String> = (1..=6).map(|number| pop3.text(number).replace("\r\n", "\n")).collect();
    shown.sort();
    let mut copies: Vec<String> = copied.values().cloned().collect();
    copies.sort();
    assert_eq!(copies, shown);
    for folder in ["Sent", "Drafts", "Junk", "Trash", "Archive"] {
        assert!(mbsync.mail().join(folder).is_dir(), "{folder}");
    }
    let mut imap = Imap::login(&mbsync.server, &mbsync.device);
    let before = imap.status("INBOX", "HIGHESTMODSEQ");
    mbsync.sync();
    assert_eq!(mbsync.messages("INBOX"), copied);
    assert_eq!(imap.status("INBOX", "HIGHESTMODSEQ"), before, "nothing was changed");
}

#[test]
fn mbsync_carries_flags_deletions_and_new_folders_both_ways() {
    let Some(mbsync) = Mbsync::new() else { return };
    mbsync.sync();
    // There: another client flags one. Here: a reader reads one, removes one, files one into a new folder.
    let mut imap = Imap::inbox(&mbsync.server, &mbsync.device);
    imap.ask("STORE 6 +FLAGS (\\Flagged)");
    let read = mbsync.find("prepared to pay");
    let to = mbsync.mail().join("INBOX/cur").join(read.file_name().expect("a name"));
    fs::rename(&read, flagged(&to, "S")).expect("the flag is in the name");
    fs::remove_file(mbsync.find("was approved")).expect("a message of the copy");
    let cases = mbsync.mail().join("Cases");
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(cases.join(part)).expect("a Maildir");
    }
    fs::write(cases.join("new/1.note.here"), "Subject: a note of mine\n\nabout a case\n").expect("a message");
    mbsync.sync();

    assert!(mbsync.find("bollards").display().to_string().ends_with(":2,F"));
    imap.ask("NOOP");
    assert_eq!(imap.search("SEEN"), imap.search("BODY \"prepared to pay\""));
    assert_eq!((imap.search("ALL").len(), imap.search("BODY \"was approved\"")), (5, vec![]));
    assert_eq!(imap.status("Cases", "MESSAGES"), 1);
    imap.ask("SELECT Cases");
    assert!(imap.ask("FETCH 1 (BODY.PEEK[])").contains("about a case"));
    // The policy hides what its client deletes: the vault keeps it, other views have it.
    assert_eq!(Pop3::login(&mbsync.server, &mbsync.server.device("phone")).count(), 6);
    mbsync.server.unlock();
    let kept = mbsync.server.done(&["mail", "list"]).to_string();
    assert!(kept.contains("A payment with your card"), "{kept}");

    let before = (mbsync.messages("INBOX"), imap.status("INBOX", "HIGHESTMODSEQ"));
    mbsync.sync();
    assert_eq!((mbsync.messages("INBOX"), imap.status("INBOX", "HIGHESTMODSEQ")), before);
}

/// mbsync gives up all folders for one that it cannot have, or cannot make there.
#[test]
fn mbsync_takes_folders_of_any_name_that_folders_can_have() {
    let Some(mbsync) = Mbsync::new() else { return };
    let mut imap = Imap::login(&mbsync.server, &mbsync.device);
    for name in ["100 %", "a*b", "Entw&APw-rfe"] {
        imap.ask(&format!("CREATE \"{name}\""));
    }
    for name in [".", "..", "a/..", "a//b"] {
        let (_, end) = imap.send(&format!("CREATE \"{name}\""));
        assert!(end.starts_with("NO [CANNOT]"), "{name}: {end}");
    }
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(mbsync.mail().join("mine * %").join(part)).expect("a Maildir");
    }
    mbsync.sync();
    for name in ["100 %", "a*b", "Entw&APw-rfe"] {
        assert!(mbsync.mail().join(name).is_dir(), "{name}");
    }
    assert_eq!(imap.status("\"mine * %\"", "MESSAGES"), 0);
    mbsync.sync();
    // A folder that is made again is another one: mbsync sees that, and touches nothing.
    let validity = imap.status("\"a*b\"", "UIDVALIDITY");
    imap.ask("DELETE \"a*b\"");
    imap.ask("CREATE \"a*b\"");
    assert!(imap.status("\"a*b\"", "UIDVALIDITY") > validity);
}

/// RFC 9051 §2.3.1.1: without new mail UIDNEXT stays, whatever became of the server.
#[test]
fn message_numbers_stay_where_they_were_after_a_restart() {
    let mut server = Server::demo();
    let device = server.device("laptop");
    let mut imap = Imap::inbox(&server, &device);
    imap.ask("CREATE Work");
    imap.ask("MOVE 6 Work");
    imap.ask("SELECT Work");
    imap.ask("STORE 1 +FLAGS (\\Deleted)");
    imap.ask("EXPUNGE");
    let numbers = |imap: &mut Imap| -> Vec<(u64, u64)> {
        let folders = ["INBOX", "Sent", "Archive", "Trash", "Work"];
        folders.map(|folder| (imap.status(folder, "UIDVALIDITY"), imap.status(folder, "UIDNEXT"))).to_vec()
    };
    let before = numbers(&mut imap);
    drop(imap);
    for _ in 0..2 {
        server.restart();
        assert_eq!(numbers(&mut Imap::login(&server, &device)), before);
    }
}

#[test]
fn mbsync_notices_another_policy_and_copies_anew() {
    let Some(mbsync) = Mbsync::new() else { return };
    mbsync.sync();
    let server = &mbsync.server;
    server.unlock();
    server.done(&["view", "policy", server.fact("user"), "laptop", "headers-only"]);
    let stopped = mbsync.run();
    let said = String::from_utf8_lossy(&stopped.stderr);
    assert!(!stopped.status.success() && said.contains("UIDVALIDITY"), "{said}");
    fs::remove_dir_all(mbsync.mail()).expect("the copy");
    fs::create_dir(mbsync.mail()).expect("an empty copy");
    mbsync.sync();
    let copied = mbsync.messages("INBOX");
    assert_eq!(copied.len(), 6);
    assert!(copied.values().all(|message| !message.contains("prepared to pay")), "the text is sealed now");
}

#[test]
fn offlineimap_copies_and_carries_changes_both_ways() {
    let Some(program) = tool("offlineimap") else { return };
    let server = Server::demo();
    let device = server.device("laptop");
    let mail = server.scratch().join("mail");
    let settings = offlineimap_settings(&server, &device, &mail);
    let sync = || {
        succeeds(Command::new(&program).arg("-c").arg(&settings).args(["-o", "-u", "quiet"]));
    };
    // It sends the name as it is, without quotes.
    Imap::login(&server, &device).ask("CREATE \"a*b\"");
    sync();
    assert!(mail.join("a*b").is_dir());
    let copied = messages(&mail.join("INBOX"));
    assert_eq!(copied.len(), 6);
    let mut pop3 = Pop3::login(&server, &device);
    for number in 1..=6 {
        let shown = pop3.text(number).replace("\r\n", "\n");
        assert!(copied.values().any(|message| *message == shown), "{shown}\nis not among {copied:#?}");
    }
    let mut imap = Imap::inbox(&server, &device);
    imap.ask("STORE 6 +FLAGS (\\Flagged)");
    let read = find(&mail.join("INBOX"), "prepared to pay");
    let to = mail.join("INBOX/cur").join(read.file_name().expect("a name"));
    fs::rename(&read, flagged(&to, "S")).expect("the flag is in the name");
    fs::remove_file(find(&mail.join("INBOX"), "was approved")).expect("a message of the copy");
    sync();
    assert!(find(&mail.join("INBOX"), "bollards").display().to_string().contains(":2,F"));
    imap.ask("NOOP");
    assert_eq!(imap.search("SEEN"), imap.search("BODY \"prepared to pay\""));
    assert_eq!((imap.search("ALL").len(), imap.search("BODY \"was approved\"")), (5, vec![]));
    let before = (messages(&mail.join("INBOX")), imap.status("INBOX", "HIGHESTMODSEQ"));
    sync();
    assert_eq!((messages(&mail.join("INBOX")), imap.status("INBOX", "HIGHESTMODSEQ")), before);
}

/// It says that it skips the folder, and does not: the copy is the new view, and it says so for ever.
#[test]
fn offlineimap_copies_anew_after_another_policy_and_complains_until_told() {
    let Some(program) = tool("offlineimap") else { return };
    let server = Server::demo();
    let device = server.device("laptop");
    let mail = server.scratch().join("mail");
    let settings = offlineimap_settings(&server, &device, &mail);
    let run = || {
        let mut command = Command::new(&program);
        command.arg("-c").arg(&settings).args(["-o", "-u", "quiet"]);
        command.output().expect("offlineimap runs").status.code()
    };
    assert_eq!(run(), Some(0));
    server.unlock();
    server.done(&["view", "policy", server.fact("user"), "laptop", "headers-only"]);
    for _ in 0..2 {
        assert_eq!(run(), Some(2));
        let copied = messages(&mail.join("INBOX"));
        assert_eq!(copied.len(), 6);
        assert!(
            copied.values().all(|message| !message.contains("prepared to pay")),
            "the text is sealed now"
        );
    }
    let known = server.scratch().join("offlineimap/Repository-vault-remote/FolderValidity");
    fs::remove_dir_all(&known).expect("what it knows");
    fs::create_dir(&known).expect("an empty folder");
    assert_eq!((run(), run()), (Some(0), Some(0)));
    assert_eq!(messages(&mail.join("INBOX")).len(), 6);
    assert_eq!(Imap::login(&server, &device).status("INBOX", "MESSAGES"), 6, "nothing was uploaded");
}

fn offlineimap_settings(server: &Server, device: &Device, mail: &Path) -> PathBuf {
    let settings = format!(
        "[general]\naccounts = vault\nmetadata = {scratch}/offlineimap\n\n[Account vault]\nlocalrepository = vault-local\n\
         remoterepository = vault-remote\n\n[Repository vault-local]\ntype = Maildir\nlocalfolders = {mail}\n\n\
         [Repository vault-remote]\ntype = IMAP\nremotehost = localhost\nremoteport = {port}\nremoteuser = {login}\n\
         remotepasseval = open(\"{secret}\").read().strip()\nssl = yes\nsslcacertfile = {ca}\n",
        scratch = server.scratch().display(),
        mail = mail.display(),
        port = server.port("imaps"),
        login = device.login,
        secret = private(server, "app-password", &device.app_password).display(),
        ca = server.ca_file(),
    );
    private(server, "offlineimaprc", &settings)
}

#[test]
fn neomutt_reads_tags_saves_and_deletes() {
    let (Some(neomutt), Some(script)) = (tool("neomutt"), tool("script")) else { return };
    let server = Server::demo();
    let device = server.device("laptop");
    let folder = format!("imaps://localhost:{}/", server.port("imaps"));
    let settings = format!(
        "set imap_user = \"{}\"\nset imap_pass = \"{}\"\nset folder = \"{folder}\"\nset spoolfile = \"+INBOX\"\n\
         set record = \"+Sent\"\nset postponed = \"+Drafts\"\nset trash = \"+Trash\"\nset imap_idle = yes\n\
         set imap_qresync = yes\nset header_cache = \"{}\"\nset certificate_file = \"{ca}\"\nset ssl_ca_certificates_file = \"{ca}\"\n\
         set ssl_usesystemcerts = no\nset mail_check = 0\nset confirmappend = no\nset confirmcreate = no\nset delete = yes\n\
         set quit = yes\nset wait_key = no\nset pager = builtin\nset sort = mailbox-order\nset beep = no\n\
         set resume_edited_draft_files = no\nset sleep_time = 0\n",
        device.login,
        device.app_password,
        server.scratch().join("headers").display(),
        ca = server.ca_file(),
    );
    let settings = private(&server, "neomuttrc", &settings);
    let keys = |keys: &str| {
        let line = format!(
            "{} -n -F {} -f {folder}INBOX -e 'push \"{keys}\"'",
            neomutt.display(),
            settings.display()
        );
        // It wants a terminal, and one of some size.
        let mut command = Command::new("timeout");
        command.args(["60"]).arg(&script).args([
            "-qec",
            &format!("stty rows 40 cols 120; {line}"),
            "/dev/null",
        ]);
        succeeds(command.env("TERM", "xterm").env("HOME", server.scratch()));
    };
    // Message 1 is read, 2 and 3 are flagged by their tags, 6 is saved, 5 is deleted.
    keys("<first-entry><display-message><exit><quit>");
    let mut imap = Imap::inbox(&server, &device);
    assert_eq!(imap.search("SEEN"), [1]);
    keys("<tag-pattern>~s payment<enter><tag-pattern>~s code<enter><tag-prefix><flag-message><quit>");
    imap.ask("NOOP");
    assert_eq!(imap.search("FLAGGED"), [2, 3]);
    keys("<search>minutes<enter><save-message>+Archive<enter><quit>");
    imap.ask("NOOP");
    assert_eq!((imap.search("ALL").len(), imap.status("Archive", "MESSAGES")), (5, 1));
    keys("<last-entry><delete-message><quit>");
    imap.ask("NOOP");
    assert_eq!((imap.search("ALL").len(), imap.status("Trash", "MESSAGES")), (4, 1));
    imap.ask("SELECT Trash");
    assert_eq!(imap.search("SUBJECT Thursday").len(), 1);
}

/// mbsync with a Maildir of its own, for the demo's laptop.
struct Mbsync {
    program: PathBuf,
    server: Server,
    device: Device,
    settings: PathBuf,
}

impl Mbsync {
    fn new() -> Option<Self> {
        let program = tool("mbsync")?;
        let server = Server::demo();
        let device = server.device("laptop");
        // isync 1.5 takes SSLType for its TLSType.
        let settings = format!(
            "IMAPAccount vault\nHost localhost\nPort {}\nUser {}\nPassCmd \"cat {}\"\nSSLType IMAPS\nCertificateFile {}\n\n\
             IMAPStore vault-remote\nAccount vault\n\nMaildirStore vault-local\nPath {mail}/\nInbox {mail}/INBOX\n\
             SubFolders Verbatim\n\nChannel vault\nFar :vault-remote:\nNear :vault-local:\nPatterns *\nCreate Both\n\
             Expunge Both\nSync All\nSyncState *\n",
            server.port("imaps"),
            device.login,
            private(&server, "app-password", &device.app_password).display(),
            server.ca_file(),
            mail = server.scratch().join("mail").display(),
        );
        let settings = private(&server, "mbsyncrc", &settings);
        fs::create_dir(server.scratch().join("mail")).expect("a folder");
        Some(Self { program, server, device, settings })
    }

    fn mail(&self) -> PathBuf {
        self.server.scratch().join("mail")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(&self.settings).arg("vault").env("HOME", self.server.scratch());
        command.stdin(Stdio::null());
        command
    }

    fn run(&self) -> Output {
        self.command().output().expect("mbsync runs")
    }

    #[track_caller]
    fn sync(&self) {
        succeeds(&mut self.command());
    }

    fn messages(&self, folder: &str) -> BTreeMap<PathBuf, String> {
        messages(&self.mail().join(folder))
    }

    #[track_caller]
    fn find(&self, words: &str) -> PathBuf {
        find(&self.mail().join("INBOX"), words)
    }
}

/// The messages of a Maildir by their files, without the mark that mbsync puts into each copy.
pub fn messages(maildir: &Path) -> BTreeMap<PathBuf, String> {
    let files = ["cur", "new"].map(|part| fs::read_dir(maildir.join(part)).expect("a Maildir"));
    let files = files.into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let message = |file: &Path| {
        let content = fs::read_to_string(file).expect("a message");
        let lines = content.split_inclusive('\n').filter(|line| !line.starts_with("X-TUID: "));
        lines.collect::<String>()
    };
    files.map(|file| (file.clone(), message(&file))).collect()
}

/// The file of the one message that has these words.
#[track_caller]
pub fn find(maildir: &Path, words: &str) -> PathBuf {
    let mut found = messages(maildir).into_iter().filter(|(_, message)| message.contains(words));
    found.next().unwrap_or_else(|| panic!("no message has {words}")).0
}

/// The file's name with a flag of Maildir more.
pub fn flagged(file: &Path, flag: &str) -> PathBuf {
    let name = file.display().to_string();
    if name.contains(":2,") { format!("{name}{flag}").into() } else { format!("{name}:2,{flag}").into() }
}
