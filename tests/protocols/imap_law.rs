//! Law 2 by IMAP: two mailboxes whose messages differ only in what a policy hides answer every command with
//! the same octets, under every shipped policy. What differs, and how, is in [`super::imap_twins`].
//!
//! Both mailboxes are one vault that was copied while nobody ran it, so that keys, tokens and dates are the
//! same; the messages are sealed under the same identifiers, and the clock stands still.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use veilpost::audit::{Actor, Origin};
use veilpost::clock::{Clock, Timestamp};
use veilpost::config::{Config, FILE_NAME, Template};
use veilpost::init::{self, CertificateFrom, Given, Reception, Terminal};
use veilpost::keyring::{Passphrase, RootKey};
use veilpost::mailbox::{FlagChange, FlagEdit, Flags, FolderId};
use veilpost::message::Plaintext;
use veilpost::names::{Address, MessageId};
use veilpost::owner::{By, account, unlock, view};
use veilpost::policy::shipped;
use veilpost::seal::EnvelopeFacts;
use veilpost::server::Server;
use veilpost::shutdown::Lifecycle;
use veilpost::tenant::registry::UserRef;
use veilpost::vault::mailboxes;
use veilpost::vault::seal::{Arrival, make_room, seal};

use super::imap_twins::{Twin, letters};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_hidden_changes_no_octet_of_any_answer() {
    let (folder, people) = founded().await;
    let other = copied(folder.path());
    let one = World::open(folder.path()).await;
    let two = World::open(other.path()).await;
    for person in &people {
        one.fill(person, Twin::One).await;
        two.fill(person, Twin::Two).await;
        let (told, also) = (one.transcript(person).await, two.transcript(person).await);
        let policy = person.policy;
        assert!(policy == "everything" || letters(policy, Twin::One) != letters(policy, Twin::Two));
        for ((command, first), (_, second)) in told.iter().zip(&also) {
            assert_eq!(first, second, "{command} under {policy}");
        }
        assert_eq!(told.len(), also.len(), "{policy}");
        assert!(told.len() >= 60, "only {} commands", told.len());
        means_something(policy, &told);
    }
    one.close().await;
    two.close().await;
}

/// The transcript shows mail, and no command but the wrong ones was turned down.
fn means_something(policy: &str, told: &[(String, String)]) {
    let all: String = told.iter().map(|(_, said)| said.as_str()).collect();
    let told_of = |words: &str| assert!(all.contains(words), "nothing of {words} under {policy}");
    told_of(" EXISTS");
    told_of("BODYSTRUCTURE (");
    told_of("* SEARCH 1");
    if policy != "calendar-only" {
        told_of("example");
    }
    for (command, said) in told {
        let end = said.lines().last().unwrap_or_default();
        let expected = if command.starts_with("FETCH 1 NONSENSE") { " BAD" } else { " OK" };
        assert!(end.contains(expected), "{command} under {policy}: {end}");
    }
    if policy != "everything" {
        for secret in ["heron", "otter"] {
            assert!(!all.to_lowercase().contains(secret), "{secret} under {policy}");
        }
    }
}

/// Someone who reads through one policy.
struct Person {
    policy: &'static str,
    user: UserRef,
    login: String,
    app_password: String,
}

/// A vault with somebody for each shipped policy, and nobody running it.
async fn founded() -> (TempDir, Vec<Person>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join(FILE_NAME);
    let given = Given {
        hostname: Some("mail.law.example".to_owned()),
        reception: Some(Reception::Direct),
        certificate: Some(CertificateFrom::SelfSigned),
        ..Given::default()
    };
    let mut nobody = Terminal::new(std::io::empty(), std::io::sink());
    let root_key = |path: &Path| RootKey::generate().store_new(path, None).map_err(std::io::Error::other);
    init::run(&mut nobody, &file, given, NOW, root_key).expect("a new vault");
    std::fs::write(&file, settings()).expect("the configuration can be changed");
    let world = World::open(folder.path()).await;
    let mut people = Vec::new();
    for (policy, _) in shipped() {
        people.push(world.settle(policy).await);
    }
    world.close().await;
    (folder, people)
}

fn settings() -> String {
    let mut settings = Template::new();
    let local = || vec!["127.0.0.1:0".to_owned()];
    let none = Vec::<String>::new;
    let known = settings.set("", "hostname", "mail.law.example")
        && settings.set("dashboard", "public_url", "https://vault.law.example")
        && settings.set("imaps", "listen", local())
        && settings.set("smtp", "listen", local())
        && ["imap", "pop3", "pop3s", "dashboard"].iter().all(|it| settings.set(it, "listen", none()));
    assert!(known, "the example configuration has these keys");
    settings.into_text()
}

