//! A POP3 server on a free port of the loopback address, and a client that knows lines and nothing else.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use veilpost::gateway::pop3::{Delay, SessionEnd, Settings, serve};
use veilpost::net::stream::Connection;

use super::fakes::{Fake, LOGIN, PASSWORD};

/// Which door of the server: POP3 with STLS, or TLS from the start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Plain,
    Tls,
}

pub struct Stage {
    pub port: u16,
    pub certificate_pem: String,
    pub shutdown: CancellationToken,
    client_tls: tokio_rustls::TlsConnector,
    ends: mpsc::UnboundedReceiver<SessionEnd>,
    door: Door,
}

pub fn settings() -> Settings {
    Settings { refusal_delay: Delay::NONE, ..Settings::new("pop.vault.example") }
}

impl Stage {
    pub async fn open(door: Door, fake: Fake, mut settings: Settings) -> Self {
        let identity = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])
            .expect("a certificate for fixed names");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::try_from(identity.signing_key.serialize_der()).expect("a fresh key");
        let server_tls = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("the provider knows them")
            .with_no_client_auth()
            .with_single_cert(vec![identity.cert.der().clone()], key)
            .expect("a key and its certificate");
        let server_tls = Arc::new(server_tls);
        let mut roots = rustls::RootCertStore::empty();
        roots.add(identity.cert.der().clone()).expect("a certificate");
        let client_tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        settings.tls = Some(server_tls.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shutdown = CancellationToken::new();
        let (ended, ends) = mpsc::unbounded_channel();
        let (mailroom, settings, token) = (Arc::new(fake), Arc::new(settings), shutdown.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (mailroom, settings, token) = (mailroom.clone(), settings.clone(), token.clone());
                let (ended, tls) = (ended.clone(), server_tls.clone());
                // What a listener should do: replies leave whole, Nagle would only hold them back.
                socket.set_nodelay(true).expect("a TCP socket");
                tokio::spawn(async move {
                    let plain = Connection::Plain(socket);
                    let connection = match door {
                        Door::Plain => plain,
                        Door::Tls => plain.start_tls(tls).await.expect("a handshake"),
                    };
                    let _ = ended.send(serve(connection, mailroom, settings, token).await);
                });
            }
        });
        let client_tls = tokio_rustls::TlsConnector::from(Arc::new(client_tls));
        Self { port, certificate_pem: identity.cert.pem(), shutdown, client_tls, ends, door }
    }

    /// A connection whose greeting has been read.
    pub async fn client(&self) -> Client {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).await.expect("the server listens");
        let mut client = match self.door {
            Door::Plain => Client { stream: BufReader::new(Box::new(socket)) },
            Door::Tls => self.over_tls(socket).await,
        };
        assert_eq!(client.line().await, "+OK pop.vault.example POP3 ready");
        client
    }

    /// A client that is logged in.
    pub async fn logged_in(&self) -> Client {
        let mut client = self.client().await;
        assert!(client.ask(&format!("USER {LOGIN}")).await.starts_with("+OK"));
        assert_eq!(client.ask(&format!("PASS {PASSWORD}")).await, "+OK logged in");
        client
    }

    pub async fn over_tls(&self, socket: TcpStream) -> Client {
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = self.client_tls.connect(name, socket).await.expect("a handshake");
        Client { stream: BufReader::new(Box::new(stream)) }
    }

    /// How the next session to end ended.
    pub async fn end(&mut self) -> SessionEnd {
        let end = tokio::time::timeout(Duration::from_secs(20), self.ends.recv()).await;
        end.expect("a session ends").expect("the server runs")
    }
}

pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub struct Client {
    stream: BufReader<Box<dyn Stream>>,
}

impl Client {
    pub async fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.expect("the server reads");
        self.stream.flush().await.expect("the server reads");
    }

    /// The next line, without its line end; empty at the end of the connection.
    pub async fn line(&mut self) -> String {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line);
        tokio::time::timeout(Duration::from_secs(20), read).await.expect("an answer").expect("readable");
        if line.ends_with(b"\r\n") {
            line.truncate(line.len() - 2);
        }
        line.into_iter().map(char::from).collect()
    }

    /// Sends a command and reads a line.
    pub async fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes()).await;
        self.line().await
    }

    /// Sends a command and reads the lines of its answer, with the first and without the last, dots unstuffed.
    pub async fn ask_lines(&mut self, command: &str) -> Vec<String> {
        let mut lines = vec![self.ask(command).await];
        assert!(lines[0].starts_with("+OK"), "{command}: {}", lines[0]);
        loop {
            match self.line().await.as_str() {
                "." => return lines,
                line => lines.push(line.strip_prefix('.').unwrap_or(line).to_owned()),
            }
        }
    }

    /// Whatever comes until the connection ends.
    pub async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let read = self.stream.read_to_end(&mut rest);
        // A reset instead of an end is as good.
        let _ = tokio::time::timeout(Duration::from_secs(20), read).await.expect("the server closes");
        rest.into_iter().map(char::from).collect()
    }
}
