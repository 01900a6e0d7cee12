//! One line to one command (RFC 1939 §3, RFC 2449 §4). Keywords in any case of letters, arguments
//! separated by single spaces. Knows nothing of states.

use crate::wire::sasl::{Mechanism, PasswordText};

/// A client's command.
pub enum Command {
    /// `CAPA` (RFC 2449 §5).
    Capabilities,
    /// `STLS` (RFC 2595 §4).
    StartTls,
    /// `USER name` (RFC 1939 §7).
    User(String),
    /// `PASS string` (RFC 1939 §7).
    Password(PasswordText),
    /// `AUTH` alone: which mechanisms are there? In no RFC, and yet Outlook asks.
    Mechanisms,
    /// `AUTH mechanism [initial-response]` (RFC 5034 §4).
    Authenticate {
        /// The mechanism, if it is one of ours.
        mechanism: Option<Mechanism>,
        /// The initial response as sent: base64 that may hold a password, or `=`.
        initial: Option<PasswordText>,
    },
    /// `UTF8` (RFC 6856 §2).
    Utf8,
    /// `STAT` (RFC 1939 §5).
    Stat,
    /// `LIST [msg]` (RFC 1939 §5).
    List(Option<MessageNumber>),
    /// `UIDL [msg]` (RFC 1939 §7).
    UniqueIds(Option<MessageNumber>),
    /// `RETR msg` (RFC 1939 §5).
    Retrieve(MessageNumber),
    /// `TOP msg n` (RFC 1939 §7).
    Top {
        /// Which message.
        number: MessageNumber,
        /// How many lines of its body.
        lines: u32,
    },
    /// `DELE msg` (RFC 1939 §5).
    Delete(MessageNumber),
    /// `RSET` (RFC 1939 §5).
    Reset,
    /// `NOOP` (RFC 1939 §5).
    Noop,
    /// `QUIT` (RFC 1939 §4, §6).
    Quit,
}

/// The number of a message within one session, counted from 1. It may be larger than any maildrop:
/// whether there is such a message is another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageNumber(u32);

impl MessageNumber {
    /// The number of the message at `index`, counted from 0. A maildrop of 2³² messages does not fit
    /// into memory long before numbers run out.
    pub fn from_index(index: usize) -> Self {
        Self(u32::try_from(index).map_or(u32::MAX, |index| index.saturating_add(1)))
    }

    /// Where the message stands, counted from 0; `None` for the number 0, which no message has.
    pub fn index(self) -> Option<usize> {
        self.0.checked_sub(1).map(|index| index as usize)
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// Why a line is no command. The peer's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The keyword is none of ours.
    #[error("unknown command")]
    Unknown,
    /// The keyword is ours; its arguments are missing, too many, or no numbers where numbers belong.
    #[error("the command's arguments do not have its form")]
    Arguments,
}

impl Command {
    /// Parses a line that ended in CRLF, without it.
    pub fn parse(line: &[u8]) -> Result<Self, CommandError> {
        let (keyword, rest) = split_once(line);
        let mut upper = [0; LONGEST_KEYWORD];
        let upper = upper.get_mut(..keyword.len()).ok_or(CommandError::Unknown)?;
        upper.copy_from_slice(keyword);
        upper.make_ascii_uppercase();
        match &*upper {
            b"USER" => parse_user(rest),
            b"PASS" => parse_password(rest),
            keyword => parse_words(keyword, words(rest)?),
        }
    }
}

/// The name is all of the rest: names of mailboxes elsewhere have had blanks.
fn parse_user(rest: Option<&[u8]>) -> Result<Command, CommandError> {
    let name = std::str::from_utf8(rest.unwrap_or_default()).map_err(|_| CommandError::Arguments)?;
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(CommandError::Arguments);
    }
    Ok(Command::User(name.to_owned()))
}

/// RFC 1939 §7: blanks in the argument are part of the password.
fn parse_password(rest: Option<&[u8]>) -> Result<Command, CommandError> {
    rest.and_then(PasswordText::parse).map(Command::Password).ok_or(CommandError::Arguments)
}