fn copied(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().expect("a temporary folder");
    copy_into(folder, copy.path());
    copy
}

fn copy_into(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let copy = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            std::fs::create_dir(&copy).expect("a folder");
            std::fs::set_permissions(&copy, path.metadata().expect("it is there").permissions())
                .expect("its mode");
            copy_into(&path, &copy);
        } else if path.is_file() {
            std::fs::copy(&path, &copy).expect("a copy");
        }
    }
}

/// A running server.
struct World {
    server: Arc<Server>,
    life: Lifecycle,
    certificate: PathBuf,
}

impl World {
    async fn open(folder: &Path) -> Self {
        let config = Config::load(&folder.join(FILE_NAME)).expect("the configuration");
        let certificate = match &config.tls {
            veilpost::config::Tls::Files { certificate, .. } => certificate.clone(),
            veilpost::config::Tls::Acme(_) => unreachable!("it was made by ourselves"),
        };
        let life = Lifecycle::new();
        let clock = Clock::manual(NOW);
        let server = Server::start(&config, clock, &life, None).await.expect("the server starts");
        Self { server, life, certificate }
    }

    async fn close(self) {
        drop(self.server);
        self.life.finish(std::time::Duration::from_secs(60)).await;
    }

    async fn settle(&self, policy: &'static str) -> Person {
        let by = By { actor: Actor::Server, origin: Origin::Internal };
        let founding = account::Founding {
            name: policy.to_owned(),
            address: Address::parse(&format!("reader@{policy}.example")).expect("an address"),
            password: Passphrase::new("four words that stand".to_owned()),
            reason_required: false,
            escrow: Vec::new(),
            enrolment: account::Enrolment::Here,
        };
        let vault = &self.server.vault;
        let founded = account::found(vault, founding, by).await.expect("a tenant");
        let user = founded.user.user;
        let unlocked = unlock::recover(vault, user, &founded.recovery_code.reveal(), Origin::Internal).await;
        let unlocked = unlocked.expect("the code opens");
        let issued = view::create(vault, &unlocked, user, "reader", policy, "client").await.expect("a view");
        let (login, app_password) = (issued.login, issued.app_password.reveal().to_string());
        Person { policy, user, login, app_password }
    }

    /// Seals the letters of a twin, each under an identifier and at a time of its own.
    async fn fill(&self, person: &Person, twin: Twin) {
        let vault = &self.server.vault;
        for (number, letter) in letters(person.policy, twin).into_iter().enumerate() {
            let number = u8::try_from(number + 1).expect("a few letters");
            let arrival = Arrival {
                uploader: None,
                room: make_room(vault, person.user, letter.len()).await,
                user: person.user,
                message: MessageId::from_bytes([number; 16]),
                content: Plaintext::from(letter),
                received: Timestamp::from_unix(NOW.unix() - 3600 * i64::from(number)),
                envelope: twin_envelope(twin),
            };
            let stored = seal(vault, arrival).await.expect("a sealed message");
            let flags = FlagChange { edit: FlagEdit::Add, system: Flags::none(), keywords: Vec::new() };
            mailboxes::place(vault, person.user, stored, FolderId::INBOX, &flags)
                .await
                .expect("it is placed");
        }
    }

    /// What the server says to each command of the script.
    async fn transcript(&self, person: &Person) -> Vec<(String, String)> {
        let port = self.server.listening.imaps.first().expect("IMAPS listens").port();
        let mut client = Client::connect(port, &self.certificate).await;
        let login = format!("LOGIN {} {}", person.login, person.app_password);
        assert!(client.ask(&login).await.contains(" OK "), "the person may log in");
        let mut told = Vec::new();
        for command in script() {
            let said = client.ask(&command).await;
            told.push((command, said));
        }
        told
    }
}

/// Which is hidden by every policy, for no client ever sees the envelope.
fn twin_envelope(twin: Twin) -> EnvelopeFacts {
    let (reverse_path, addressee) = match twin {
        Twin::One => ("heron@elsewhere.example", "reader@law.example"),
        Twin::Two => ("", "reader+otter@law.example"),
    };
    EnvelopeFacts {
        reverse_path: reverse_path.to_owned(),
        addressee: addressee.to_owned(),
        protocol: "ESMTPS".to_owned(),
    }
}

