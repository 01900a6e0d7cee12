//! An IMAP client (RFC 9051) for what other clients have to be compared with: lines in, octets out.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use crate::pop3::trusting;
use crate::support::{Device, Server};

/// A session that is logged in.
pub struct Imap {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    commands: u32,
}

impl Imap {
    /// Logs in with a device that has to work.
    #[track_caller]
    pub fn login(server: &Server, device: &Device) -> Self {
        let mut session = Self::connect(server);
        session.ask(&format!("LOGIN {} {}", device.login, device.app_password));
        session
    }

    #[track_caller]
    fn connect(server: &Server) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", server.port("imaps"))).expect("IMAPS listens");
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket has a timeout");
        let name = "localhost".try_into().expect("a host name");
        let tls = ClientConnection::new(Arc::new(trusting(server.ca_file())), name).expect("a TLS client");
        let mut session = Self { stream: BufReader::new(StreamOwned::new(tls, socket)), commands: 0 };
        session.line();
        session
    }

    /// Tries to log in; whether the server refuses it.
    pub fn is_refused(server: &Server, login: &str, password: &str) -> bool {
        let mut session = Self::connect(server);
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        session.send(&format!("LOGIN \"{}\" \"{}\"", quoted(login), quoted(password))).1.starts_with("NO")
    }

    /// Logs in and selects INBOX.
    #[track_caller]
    pub fn inbox(server: &Server, device: &Device) -> Self {
        let mut session = Self::login(server, device);
        session.ask("SELECT INBOX");
        session
    }

    /// Sends a command that has to work; gives everything that the server says to it.
    #[track_caller]
    pub fn ask(&mut self, command: &str) -> String {
        let (said, end) = self.send(command);
        assert!(end.starts_with("OK"), "{command}: {end}");
        said + &end
    }

    /// Sends a command; gives the untagged responses and the tagged one.
    pub fn send(&mut self, command: &str) -> (String, String) {
        self.commands += 1;
        let tag = format!("journey{} ", self.commands);
        let line = format!("{tag}{command}\r\n");
        self.stream.get_mut().write_all(line.as_bytes()).expect("the server reads");
        let mut said = String::new();
        loop {
            let line = self.line();
            match line.strip_prefix(&tag) {
                Some(end) => return (said, end.to_owned()),
                None => said.push_str(&line),
            }
        }
    }

    /// The numbers that a SEARCH finds.
    #[track_caller]
    pub fn search(&mut self, keys: &str) -> Vec<u32> {
        let said = self.ask(&format!("SEARCH {keys}"));
        let found = said.lines().find_map(|line| line.strip_prefix("* SEARCH")).expect("a SEARCH response");
        found.split_whitespace().map(|number| number.parse().expect("a number")).collect()
    }

    /// An item of a STATUS response.
    #[track_caller]
    pub fn status(&mut self, folder: &str, item: &str) -> u64 {
        let said = self.ask(&format!("STATUS {folder} ({item})"));
        let (_, value) = said.split_once(&format!("({item} ")).expect("the item");
        value.split_once(')').expect("an end").0.parse().expect("a number")
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).expect("an answer");
        assert!(line.ends_with(b"\n"), "the connection ends after {line:?}");
        String::from_utf8_lossy(&line).into_owned()
    }
}
