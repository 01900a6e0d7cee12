//! An SMTP and LMTP client (RFC 5321, 2033) that sends octets exactly as they are.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::Server;

/// A session after EHLO or LHLO.
pub struct Smtp {
    stream: BufReader<TcpStream>,
}

impl Smtp {
    /// To the SMTP port.
    pub fn connect(server: &Server) -> Self {
        Self::greet(server.port("smtp"), "EHLO")
    }

    /// To the LMTP port.
    pub fn connect_lmtp(server: &Server) -> Self {
        Self::greet(server.port("lmtp"), "LHLO")
    }

    /// To a mail server in front of ours.
    pub fn to_port(port: u16) -> Self {
        Self::greet(port, "EHLO")
    }

    fn greet(port: u16, hello: &str) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("the port listens");
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket has a timeout");
        let mut session = Self { stream: BufReader::new(socket) };
        session.reply();
        assert!(session.command(&format!("{hello} sender.example")).starts_with("250"));
        session
    }

    /// Sends a line; gives the last line of the reply.
    pub fn command(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    /// Begins a transaction with addressees that all have to be taken.
    #[track_caller]
    pub fn begin(&mut self, addressees: &[&str]) {
        assert!(self.command("MAIL FROM:<sender@elsewhere.example>").starts_with("250"));
        for addressee in addressees {
            let reply = self.command(&format!("RCPT TO:<{addressee}>"));
            assert!(reply.starts_with("250"), "{reply}");
        }
    }

    /// Sends a message by BDAT (RFC 3030): whatever its octets are.
    pub fn bdat(&mut self, message: &[u8]) -> String {
        self.send(format!("BDAT {} LAST\r\n", message.len()).as_bytes());
        self.send(message);
        self.reply()
    }

    /// Sends a message by DATA; it has to end in CRLF.
    pub fn data(&mut self, message: &[u8]) -> String {
        assert!(message.ends_with(b"\r\n") && self.command("DATA").starts_with("354"));
        let mut stuffed = Vec::with_capacity(message.len() + 64);
        for line in message.split_inclusive(|octet| *octet == b'\n') {
            if line.starts_with(b".") {
                stuffed.push(b'.');
            }
            stuffed.extend_from_slice(line);
        }
        stuffed.extend_from_slice(b".\r\n");
        self.send(&stuffed);
        self.reply()
    }

    /// One whole transaction that has to be taken.
    #[track_caller]
    pub fn deliver(&mut self, addressee: &str, message: &[u8]) {
        self.begin(&[addressee]);
        let reply = self.bdat(message);
        assert!(reply.starts_with("250"), "{reply}");
    }

    /// The last line of the next reply.
    pub fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = self.stream.read_line(&mut line).expect("a reply");
            assert!(read > 0, "the server hung up");
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    fn send(&mut self, octets: &[u8]) {
        self.stream.get_mut().write_all(octets).expect("the server reads");
    }
}

/// Sends one message to an address that takes it.
#[track_caller]
pub fn deliver(server: &Server, addressee: &str, message: &str) {
    Smtp::connect(server).deliver(addressee, message.replace('\n', "\r\n").as_bytes());
}