/// Every command that tells of messages, in every form that is known; reading before changing.
fn script() -> Vec<String> {
    let mut script: Vec<String> =
        SCRIPT.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let words = ["heron", "otter", "example", "shown", "invoice", "a", "=?", "zzz"];
    let keys = [
        "TEXT",
        "BODY",
        "SUBJECT",
        "FROM",
        "TO",
        "CC",
        "BCC",
        "HEADER X-Secret",
        "HEADER Received",
        "HEADER Message-ID",
    ];
    for key in keys {
        for word in words {
            script.push(format!("UID SEARCH {key} \"{word}\""));
        }
    }
    let partials = [(0, 1), (0, 100), (1, 9999), (100, 200), (700, 64), (99999, 1)];
    for (first, count) in partials {
        for section in ["", "TEXT", "1", "HEADER"] {
            script.push(format!("FETCH 1:* (BODY.PEEK[{section}]<{first}.{count}>)"));
        }
    }
    for limit in [100, 400, 600, 800, 1000, 1500, 3000] {
        script.push(format!("SEARCH LARGER {limit}"));
        script.push(format!("SEARCH SMALLER {limit}"));
    }
    script.extend(CHANGES.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
    script
}

/// A client that keeps every octet.
struct Client {
    stream: BufReader<TlsStream<TcpStream>>,
    commands: u32,
}

impl Client {
    async fn connect(port: u16, certificate: &Path) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(certificate).expect("a certificate");
        roots.add_parsable_certificates(certificates.map(|it| it.expect("a certificate")));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config =
            builder.expect("the provider knows TLS").with_root_certificates(roots).with_no_client_auth();
        let socket = TcpStream::connect(("127.0.0.1", port)).await.expect("the server listens");
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, socket).await.expect("a handshake");
        let mut client = Self { stream: BufReader::new(stream), commands: 0 };
        client.line().await;
        client
    }

    /// Sends a command; everything that is said to it.
    async fn ask(&mut self, command: &str) -> String {
        self.commands += 1;
        let tag = format!("law{} ", self.commands);
        let line = format!("{tag}{}\r\n", command.replace("\\r\\n", "\r\n"));
        self.stream.get_mut().write_all(line.as_bytes()).await.expect("the server reads");
        self.stream.get_mut().flush().await.expect("the server reads");
        let mut said = String::new();
        loop {
            let line = self.line().await;
            said.push_str(&line);
            if line.starts_with(&tag) {
                return said;
            }
        }
    }

    async fn line(&mut self) -> String {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line);
        let read = tokio::time::timeout(std::time::Duration::from_secs(60), read).await;
        read.expect("an answer in time").expect("an answer");
        assert!(line.ends_with(b"\n"), "the connection ended after {line:?}");
        line.into_iter().map(char::from).collect()
    }
}

/// Where both clocks stand.
const NOW: Timestamp = Timestamp::from_unix(1_794_000_000);

