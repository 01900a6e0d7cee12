//! An IMAP client that blocks (RFC 9051), over TLS: responses as they come, literals beside them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::clients::{ADDRESS, connect, trusting};
use super::world::{Server, World};

/// A session.
pub struct Imap {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    commands: u32,
}

/// One response: its text, with `{}` where literals were, and the literals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub text: String,
    pub literals: Vec<Vec<u8>>,
}

/// What the server says to a command.
#[derive(Clone, Debug)]
pub struct Answer {
    pub untagged: Vec<Response>,
    /// The tagged response without its tag.
    pub end: String,
}

impl Imap {
    /// Connects and takes the greeting.
    pub fn connect(address: SocketAddr, certificate: &Path) -> io::Result<Self> {
        let name = ServerName::try_from("localhost").expect("a name");
        let client = ClientConnection::new(trusting(certificate), name).map_err(io::Error::other)?;
        let stream = StreamOwned::new(client, connect(address)?);
        let mut imap = Self { stream: BufReader::new(stream), commands: 0 };
        let greeting = imap.response()?;
        if greeting.text.starts_with("* OK") { Ok(imap) } else { Err(io::Error::other(greeting.text)) }
    }

    pub fn log_in(&mut self, password: &str) -> io::Result<Answer> {
        self.ask(&format!("LOGIN {ADDRESS} {password}"))
    }

    /// Sends a command and takes its answer.
    pub fn ask(&mut self, command: &str) -> io::Result<Answer> {
        let tag = self.begin(command)?;
        self.answer(&tag)
    }

    /// A command that has to be obeyed.
    #[track_caller]
    pub fn done(&mut self, command: &str) -> Answer {
        let answer = self.ask(command).unwrap_or_else(|error| panic!("{command}: {error}"));
        assert!(answer.is_ok(), "{command}: {}", answer.end);
        answer
    }

    /// Sends a command; its tag.
    pub fn begin(&mut self, command: &str) -> io::Result<String> {
        self.commands += 1;
        let tag = format!("t{}", self.commands);
        self.write(format!("{tag} {command}\r\n").as_bytes())?;
        Ok(tag)
    }

    /// APPEND, as a client does that waits to be asked for the message.
    pub fn append(&mut self, folder: &str, flags: &str, letter: &[u8]) -> io::Result<Answer> {
        let tag = self.begin(&format!("APPEND {folder} ({flags}) {{{}}}", letter.len()))?;
        let said = self.response()?;
        if let Some(end) = said.text.strip_prefix(&format!("{tag} ")) {
            return Ok(Answer { untagged: Vec::new(), end: end.to_owned() });
        }
        if !said.text.starts_with('+') {
            return Err(io::Error::other(said.text));
        }
        self.write(letter)?;
        self.write(b"\r\n")?;
        self.answer(&tag)
    }

    /// IDLE, until the server idles along.
    pub fn idle(&mut self) -> String {
        let tag = self.begin("IDLE").expect("the server reads");
        assert!(self.response().expect("it answers").text.starts_with('+'));
        tag
    }

    pub fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(octets)
    }

    /// Everything up to the tagged response.
    pub fn answer(&mut self, tag: &str) -> io::Result<Answer> {
        let mut untagged = Vec::new();
        loop {
            let response = self.response()?;
            match response.text.strip_prefix(tag).and_then(|end| end.strip_prefix(' ')) {
                Some(end) => return Ok(Answer { untagged, end: end.to_owned() }),
                None => untagged.push(response),
            }
        }
    }

    /// The BYE that the server ends the session with; whatever comes before it is passed over.
    pub fn farewell(&mut self) -> String {
        let mut bye = String::new();
        while let Ok(response) = self.response() {
            if response.text.starts_with("* BYE") {
                bye = response.text;
            }
        }
        bye
    }

    pub fn response(&mut self) -> io::Result<Response> {
        let (mut text, mut literals) = (String::new(), Vec::new());
        loop {
            let mut line = Vec::new();
            self.stream.read_until(b'\n', &mut line)?;
            let Some(line) = line.strip_suffix(b"\r\n") else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            let line = String::from_utf8_lossy(line);
            let announced = line.strip_suffix('}').and_then(|line| line.rsplit_once('{'));
            let Some((before, Ok(size))) = announced.map(|(line, size)| (line, size.parse::<usize>())) else {
                text.push_str(&line);
                return Ok(Response { text, literals });
            };
            text.push_str(before);
            text.push_str("{}");
            let mut literal = vec![0; size];
            self.stream.read_exact(&mut literal)?;
            literals.push(literal);
        }
    }

    /// UIDs, flags, sizes, and what else is asked for, of messages in the open folder.
    #[track_caller]
    pub fn fetch(&mut self, numbers: &str, what: &str) -> Vec<Fetched> {
        let items = format!("UID FLAGS RFC822.SIZE {what}");
        self.done(&format!("UID FETCH {numbers} ({})", items.trim_end())).fetched()
    }
}

/// What a FETCH response tells of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    pub uid: u32,
    pub flags: Vec<String>,
    pub size: usize,
    pub octets: Vec<u8>,
}

impl Answer {
    pub fn is_ok(&self) -> bool {
        self.end.starts_with("OK")
    }

    /// The value of a response code, or of an item of a STATUS response.
    #[track_caller]
    pub fn number(&self, name: &str) -> u64 {
        let texts = self.untagged.iter().map(|response| response.text.as_str()).chain([self.end.as_str()]);
        let marks = [format!("[{name} "), format!("({name} "), format!(" {name} ")];
        let values = texts.flat_map(|text| {
            marks.iter().filter_map(move |mark| Some(text.split_once(mark.as_str())?.1.to_owned()))
        });
        let digits = |value: String| value.chars().take_while(char::is_ascii_digit).collect::<String>();
        values.filter_map(|value| digits(value).parse().ok()).next().unwrap_or_else(|| panic!("no {name}"))
    }

    /// The FETCH responses with a UID.
    pub fn fetched(&self) -> Vec<Fetched> {
        self.untagged.iter().filter_map(Fetched::read).collect()
    }
}

impl Fetched {
    fn read(response: &Response) -> Option<Self> {
        let (_, items) = response.text.split_once(" FETCH (")?;
        let after = |name: &str| items.split_once(name).map(|(_, value)| value);
        let digits = |value: &str| value.chars().take_while(char::is_ascii_digit).collect::<String>();
        let uid = digits(after("UID ")?).parse().ok()?;
        let flags = after("FLAGS (").and_then(|value| value.split_once(')')).map_or("", |(flags, _)| flags);
        let mut flags: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        flags.sort();
        let size = after("RFC822.SIZE ").and_then(|value| digits(value).parse().ok()).unwrap_or(0);
        Some(Self { uid, flags, size, octets: response.literals.first().cloned().unwrap_or_default() })
    }
}

impl Server {
    /// A session that is logged in to a view.
    pub fn imap(&self, world: &World, view: &str) -> Imap {
        let mut imap = Imap::connect(self.ports().imaps, &world.certificate()).expect("TLS");
        let answer = imap.log_in(world.app_password(view)).expect("it answers");
        assert!(answer.is_ok(), "{}", answer.end);
        imap
    }

    /// One with INBOX open.
    pub fn inbox(&self, world: &World, view: &str) -> Imap {
        let mut imap = self.imap(world, view);
        imap.done("SELECT INBOX");
        imap
    }
}