fn parse_words(keyword: &[u8], words: Words<'_>) -> Result<Command, CommandError> {
    let command = match (keyword, words) {
        (b"CAPA", [None, None]) => Command::Capabilities,
        (b"STLS", [None, None]) => Command::StartTls,
        (b"AUTH", [None, None]) => Command::Mechanisms,
        (b"AUTH", [Some(mechanism), initial]) => parse_authenticate(mechanism, initial)?,
        (b"UTF8", [None, None]) => Command::Utf8,
        (b"STAT", [None, None]) => Command::Stat,
        (b"LIST", [number, None]) => Command::List(parse_optional(number)?),
        (b"UIDL", [number, None]) => Command::UniqueIds(parse_optional(number)?),
        (b"RETR", [Some(number), None]) => Command::Retrieve(parse_number(number)?),
        (b"TOP", [Some(number), Some(lines)]) => {
            Command::Top { number: parse_number(number)?, lines: parse_count(lines)? }
        }
        (b"DELE", [Some(number), None]) => Command::Delete(parse_number(number)?),
        (b"RSET", [None, None]) => Command::Reset,
        (b"NOOP", [None, None]) => Command::Noop,
        (b"QUIT", [None, None]) => Command::Quit,
        (keyword, _) if KEYWORDS.contains(&keyword) => return Err(CommandError::Arguments),
        _ => return Err(CommandError::Unknown),
    };
    Ok(command)
}

fn parse_authenticate(mechanism: &[u8], initial: Option<&[u8]>) -> Result<Command, CommandError> {
    let initial = match initial {
        None => None,
        Some(response) => Some(PasswordText::parse(response).ok_or(CommandError::Arguments)?),
    };
    Ok(Command::Authenticate { mechanism: Mechanism::named(mechanism), initial })
}

fn parse_optional(word: Option<&[u8]>) -> Result<Option<MessageNumber>, CommandError> {
    word.map(parse_number).transpose()
}

fn parse_number(word: &[u8]) -> Result<MessageNumber, CommandError> {
    parse_count(word).map(MessageNumber)
}

/// Digits only, leading zeros allowed. Past the largest count it stays there: more messages or lines
/// than that nobody has, so the answer is the same.
fn parse_count(word: &[u8]) -> Result<u32, CommandError> {
    if word.is_empty() || word.len() > MAX_ARGUMENT || !word.iter().all(u8::is_ascii_digit) {
        return Err(CommandError::Arguments);
    }
    let add = |count: u32, digit: &u8| count.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
    Ok(word.iter().fold(0, add))
}

/// No command but USER and PASS has more than two arguments.
type Words<'a> = [Option<&'a [u8]>; 2];

/// Splits arguments at single spaces (RFC 1939 §3); spaces at the end of the line are forgiven.
fn words(rest: Option<&[u8]>) -> Result<Words<'_>, CommandError> {
    let rest = rest.unwrap_or_default().trim_ascii_end();
    if rest.is_empty() {
        return Ok([None, None]);
    }
    match split_once(rest) {
        (first, second) if first.is_empty() || second.is_some_and(|word| word.contains(&b' ')) => {
            Err(CommandError::Arguments)
        }
        (first, second) => Ok([Some(first), second]),
    }
}

fn split_once(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b' ', line) {
        Some(at) => (&line[..at], Some(&line[at + 1..])),
        None => (line, None),
    }
}

