//! The other side of SMTP and LMTP dialogues: a small world of addressees, a server in it, a peer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use veilpost::clock::{Clock, Timestamp};
use veilpost::names::{Address, MessageId, TenantId, UserId};
use veilpost::net::listen::{self, Listener, Visit};
use veilpost::net::stream::Connection;
use veilpost::reception::{
    Directory, DirectoryError, Intake, Limits, MemoryBudget, Outcome, Reason, Received, Resolution, Role,
    Service, Settings, UserRef,
};

/// Who lives in the tests' world: `carl` in a tenant of his own, `anna` is `ann` by another name, `office` are
/// `ann` and `later`.
pub struct World {
    delivered: Arc<Mutex<Vec<Delivered>>>,
}

/// What the intake saw.
pub struct Delivered {
    pub from: Option<String>,
    pub to: Vec<String>,
    pub protocol: &'static str,
    pub content: Vec<u8>,
}

impl Directory for World {
    async fn resolve(&self, address: &Address) -> Result<Resolution, DirectoryError> {
        let (tenant, user) = match address.local() {
            "ann" | "anna" => (1, 1),
            "bob" => (1, 2),
            "full" => (1, 3),
            "later" => (1, 4),
            "postmaster" => (1, 5),
            "jürgen" => (1, 6),
            "carl" => (2, 1),
            "office" => {
                let place = |user| UserRef {
                    tenant: TenantId::from_bytes([1; 16]),
                    user: UserId::from_bytes([user; 16]),
                };
                return Ok(Resolution::Shared(place(1), vec![place(4)]));
            }
            "busy" => return Ok(Resolution::Deferred),
            "broken" => return Err(DirectoryError),
            _ => return Ok(Resolution::Unknown),
        };
        let (tenant, user) = (TenantId::from_bytes([tenant; 16]), UserId::from_bytes([user; 16]));
        Ok(Resolution::Local(UserRef { tenant, user }))
    }
}

impl Intake for World {
    async fn deliver(&self, received: Received) -> Vec<Outcome> {
        let addressees = &received.addressees;
        let outcomes = addressees.iter().map(|addressee| match addressee.mailbox.address().local() {
            "full" => Outcome::Rejected(Reason::Full),
            "later" | "office" => Outcome::Deferred,
            _ => Outcome::Stored(MessageId::from_bytes([7; 16])),
        });
        self.delivered.lock().expect("no panic").push(Delivered {
            from: received.reverse_path.as_ref().map(|path| path.spelled().to_owned()),
            to: addressees.iter().map(|addressee| addressee.mailbox.spelled().to_owned()).collect(),
            protocol: received.protocol.keyword(),
            content: received.content.expose().to_vec(),
        });
        outcomes.collect()
    }
}

/// A reception and what it delivered.
pub struct Server {
    pub service: Arc<Service<World, World>>,
    pub delivered: Arc<Mutex<Vec<Delivered>>>,
    pub shutdown: CancellationToken,
}

impl Server {
    pub fn new(role: Role, limits: Limits) -> Self {
        Self::with(role, limits, MemoryBudget::new(64 << 20, 1 << 20), None)
    }

    pub fn with(role: Role, limits: Limits, memory: MemoryBudget, tls: Option<Arc<ServerConfig>>) -> Self {
        let delivered = Arc::new(Mutex::new(Vec::new()));
        let world = || World { delivered: Arc::clone(&delivered) };
        let settings = Settings { hostname: "mx.vault.example".to_owned(), role, tls, limits };
        let clock = Clock::manual(Timestamp::from_unix(1_794_000_000));
        let service = Arc::new(Service::new(settings, world(), world(), memory, clock));
        Self { service, delivered, shutdown: CancellationToken::new() }
    }

    /// A peer that is connected and has read the greeting, and the session's task.
    pub async fn connect(&self) -> (Peer<UnixStream>, JoinHandle<()>) {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        let (service, shutdown) = (Arc::clone(&self.service), self.shutdown.clone());
        let session = tokio::spawn(async move {
            service.serve(Visit::alone(Connection::Unix(ours), shutdown)).await;
        });
        let mut peer = Peer::new(theirs);
        peer.expect("220 mx.vault.example ").await;
        (peer, session)
    }

