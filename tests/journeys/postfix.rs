//! Postfix in front: it takes mail by SMTP and hands it to our LMTP port, an instance of its own in
//! the test's folder.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clients::{succeeds, text};
use crate::pop3::Pop3;
use crate::smtp::Smtp;
use crate::support::{Server, absent, poll, tool};

#[test]
fn postfix_hands_mail_over_by_lmtp() {
    let Some(postfix) = tool("postfix") else { return };
    if !rustix::process::geteuid().is_root() {
        return absent("Postfix starts as root only");
    }
    let server = Server::demo();
    let front = Postfix::start(postfix, server.port("lmtp"));
    let mut session = Smtp::to_port(front.port);
    session.begin(&["alice@demo.example"]);
    let reply =
        session.data(b"From: w@elsewhere.example\r\nSubject: by Postfix\r\n\r\n.a dot\r\nand a line\r\n");
    assert!(reply.starts_with("250"), "{reply}");
    poll("Postfix to deliver", || {
        (Pop3::login(&server, &server.device("laptop")).count() == 7).then_some(())
    });
    let shown = Pop3::login(&server, &server.device("laptop")).text(7);
    assert!(shown.contains("Subject: by Postfix") && shown.contains("\r\n.a dot\r\n"), "{shown}");

    // An addressee whom we do not know comes back to Postfix as a final refusal.
    session.begin(&["nobody@demo.example"]);
    assert!(session.data(b"Subject: to nobody\r\n\r\nx\r\n").starts_with("250"));
    poll("Postfix to log the refusal", || {
        let log = std::fs::read_to_string(front.root.join("maillog")).unwrap_or_default();
        (log.contains("status=bounced") && log.contains("5.1.1")).then_some(())
    });
}

/// A running instance. Dropping it stops it.
struct Postfix {
    program: PathBuf,
    root: PathBuf,
    port: u16,
    // Removed last.
    _folder: tempfile::TempDir,
}

impl Postfix {
    fn start(program: PathBuf, lmtp: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().to_owned();
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).expect("its mode");
        for name in ["etc", "queue", "data"] {
            std::fs::create_dir(root.join(name)).expect("a folder");
        }
        let owner: u32 =
            text(&succeeds(Command::new("id").args(["-u", "postfix"]))).trim().parse().expect("a uid");
        chown(root.join("data"), Some(owner), None).expect("a folder of Postfix");
        let port = free_port();
        write(&root, "main.cf", MAIN, lmtp, port);
        write(&root, "master.cf", MASTER, lmtp, port);
        let started = Self { program, root, port, _folder: folder };
        started.control("start");
        poll("Postfix to listen", || TcpStream::connect(("127.0.0.1", port)).ok());
        started
    }

    fn control(&self, verb: &str) {
        succeeds(Command::new(&self.program).arg("-c").arg(self.root.join("etc")).arg(verb));
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let etc = self.root.join("etc");
        let _ = Command::new(&self.program).arg("-c").arg(etc).arg("stop").output();
    }
}

fn write(root: &Path, name: &str, template: &str, lmtp: u16, port: u16) {
    let text = template
        .replace("@ROOT@", &root.display().to_string())
        .replace("@LMTP@", &lmtp.to_string())
        .replace("@PORT@", &port.to_string());
    std::fs::write(root.join("etc").join(name), text).expect("a setting of Postfix");
}

/// Postfix cannot take port 0; nobody else takes this one in the moment until it does.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

const MAIN: &str = "compatibility_level = 3.6
queue_directory = @ROOT@/queue
data_directory = @ROOT@/data
maillog_file = @ROOT@/maillog
maillog_file_prefixes = /var, /tmp, @ROOT@
myhostname = front.demo.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
virtual_mailbox_domains = demo.example
virtual_mailbox_maps = static:all
virtual_transport = lmtp:inet:127.0.0.1:@LMTP@
alias_maps =
alias_database =
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtpd_recipient_restrictions = permit_mynetworks, reject
";
const MASTER: &str = "127.0.0.1:@PORT@ inet  n  -  n  -  -  smtpd
pickup    unix  n  -  n  60  1  pickup
cleanup   unix  n  -  n  -   0  cleanup
qmgr      unix  n  -  n  300 1  qmgr
rewrite   unix  -  -  n  -   -  trivial-rewrite
bounce    unix  -  -  n  -   0  bounce
defer     unix  -  -  n  -   0  bounce
trace     unix  -  -  n  -   0  bounce
proxymap  unix  -  -  n  -   -  proxymap
error     unix  -  -  n  -   -  error
retry     unix  -  -  n  -   -  error
discard   unix  -  -  n  -   -  discard
lmtp      unix  -  -  n  -   -  lmtp
anvil     unix  -  -  n  -   1  anvil
scache    unix  -  -  n  -   1  scache
postlog   unix-dgram n - n - 1 postlogd
";
