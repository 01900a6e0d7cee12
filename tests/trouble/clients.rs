//! Mail clients that block: SMTP, LMTP, POP3 over TLS, and plain HTTP for metrics.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

pub const ADDRESS: &str = "alice@demo.example";

/// Longer than any answer takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(90);

pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What is spoken to reception.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Smtp,
    Lmtp,
}

/// A mail server that delivers to ours.
pub struct Sender {
    stream: BufReader<TcpStream>,
}

impl Sender {
    /// Connects and says EHLO or LHLO.
    pub fn connect(address: SocketAddr, way: Way) -> io::Result<Self> {
        let mut sender = Self { stream: BufReader::new(connect(address)?) };
        require(&sender.reply()?, "220")?;
        let hello = if way == Way::Lmtp { "LHLO" } else { "EHLO" };
        require(&sender.ask(&format!("{hello} client.example"))?, "250")?;
        Ok(sender)
    }

    /// Sends a line and reads its reply: the last line of it.
    pub fn ask(&mut self, line: &str) -> io::Result<String> {
        self.write(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// MAIL, RCPT and DATA; the server waits for content.
    pub fn begin(&mut self) -> io::Result<()> {
        require(&self.ask("MAIL FROM:<sender@elsewhere.example>")?, "250")?;
        require(&self.ask(&format!("RCPT TO:<{ADDRESS}>"))?, "250")?;
        require(&self.ask("DATA")?, "354")
    }

    /// Delivers a letter that ends in CRLF; the reply to its end.
    pub fn deliver(&mut self, letter: &[u8]) -> io::Result<String> {
        self.begin()?;
        self.write(&stuffed(letter))?;
        self.ask(".")
    }

    /// Delivers any octets, in one chunk (RFC 3030).
    pub fn deliver_chunk(&mut self, octets: &[u8]) -> io::Result<String> {
        require(&self.ask("MAIL FROM:<sender@elsewhere.example>")?, "250")?;
        require(&self.ask(&format!("RCPT TO:<{ADDRESS}>"))?, "250")?;
        self.write(format!("BDAT {} LAST\r\n", octets.len()).as_bytes())?;
        self.write(octets)?;
        self.reply()
    }

    pub fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(octets)
    }

    /// The last line of a reply (RFC 5321 §4.2.1).
    pub fn reply(&mut self) -> io::Result<String> {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 || !line.ends_with('\n') {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }
}

fn require(reply: &str, code: &str) -> io::Result<()> {
    if reply.starts_with(code) { Ok(()) } else { Err(io::Error::other(reply.to_owned())) }
}

/// Lines that begin with a dot get one more (RFC 5321 §4.5.2).
pub fn stuffed(letter: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(letter.len() + 64);
    for line in letter.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    stuffed
}

/// A mail client that fetches over TLS.
pub struct Fetcher {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl Fetcher {
    pub fn connect(address: SocketAddr, certificate: &Path) -> io::Result<Self> {
        let name = ServerName::try_from("localhost").expect("a name");
        let client = ClientConnection::new(trusting(certificate), name).map_err(io::Error::other)?;
        let stream = StreamOwned::new(client, connect(address)?);
        let mut fetcher = Self { stream: BufReader::new(stream) };
        fetcher.line().and_then(|greeting| positive(greeting).map_err(io::Error::other))?;
        Ok(fetcher)
    }

    /// The certificate that the server showed.
    pub fn certificate(&self) -> Vec<u8> {
        let shown = self.stream.get_ref().conn.peer_certificates().expect("a handshake took place");
        shown[0].to_vec()
    }

    /// USER and PASS; an error is what the server says.
    pub fn log_in(&mut self, password: &str) -> Result<(), String> {
        self.ask(&format!("USER {ADDRESS}"))?;
        self.ask(&format!("PASS {password}")).map(drop)
    }

    /// How many messages there are.
    pub fn count(&mut self) -> Result<usize, String> {
        let answer = self.ask("STAT")?;
        let count = answer.split(' ').nth(1).and_then(|count| count.parse().ok());
        count.ok_or_else(|| format!("STAT said {answer}"))
    }

    pub fn retrieve(&mut self, number: usize) -> Result<Vec<u8>, String> {
        self.ask(&format!("RETR {number}"))?;
        self.lines()
    }

    pub fn ask(&mut self, line: &str) -> Result<String, String> {
        let asked = self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes());
        asked.map_err(|error| error.to_string())?;
        positive(self.line().map_err(|error| error.to_string())?)
    }

    /// A multi-line answer without its final dot and its dot-stuffing (RFC 1939 §3).
    pub fn lines(&mut self) -> Result<Vec<u8>, String> {
        let mut all = Vec::new();
        loop {
            let mut line = Vec::new();
            self.stream.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
            match line.as_slice() {
                b".\r\n" => return Ok(all),
                [.., b'\n'] => all.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line)),
                _ => return Err("the answer broke off".to_owned()),
            }
        }
    }

    pub fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

fn positive(answer: String) -> Result<String, String> {
    if answer.starts_with("+OK") { Ok(answer) } else { Err(answer) }
}

pub fn trusting(certificate: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for one in CertificateDer::pem_file_iter(certificate).expect("the certificate can be read") {
        roots.add(one.expect("PEM")).expect("a certificate");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(builder.expect("the provider knows them").with_root_certificates(roots).with_no_client_auth())
}

/// The value of a metric without labels.
pub fn metric(address: SocketAddr, name: &str) -> f64 {
    let mut stream = connect(address).expect("metrics are served");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: metrics\r\nConnection: close\r\n\r\n").expect("writes");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("reads");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("there is no metric {name}")).trim().parse().expect("a number")
}
