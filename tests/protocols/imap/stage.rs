//! Sessions over socket pairs, or over TLS on a free port of the loopback address; and a client that knows
//! lines and tags and nothing else.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use veilpost::gateway::imap::{Delay, Protection, SessionEnd, Settings, serve};
use veilpost::net::deflate::Deflated;
use veilpost::net::stream::Connection;

use super::fake::{Fake, LOGIN, PASSWORD};

pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub struct Client {
    stream: BufReader<Box<dyn Stream>>,
    session: JoinHandle<SessionEnd>,
    pub shutdown: CancellationToken,
}

pub fn settings() -> Settings {
    Settings {
        protection: Protection::TlsOrUnixSocket,
        refusal_delay: Delay::NONE,
        append_limit: 100_000,
        compress: true,
        ..Settings::default()
    }
}

impl Client {
    /// A client whose greeting is unread.
    pub fn connect(fake: &Fake, settings: Settings) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        Self::talking(Connection::Unix(ours), Box::new(theirs), fake, settings)
    }

    fn talking(ours: Connection, theirs: Box<dyn Stream>, fake: &Fake, settings: Settings) -> Self {
        let shutdown = CancellationToken::new();
        let session = serve(ours, Arc::new(fake.clone()), Arc::new(settings), shutdown.clone());
        Self { stream: BufReader::new(theirs), session: tokio::spawn(session), shutdown }
    }

    /// A client whose greeting has been read.
    pub async fn greeted(fake: &Fake) -> Self {
        let mut client = Self::connect(fake, settings());
        assert!(client.line().await.starts_with("* OK [CAPABILITY IMAP4rev1 IMAP4rev2 "));
        client
    }

    /// A client that is logged in.
    pub async fn logged_in(fake: &Fake) -> Self {
        let mut client = Self::greeted(fake).await;
        client.log_in().await;
        client
    }

    /// A client that has its INBOX open.
    pub async fn selected(fake: &Fake) -> Self {
        let mut client = Self::logged_in(fake).await;
        client.ok("SELECT INBOX").await;
        client
    }

    pub async fn log_in(&mut self) {
        let answer = self.ask(&format!("LOGIN {LOGIN} \"{PASSWORD}\"")).await;
        assert!(answer.last().is_some_and(|last| last.starts_with("a OK [CAPABILITY ")), "{answer:?}");
    }

    pub async fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.expect("the server reads");
        self.stream.flush().await.expect("the server reads");
    }

    /// Sends to a server that may have closed.
    pub async fn send_gently(&mut self, octets: &[u8]) {
        let _ = self.stream.write_all(octets).await;
    }

    /// Says that nothing more comes.
    pub async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next line, without its line end; empty at the end of the connection.
    pub async fn line(&mut self) -> String {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line);
        tokio::time::timeout(PATIENCE, read).await.expect("an answer").expect("readable");
        if line.ends_with(b"\r\n") {
            line.truncate(line.len() - 2);
        }
        String::from_utf8(line).expect("UTF-8")
    }

    /// Sends a command with the tag `a` and reads all lines of its answer.
    pub async fn ask(&mut self, command: &str) -> Vec<String> {
        self.send(format!("a {command}\r\n").as_bytes()).await;
        self.answer().await
    }

    /// The lines up to one with the tag `a`.
    pub async fn answer(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            lines.push(self.line().await);
            let last = lines.last().expect("one line");
            assert!(!last.is_empty() || lines.len() > 1, "the connection ended: {lines:?}");
            if last.starts_with("a ") {
                return lines;
            }
        }
    }

    /// The untagged lines of a command that must succeed.
    pub async fn ok(&mut self, command: &str) -> Vec<String> {
        let mut answer = self.ask(command).await;
        let last = answer.pop().unwrap_or_default();
        assert!(last.starts_with("a OK "), "{command}: {answer:#?} {last}");
        answer
    }

    /// The tagged line of a command.
    pub async fn tagged(&mut self, command: &str) -> String {
        self.ask(command).await.pop().unwrap_or_default()
    }

    /// Whatever comes until the connection ends, and how the session ended.
    pub async fn rest(mut self) -> (String, SessionEnd) {
        let mut rest = Vec::new();
        let read = self.stream.read_to_end(&mut rest);
        // A reset instead of an end is as good.
        let _ = tokio::time::timeout(PATIENCE, read).await.expect("the server closes");
        let end = tokio::time::timeout(PATIENCE, self.session).await.expect("the session ends");
        (String::from_utf8_lossy(&rest).into_owned(), end.expect("a session does not panic"))
    }

    /// Goes on with DEFLATE, after COMPRESS: between this client and the server stands one that compresses.
    pub fn deflated(self) -> Self {
        assert!(self.stream.buffer().is_empty(), "nothing came ahead");
        let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        let (ahead, mut behind) = UnixStream::pair().expect("a socket pair");
        let mut server = self.stream.into_inner();
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut server, &mut theirs).await });
        let mut server = Deflated::new(Connection::Unix(ours));
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut server, &mut behind).await });
        Self { stream: BufReader::new(Box::new(ahead)), ..self }
    }

    /// The session, when its client says nothing more.
    pub fn into_parts(self) -> (Box<dyn Stream>, JoinHandle<SessionEnd>) {
        (self.stream.into_inner(), self.session)
    }
}

/// A server's certificate, and who trusts it.
pub struct Tls {
    server: Arc<rustls::ServerConfig>,
    client: tokio_rustls::TlsConnector,
}

impl Tls {
    pub fn new() -> Self {
        let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::try_from(identity.signing_key.serialize_der()).expect("a fresh key");
        let server = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("the provider knows them")
            .with_no_client_auth()
            .with_single_cert(vec![identity.cert.der().clone()], key)
            .expect("a key and its certificate");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(identity.cert.der().clone()).expect("a certificate");
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { server: Arc::new(server), client: tokio_rustls::TlsConnector::from(Arc::new(client)) }
    }

    /// A client over TCP without TLS, to a server that offers STARTTLS.
    pub async fn plain_client(&self, fake: &Fake) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let theirs = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("it listens");
        let (ours, _) = listener.accept().await.expect("a connection");
        let settings = Settings { tls: Some(self.server.clone()), ..settings() };
        Client::talking(Connection::Plain(ours), Box::new(theirs), fake, settings)
    }

    /// Shakes hands after STARTTLS.
    pub async fn start(&self, client: Client) -> Client {
        let Client { stream, session, shutdown } = client;
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = self.client.connect(name, stream.into_inner()).await.expect("a handshake");
        Client { stream: BufReader::new(Box::new(stream)), session, shutdown }
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