/// The longest command line, in octets with its CRLF (RFC 2449 §4).
pub const MAX_LINE: usize = 255;
/// The longest argument, in octets (RFC 1939 §3). Names and passwords may fill the line (RFC 2449 §4).
const MAX_ARGUMENT: usize = 40;
/// Keywords have three or four letters (RFC 1939 §3).
const LONGEST_KEYWORD: usize = 4;
const KEYWORDS: [&[u8]; 13] = [
    b"CAPA", b"STLS", b"AUTH", b"UTF8", b"STAT", b"LIST", b"UIDL", b"RETR", b"TOP", b"DELE", b"RSET",
    b"NOOP", b"QUIT",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A command in a form that tests compare; `Command` holds secrets and compares with nothing.
    fn seen(line: &[u8]) -> Result<String, CommandError> {
        let number = |number: Option<MessageNumber>| number.map_or("-".into(), |n| n.get().to_string());
        Ok(match Command::parse(line)? {
            Command::Capabilities => "capabilities".into(),
            Command::StartTls => "tls".into(),
            Command::User(name) => format!("user {name}"),
            Command::Password(password) => format!("password {}", password.expose()),
            Command::Mechanisms => "mechanisms".into(),
            Command::Authenticate { mechanism, initial } => {
                let name = mechanism.map_or("?", Mechanism::name);
                format!("authenticate {name} {}", initial.as_ref().map_or("-", PasswordText::expose))
            }
            Command::Utf8 => "utf8".into(),
            Command::Stat => "stat".into(),
            Command::List(n) => format!("list {}", number(n)),
            Command::UniqueIds(n) => format!("ids {}", number(n)),
            Command::Retrieve(n) => format!("retrieve {}", n.get()),
            Command::Top { number, lines } => format!("top {} {lines}", number.get()),
            Command::Delete(n) => format!("delete {}", n.get()),
            Command::Reset => "reset".into(),
            Command::Noop => "noop".into(),
            Command::Quit => "quit".into(),
        })
    }

    #[test]
    fn commands_are_read_in_any_case() {
        for (line, command) in [
            (&b"CAPA"[..], "capabilities"),
            (b"stls", "tls"),
            (b"UsEr ann@a.example", "user ann@a.example"),
            (b"AUTH", "mechanisms"),
            (b"AUTH PLAIN", "authenticate PLAIN -"),
            (b"auth login =", "authenticate LOGIN ="),
            (b"AUTH CRAM-MD5", "authenticate ? -"),
            (b"UTF8", "utf8"),
            (b"STAT", "stat"),
            (b"LIST", "list -"),
            (b"LIST 7", "list 7"),
            (b"UIDL", "ids -"),
            (b"uidl 12", "ids 12"),
            (b"RETR 1", "retrieve 1"),
            (b"TOP 1 0", "top 1 0"),
            (b"DELE 3", "delete 3"),
            (b"RSET", "reset"),
            (b"noop", "noop"),
            (b"QUIT", "quit"),
            (b"STAT  ", "stat"),
            (b"LIST ", "list -"),
        ] {
            assert_eq!(seen(line).as_deref(), Ok(command), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn a_password_keeps_its_blanks() {
        assert_eq!(seen(b"PASS  a b  c "), Ok("password  a b  c ".into()));
    }

    #[test]
    fn numbers_may_have_leading_zeros_and_do_not_wrap() {
        assert_eq!(seen(b"RETR 0001"), Ok("retrieve 1".into()));
        assert_eq!(seen(b"RETR 4294967297"), Ok(format!("retrieve {}", u32::MAX)));
        assert_eq!(seen(b"RETR 18446744073709551617"), Ok(format!("retrieve {}", u32::MAX)));
        assert_eq!(seen(b"RETR 0"), Ok("retrieve 0".into()));
        assert_eq!(MessageNumber(0).index(), None);
        assert_eq!(MessageNumber(1).index(), Some(0));
        assert_eq!(MessageNumber::from_index(0), MessageNumber(1));
    }

    #[test]
    fn arguments_have_a_form() {
        let long = [b"RETR ".as_slice(), &[b'1'; 41]].concat();
        for line in [
            &b"RETR"[..],
            b"RETR ",
            b"RETR 1 2",
            b"RETR  1",
            b"RETR -1",
            b"RETR +1",
            b"RETR 1x",
            b"RETR \xd9\xa1",
            b"TOP 1",
            b"TOP 1 2 3",
            b"STAT 1",
            b"QUIT now",
            b"USER",
            b"USER ",
            b"USER \xff",
            b"USER a\tb",
            b"PASS",
            b"PASS ",
            b"AUTH PLAIN a b",
            &long,
        ] {
            assert_eq!(seen(line), Err(CommandError::Arguments), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn other_keywords_are_unknown() {
        for line in [
            &b""[..],
            b" ",
            b"APOP ann 0123",
            b"XTND",
            b"STATS",
            b"RETRIEVE 1",
            b"GET / HTTP/1.1",
            b"\x16\x03\x01",
        ] {
            assert_eq!(seen(line), Err(CommandError::Unknown), "{}", String::from_utf8_lossy(line));
        }
    }

    proptest! {
        #[test]
        fn any_line_is_a_command_or_an_error(line: Vec<u8>) {
            let _ = Command::parse(&line);
        }

        #[test]
        fn near_commands_are_a_command_or_an_error(line in "(RETR|TOP|LIST|AUTH|PASS|USER|UIDL)[ 0-9=A-Za-z]{0,60}") {
            let _ = Command::parse(line.as_bytes());
        }
    }
}