    /// As `connect`, and the peer has said hello.
    pub async fn greeted(&self) -> Peer<UnixStream> {
        let (mut peer, _) = self.connect().await;
        peer.ask("EHLO client.example", "250").await;
        peer
    }

    pub fn take(&self) -> Vec<Delivered> {
        std::mem::take(&mut *self.delivered.lock().expect("no panic"))
    }

    pub fn take_one(&self) -> Delivered {
        let mut all = self.take();
        assert_eq!(all.len(), 1, "one delivery");
        all.remove(0)
    }

    /// Listens on TCP.
    pub fn listen(&self, limits: listen::Limits) -> SocketAddr {
        let listener = Listener::tcp(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = listener.local_addr().expect("TCP has an address");
        let service = Arc::clone(&self.service);
        tokio::spawn(listen::serve(listener, limits, self.shutdown.clone(), move |visit| {
            let service = Arc::clone(&service);
            async move { service.serve(visit).await }
        }));
        address
    }
}

pub fn mx() -> Server {
    Server::new(Role::Mx, quick())
}

pub fn quick() -> Limits {
    Limits { message: 1 << 20, slow_reply: Duration::ZERO, ..Limits::default() }
}

pub fn seats(total: usize) -> listen::Limits {
    let leave_within = Duration::from_secs(5);
    listen::Limits { table: listen::Table::new(total, total), leave_within, refusal: b"421 busy\r\n" }
}

/// The other side of a dialogue.
pub struct Peer<S> {
    pub stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    pub async fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).await.expect("the server reads");
        self.stream.flush().await.expect("the server reads");
    }

    /// The next reply, all its lines; empty when the connection is closed.
    pub async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let before = reply.len();
            let read = self.stream.read_line(&mut reply);
            let read = tokio::time::timeout(PATIENCE, read).await.expect("a reply in time");
            if read.unwrap_or(0) == 0 || reply.as_bytes()[before..].get(3) != Some(&b'-') {
                return reply;
            }
        }
    }

    #[track_caller]
    fn check(reply: &str, start: &str, asked: &str) {
        assert!(reply.starts_with(start), "{asked:?} was answered {reply:?} instead of {start:?}");
    }

    pub async fn expect(&mut self, start: &str) -> String {
        let reply = self.reply().await;
        Self::check(&reply, start, "what went before");
        reply
    }

    pub async fn ask(&mut self, line: &str, start: &str) -> String {
        self.send(format!("{line}\r\n")).await;
        let reply = self.reply().await;
        Self::check(&reply, start, line);
        reply
    }

    pub async fn envelope(&mut self, addressees: &[&str]) {
        self.ask("MAIL FROM:<Sender@a.example>", "250 2.1.0").await;
        for addressee in addressees {
            self.ask(&format!("RCPT TO:<{addressee}>"), "250 2.1.5").await;
        }
    }

    /// A transaction for ann by DATA; gives the last reply.
    pub async fn by_data(&mut self, wire: &[u8]) -> String {
        self.envelope(&["ann@vault.example"]).await;
        self.ask("DATA", "354").await;
        self.send(wire).await;
        self.reply().await
    }

    pub async fn expect_end(&mut self) {
        let mut rest = Vec::new();
        let read = self.stream.read_to_end(&mut rest);
        // A reset is as good an end as a close.
        let _ = tokio::time::timeout(PATIENCE, read).await.expect("an end in time");
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

/// How long a test waits for a reply before it fails. Above every limit that a paused clock must reach.
pub const PATIENCE: Duration = Duration::from_secs(36_000);

pub fn stuff(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + 5);
    for (at, octet) in message.iter().enumerate() {
        if *octet == b'.' && (at == 0 || message[..at].ends_with(b"\r\n")) {
            wire.push(b'.');
        }
        wire.push(*octet);
    }
    wire
}
