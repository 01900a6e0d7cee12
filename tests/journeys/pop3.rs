//! A POP3 client (RFC 1939) that trusts nothing it is told: under TLS, checking the certificate.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::{Device, Server};

/// A session in the transaction state.
pub struct Pop3 {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl Pop3 {
    /// Logs in; the error is the server's.
    pub fn open(server: &Server, device: &Device) -> Result<Self, String> {
        let mut session = Self::connect(server);
        session.command(&format!("USER {}", device.login))?;
        session.command(&format!("PASS {}", device.app_password))?;
        Ok(session)
    }

    /// Logs in with a device that has to work.
    #[track_caller]
    pub fn login(server: &Server, device: &Device) -> Self {
        Self::open(server, device).expect("the device may log in")
    }

    fn connect(server: &Server) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", server.port("pop3s"))).expect("POP3S listens");
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket has a timeout");
        let name = "localhost".try_into().expect("a host name");
        let tls = ClientConnection::new(Arc::new(trusting(server.ca_file())), name).expect("a TLS client");
        let mut session = Self { stream: BufReader::new(StreamOwned::new(tls, socket)) };
        session.reply().expect("a greeting");
        session
    }

    /// Sends a line; gives what stands behind `+OK`, or the error line.
    pub fn command(&mut self, line: &str) -> Result<String, String> {
        self.stream
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())
            .map_err(|error| error.to_string())?;
        self.reply()
    }

    /// Sends a line that is answered by many; gives them without dot-stuffing and terminator.
    pub fn lines(&mut self, line: &str) -> Result<Vec<u8>, String> {
        self.command(line)?;
        let mut content = Vec::new();
        loop {
            let line = self.line().map_err(|error| error.to_string())?;
            match line.strip_prefix(b".") {
                Some(b"\r\n") => return Ok(content),
                Some(rest) => content.extend_from_slice(rest),
                None => content.extend_from_slice(&line),
            }
        }
    }

    /// A whole message.
    #[track_caller]
    pub fn retr(&mut self, number: usize) -> Vec<u8> {
        self.lines(&format!("RETR {number}")).expect("the message is served")
    }

    /// A whole message as text, for what is ASCII anyway.
    #[track_caller]
    pub fn text(&mut self, number: usize) -> String {
        String::from_utf8_lossy(&self.retr(number)).into_owned()
    }

    /// The sizes that LIST states, in order.
    pub fn sizes(&mut self) -> Vec<usize> {
        self.listing("LIST").into_iter().map(|size| size.parse().expect("a size")).collect()
    }

    /// The unique identifiers, in order.
    pub fn uidl(&mut self) -> Vec<String> {
        self.listing("UIDL")
    }

    /// How many messages there are.
    pub fn count(&mut self) -> usize {
        self.sizes().len()
    }

    /// Ends the session; what was deleted is gone from now on.
    pub fn quit(mut self) {
        self.command("QUIT").expect("QUIT is answered");
    }

    fn listing(&mut self, command: &str) -> Vec<String> {
        let text = String::from_utf8(self.lines(command).expect("a listing")).expect("ASCII");
        let second = |line: &str| line.split(' ').nth(1).expect("two columns").to_owned();
        text.lines().map(second).collect()
    }

    fn reply(&mut self) -> Result<String, String> {
        let line = self.line().map_err(|error| error.to_string())?;
        let line = String::from_utf8(line).map_err(|error| error.to_string())?;
        match line.trim_end().strip_prefix("+OK") {
            Some(rest) => Ok(rest.trim_start().to_owned()),
            None => Err(line.trim_end().to_owned()),
        }
    }

    /// Reads up to LF, as most clients do; the server doubles dots after any LF for their sake.
    fn line(&mut self) -> std::io::Result<Vec<u8>> {
        let mut line = Vec::new();
        match self.stream.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }
}

/// A client that trusts the certificate of a file and no other.
pub fn trusting(ca_file: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(ca_file).expect("certificates");
    roots.add_parsable_certificates(certificates.map(|certificate| certificate.expect("a certificate")));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    builder.expect("the provider knows TLS").with_root_certificates(roots).with_no_client_auth()
}

const LONGEST_LINE: u64 = 16 * 1024 * 1024;