const SCRIPT: &str = r#"
CAPABILITY
NAMESPACE
ID NIL
LIST "" "*"
LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN SIZE UIDNEXT UIDVALIDITY HIGHESTMODSEQ))
STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN SIZE HIGHESTMODSEQ MAILBOXID)
GETQUOTAROOT INBOX
ENABLE CONDSTORE QRESYNC
EXAMINE INBOX
UNSELECT
SELECT INBOX
NOOP
CHECK
FETCH 1:* ALL
FETCH 1:* FAST
FETCH 1:* FULL
FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)
FETCH 1:* (ENVELOPE)
FETCH 1:* (BODY)
FETCH 1:* (BODYSTRUCTURE)
FETCH 1:* (RFC822.SIZE)
FETCH 1:* (PREVIEW)
FETCH 1:* (PREVIEW (LAZY))
FETCH 1:* (EMAILID THREADID SAVEDATE MODSEQ)
FETCH 1:* (BODY.PEEK[])
FETCH 1:* (BODY.PEEK[HEADER])
FETCH 1:* (BODY.PEEK[TEXT])
FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT FROM X-SECRET RECEIVED BCC)])
FETCH 1:* (BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT FROM)])
FETCH 1:* (BODY.PEEK[1] BODY.PEEK[2] BODY.PEEK[3] BODY.PEEK[4])
FETCH 1:* (BODY.PEEK[1.1] BODY.PEEK[1.2] BODY.PEEK[2.1])
FETCH 1:* (BODY.PEEK[1.MIME] BODY.PEEK[2.MIME] BODY.PEEK[3.MIME])
FETCH 1:* (BODY.PEEK[2.HEADER] BODY.PEEK[2.TEXT] BODY.PEEK[1.HEADER])
FETCH 1:* (BINARY.PEEK[1])
FETCH 1:* (BINARY.PEEK[1]<3.40>)
FETCH 1:* (BINARY.SIZE[1])
FETCH 1:* (BINARY.SIZE[2])
FETCH 1:* (BINARY.PEEK[2])
FETCH 1:* (RFC822.HEADER)
UID FETCH 1:* (FLAGS BODY.PEEK[1])
FETCH 1:* (FLAGS) (CHANGEDSINCE 1)
UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)
FETCH 1 NONSENSE
SEARCH ALL
SEARCH RETURN (MIN MAX COUNT ALL) TEXT "example"
SEARCH RETURN (COUNT) TEXT "heron"
SEARCH RETURN (SAVE) SUBJECT "e"
SEARCH $
SEARCH NOT TEXT "heron"
SEARCH OR TEXT "heron" TEXT "otter"
SEARCH HEADER X-Secret ""
SEARCH HEADER Received ""
SEARCH HEADER User-Agent ""
SEARCH HEADER Subject ""
SEARCH HEADER List-Id ""
SEARCH BCC ""
SEARCH CC ""
SEARCH BEFORE 1-Jan-2030
SEARCH ON 6-Nov-2026
SEARCH SINCE 1-Jan-2020
SEARCH SENTBEFORE 4-Nov-2026
SEARCH SENTON 3-Nov-2026
SEARCH SENTSINCE 4-Nov-2026
SEARCH YOUNGER 9000
SEARCH OLDER 9000
SEARCH UNSEEN UNFLAGGED UNANSWERED UNDELETED UNDRAFT
SEARCH UNKEYWORD $Forwarded
SEARCH MODSEQ 1
SEARCH UID 1:* 1:3
SEARCH CHARSET UTF-8 BODY {5+}\r\ncafé
SORT (ARRIVAL) UTF-8 ALL
SORT (SUBJECT) UTF-8 ALL
SORT (REVERSE SUBJECT) UTF-8 ALL
SORT (FROM) UTF-8 ALL
SORT (TO) UTF-8 ALL
SORT (CC) UTF-8 ALL
SORT (DATE) UTF-8 ALL
SORT (REVERSE SIZE) UTF-8 ALL
SORT (DISPLAYFROM) UTF-8 ALL
SORT (DISPLAYTO) UTF-8 ALL
SORT RETURN (COUNT MIN MAX) (SIZE) UTF-8 TEXT "e"
UID SORT (SIZE SUBJECT) UTF-8 NOT TEXT "otter"
THREAD REFERENCES UTF-8 ALL
THREAD ORDEREDSUBJECT UTF-8 ALL
UID THREAD REFERENCES UTF-8 NOT TEXT "heron"
"#;

const CHANGES: &str = r#"
STORE 1 +FLAGS (\Flagged $Forwarded)
STORE 2 +FLAGS.SILENT (\Seen)
STORE 1:* (UNCHANGEDSINCE 1) +FLAGS (\Answered)
SEARCH KEYWORD $Forwarded
FETCH 1 (BODY[TEXT])
FETCH 2 (RFC822)
FETCH 1:* (FLAGS MODSEQ)
CREATE Cases
COPY 1:2 Cases
UID COPY 3 Archive
STATUS Cases (MESSAGES SIZE UIDNEXT HIGHESTMODSEQ)
MOVE 2 Cases
UID MOVE 1 Cases
SELECT Cases
FETCH 1:* (UID FLAGS RFC822.SIZE ENVELOPE BODYSTRUCTURE EMAILID)
SEARCH TEXT "heron"
STORE 1 +FLAGS (\Deleted)
EXPUNGE
STORE 1 +FLAGS (\Deleted)
UID EXPUNGE 1:*
CLOSE
SELECT INBOX (QRESYNC (1 1 1:9))
THREAD REFERENCES UTF-8 ALL
FETCH 1:* (UID RFC822.SIZE)
UNSELECT
GETQUOTAROOT INBOX
LIST "" "*" RETURN (STATUS (MESSAGES SIZE))
LOGOUT
"#;
