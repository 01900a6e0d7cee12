//! Commands: one checked line to one typed value.
//!
//! smtp-proto reads the grammar. It is a lenient reader, so the checks around it refuse what it
//! would let pass: control characters, words after a command that takes none, numbers too large
//! for their type (it wraps them), parameters given twice or not offered.

use smtp_proto as proto;

use super::path::{self, ForwardPath, ReversePath};

/// A command from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// HELO, EHLO or LHLO.
    Hello {
        /// Which of the three.
        dialect: Dialect,
        /// What the client calls itself.
        name: String,
    },
    /// MAIL.
    Mail(Mail),
    /// RCPT.
    Rcpt(Rcpt),
    /// DATA.
    Data,
    /// BDAT.
    Bdat(Chunk),
    /// STARTTLS.
    StartTls,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// VRFY; its argument is never looked at, so that no answer can depend on it.
    Vrfy,
    /// EXPN; as VRFY.
    Expn,
    /// HELP.
    Help,
    /// QUIT.
    Quit,
    /// A command of an extension that this server does not offer: AUTH, ETRN, ATRN, BURL.
    Unoffered,
}

/// Which greeting a client uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// HELO: SMTP without extensions.
    Helo,
    /// EHLO: SMTP with extensions.
    Ehlo,
    /// LHLO: LMTP (RFC 2033 §4.1).
    Lhlo,
}

/// MAIL and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The reverse path; none for `<>`.
    pub reverse_path: Option<ReversePath>,
    /// SIZE: how large the message will be, in octets (RFC 1870 §6).
    pub size: Option<u64>,
    /// BODY (RFC 6152 §2).
    pub body: Body,
    /// SMTPUTF8: addresses and header fields may hold UTF-8 (RFC 6531 §3.4).
    pub smtputf8: bool,
}

/// What BODY declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// `7BIT`, and the default.
    #[default]
    SevenBit,
    /// `8BITMIME`.
    EightBitMime,
}

/// RCPT. It has no parameters here: those of RFC 3461 are for servers that send DSNs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rcpt {
    /// Where the message shall go.
    pub path: ForwardPath,
    /// Whether the command holds characters beyond ASCII, which only SMTPUTF8 transactions may.
    pub international: bool,
}

/// BDAT's arguments (RFC 3030 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Octets that follow the command line.
    pub size: u64,
    /// Whether it is the last chunk of the message.
    pub last: bool,
}

/// Why a line is no command that this server takes. The client is at fault in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// No such command.
    #[error("no such command")]
    Unknown,
    /// The line is no UTF-8 or holds control characters.
    #[error("the line holds characters that no command may hold")]
    Characters,
    /// The arguments do not fit the command.
    #[error("the arguments do not fit the command")]
    Arguments,
    /// BDAT's arguments do not fit, so nobody knows where the chunk ends.
    #[error("the size of the chunk is unreadable")]
    ChunkSize,
    /// A parameter's value is not allowed, or the parameter comes twice.
    #[error("a parameter has a wrong value or comes twice")]
    Parameter,
    /// A parameter of no extension that this server offers.
    #[error("a parameter is not known here")]
    UnknownParameter,
    /// The reverse path is no address.
    #[error("the reverse path is no address")]
    ReversePath,
    /// The forward path is no address.
    #[error("the forward path is no address")]
    ForwardPath,
    /// A path holds characters beyond ASCII, and the transaction is not SMTPUTF8.
    #[error("the path needs SMTPUTF8")]
    NeedsUtf8,
}

impl Command {
    /// Reads one line, without its CRLF.
    pub fn parse(line: &[u8]) -> Result<Self, CommandError> {
        let line = std::str::from_utf8(line).map_err(|_| CommandError::Characters)?;
        if line.chars().any(char::is_control) {
            return Err(CommandError::Characters);
        }
        // RFC 5321 §4.1.1: servers tolerate white space at the end of the line, not at its start.
        let line = line.trim_end_matches(' ');
        if !line.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return Err(CommandError::Unknown);
        }
        match verb(line).as_str() {
            "MAIL" => mail(line).map(Self::Mail),
            "RCPT" => rcpt(line).map(Self::Rcpt),
            "BDAT" => other(line).map_err(|_| CommandError::ChunkSize),
            _ => other(line),
        }
    }
}

fn verb(line: &str) -> String {
    line.split(' ').next().unwrap_or_default().to_ascii_uppercase()
}

fn mail(line: &str) -> Result<Mail, CommandError> {
    let cut = path::cut(line).ok_or(CommandError::Arguments)?;
    check_parameters(&cut.parameters, MAIL_PARAMETERS)?;
    // Nothing here goes by the reverse path, so it need not be one that smtp-proto knows: it reads the
    // words around it, beside the null path.
    let words = format!("{}<> {}", cut.verb, cut.parameters.join(" "));
    let proto::Request::Mail { from } = read(&words, CommandError::ReversePath)? else {
        return Err(CommandError::Arguments);
    };
    let smtputf8 = from.flags & proto::MAIL_SMTPUTF8 != 0;
    if !smtputf8 && !line.is_ascii() {
        return Err(CommandError::NeedsUtf8);
    }
    Ok(Mail {
        reverse_path: path::reverse(cut.path).ok_or(CommandError::ReversePath)?,
        size: find(&cut.parameters, "SIZE").map(|_| from.size as u64),
        body: body(from.flags)?,
        smtputf8,
    })
}

fn body(flags: u64) -> Result<Body, CommandError> {
    if flags & proto::MAIL_BODY_BINARYMIME != 0 {
        return Err(CommandError::UnknownParameter); // RFC 3030 §3: not offered
    }
    Ok(if flags & proto::MAIL_BODY_8BITMIME != 0 { Body::EightBitMime } else { Body::SevenBit })
}

fn rcpt(line: &str) -> Result<Rcpt, CommandError> {
    let cut = path::cut(line).ok_or(CommandError::Arguments)?;
    check_parameters(&cut.parameters, RCPT_PARAMETERS)?;
    let path = match path::unusual(cut.path) {
        // smtp-proto refuses these paths; the words before them are read beside one that it takes.
        Some(path) => {
            read_rcpt(&format!("{}<postmaster>", cut.verb))?;
            Some(path)
        }
        None => path::forward(cut.path, &read_rcpt(cut.head)?.address),
    };
    Ok(Rcpt { path: path.ok_or(CommandError::ForwardPath)?, international: !line.is_ascii() })
}

fn read_rcpt(words: &str) -> Result<proto::RcptTo<String>, CommandError> {
    match read(words, CommandError::ForwardPath)? {
        proto::Request::Rcpt { to } => Ok(to),
        _ => Err(CommandError::Arguments),
    }
}

fn other(line: &str) -> Result<Command, CommandError> {
    use proto::Request;
    let words = line.split_ascii_whitespace().count();
    let bare = |command| if words == 1 { Ok(command) } else { Err(CommandError::Arguments) };
    match read(line, CommandError::Arguments)? {
        Request::Helo { host } => Ok(Command::Hello { dialect: Dialect::Helo, name: host }),
        Request::Ehlo { host } => Ok(Command::Hello { dialect: Dialect::Ehlo, name: host }),
        Request::Lhlo { host } => Ok(Command::Hello { dialect: Dialect::Lhlo, name: host }),
        Request::Data => bare(Command::Data),
        Request::Rset => bare(Command::Rset),
        Request::Quit => bare(Command::Quit),
        Request::StartTls => bare(Command::StartTls),
        Request::Bdat { chunk_size, is_last } => chunk(line, chunk_size as u64, is_last),
        Request::Noop { .. } => Ok(Command::Noop),
        Request::Help { .. } => Ok(Command::Help),
        Request::Vrfy { .. } => Ok(Command::Vrfy),
        Request::Expn { .. } => Ok(Command::Expn),
        _ => Ok(Command::Unoffered),
    }
}

/// A size that smtp-proto wrapped, or a word after LAST, would put the end of the chunk elsewhere
/// than the client does: what follows would be read as commands.
fn chunk(line: &str, size: u64, last: bool) -> Result<Command, CommandError> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let declared = words.next().and_then(number).ok_or(CommandError::Arguments)?;
    let words_left = words.count();
    if declared != size || words_left != usize::from(last) {
        return Err(CommandError::Arguments);
    }
    Ok(Command::Bdat(Chunk { size, last }))
}

fn number(word: &str) -> Option<u64> {
    // `parse` alone would take a sign.
    word.bytes().all(|octet| octet.is_ascii_digit()).then(|| word.parse().ok())?
}

/// Gives the line to smtp-proto; `path` names the path at fault when it finds the path malformed.
fn read(line: &str, path: CommandError) -> Result<proto::Request<String>, CommandError> {
    let mut octets = Vec::with_capacity(line.len() + 2);
    octets.extend_from_slice(line.as_bytes());
    octets.extend_from_slice(b"\r\n");
    let parsed = proto::Request::parse(&mut octets.iter());
    parsed.map(proto::Request::into_owned).map_err(|error| match error {
        proto::Error::UnknownCommand => CommandError::Unknown,
        proto::Error::InvalidSenderAddress | proto::Error::InvalidRecipientAddress => path,
        proto::Error::InvalidParameter { .. } => CommandError::Parameter,
        proto::Error::UnsupportedParameter { .. } => CommandError::UnknownParameter,
        _ => CommandError::Arguments,
    })
}

fn split(word: &str) -> (String, Option<&str>) {
    match word.split_once('=') {
        Some((keyword, value)) => (keyword.to_ascii_uppercase(), Some(value)),
        None => (word.to_ascii_uppercase(), None),
    }
}

fn find<'a>(parameters: &[&'a str], wanted: &str) -> Option<&'a str> {
    parameters.iter().find_map(|word| match split(word) {
        (keyword, value) if keyword == wanted => value,
        _ => None,
    })
}

fn check_parameters(parameters: &[&str], offered: &[&str]) -> Result<(), CommandError> {
    let mut seen = Vec::with_capacity(parameters.len());
    for word in parameters {
        let (keyword, value) = split(word);
        if !offered.contains(&keyword.as_str()) {
            return Err(CommandError::UnknownParameter);
        }
        let value_fits = match (keyword.as_str(), value) {
            ("SIZE", Some(value)) => number(value).is_some(),
            ("SMTPUTF8", value) => value.is_none(),
            (_, value) => value.is_some(),
        };
        if !value_fits || seen.contains(&keyword) {
            return Err(CommandError::Parameter);
        }
        seen.push(keyword);
    }
    Ok(())
}

const MAIL_PARAMETERS: &[&str] = &["SIZE", "BODY", "SMTPUTF8"];
const RCPT_PARAMETERS: &[&str] = &[];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(line: &str) -> Result<Command, CommandError> {
        Command::parse(line.as_bytes())
    }

    fn mail_of(line: &str) -> Mail {
        match parse(line) {
            Ok(Command::Mail(mail)) => mail,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn rcpt_of(line: &str) -> Rcpt {
        match parse(line) {
            Ok(Command::Rcpt(rcpt)) => rcpt,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn plain_commands_in_any_case() {
        for (line, command) in [
            ("data", Command::Data),
            ("RSET ", Command::Rset),
            ("Quit", Command::Quit),
            ("STARTTLS", Command::StartTls),
            ("NOOP and more", Command::Noop),
            ("VRFY ann", Command::Vrfy),
            ("HELP", Command::Help),
            ("AUTH PLAIN AGFubg==", Command::Unoffered),
            ("BDAT 10 LAST", Command::Bdat(Chunk { size: 10, last: true })),
            ("bdat 0", Command::Bdat(Chunk { size: 0, last: false })),
        ] {
            assert_eq!(parse(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn greetings_keep_the_name() {
        let name = "mx.example".to_owned();
        let hello = Command::Hello { dialect: Dialect::Ehlo, name };
        assert_eq!(parse("EHLO mx.example"), Ok(hello));
        assert_eq!(parse("EHLO"), Err(CommandError::Arguments));
        assert!(matches!(parse("LHLO [192.0.2.1]"), Ok(Command::Hello { dialect: Dialect::Lhlo, .. })));
    }

    #[test]
    fn lines_that_smtp_proto_would_let_pass() {
        for line in ["DATA now", "RSET x", "QUIT x", "STARTTLS x"] {
            assert_eq!(parse(line), Err(CommandError::Arguments), "{line}");
        }
        // It wraps numbers that are too large: 21 nines become 9.
        for line in ["BDAT 999999999999999999999", "BDAT 5 LAST x", "BDAT 5 x", "BDAT -5", "BDAT"] {
            assert_eq!(parse(line), Err(CommandError::ChunkSize), "{line}");
        }
        assert_eq!(parse("MAIL FROM:<a@b.example> SIZE=999999999999999999999"), Err(CommandError::Parameter));
        assert_eq!(parse(" NOOP"), Err(CommandError::Unknown));
        assert_eq!(parse("NOOP\t"), Err(CommandError::Characters));
        assert_eq!(parse("GET / HTTP/1.1"), Err(CommandError::Unknown));
        assert_eq!(parse(""), Err(CommandError::Unknown));
        assert_eq!(Command::parse(b"NOOP \xff"), Err(CommandError::Characters));
    }

    #[test]
    fn null_and_postmaster_are_not_confused() {
        assert_eq!(mail_of("MAIL FROM:<>").reverse_path, None);
        assert_eq!(parse("MAIL FROM:<postmaster>"), Err(CommandError::ReversePath));
        assert_eq!(rcpt_of("RCPT TO:<PostMaster>").path, ForwardPath::Postmaster);
        assert_eq!(parse("RCPT TO:<>"), Err(CommandError::ForwardPath));
    }

    #[test]
    fn paths_keep_their_spelling() {
        let mail = mail_of("MAIL FROM:<Bounce+Ann=B.example@List.example>");
        let path = mail.reverse_path.expect("a path");
        assert_eq!(path.spelled(), "Bounce+Ann=B.example@List.example");
        let mail = mail_of("mail from:<\"a>b c\"@[IPv6:2001:db8::7]> SIZE=9");
        assert_eq!(mail.reverse_path.expect("a path").spelled(), "\"a>b c\"@[IPv6:2001:db8::7]");
        assert_eq!(mail.size, Some(9));
    }

    #[test]
    fn source_routes_are_ignored() {
        let rcpt = rcpt_of("RCPT TO:<@a.example,@b.example:ann@c.example>");
        assert!(matches!(rcpt.path, ForwardPath::Mailbox(found) if found.spelled() == "ann@c.example"));
    }

    #[test]
    fn address_literals_are_recognised() {
        assert_eq!(rcpt_of("RCPT TO:<ann@[127.0.0.1]>").path, ForwardPath::Literal);
        assert_eq!(rcpt_of("RCPT TO:<ann@[IPv6:::1]>").path, ForwardPath::Literal);
        assert_eq!(parse("RCPT TO:<ann@[127.0.0.256]>"), Err(CommandError::ForwardPath));
        assert_eq!(parse("MAIL FROM:<ann@[127.0.0.256]>"), Err(CommandError::ReversePath));
    }

    #[test]
    fn malformed_paths_are_refused() {
        let long = format!("RCPT TO:<{}@b.example>", "a".repeat(250));
        for line in [
            "RCPT TO:<ann>",
            "RCPT TO:<a@b@c.example>",
            "RCPT TO:<a b@c.example>",
            "RCPT TO:<an\"n\"@c.example>",
            "RCPT TO:<ann@c.example>x",
            "RCPT TO:<ann@c.example",
            "RCPT TO:ann@c.example",
            "RCPT TO:<<ann@c.example>>",
            "RCPT TO:<ann@c.example,bob@c.example>",
            long.as_str(),
        ] {
            let refusal = parse(line);
            let expected = matches!(refusal, Err(CommandError::Arguments | CommandError::ForwardPath));
            assert!(expected, "{line}: {refusal:?}");
        }
    }

    #[test]
    fn mail_parameters() {
        let mail = mail_of("MAIL FROM:<a@b.example> SIZE=12 body=8bitmime SMTPUTF8");
        assert_eq!((mail.size, mail.body, mail.smtputf8), (Some(12), Body::EightBitMime, true));
        for (parameters, error) in [
            ("SIZE=1 SIZE=2", CommandError::Parameter),
            ("SIZE", CommandError::Parameter),
            ("SIZE=-1", CommandError::Parameter),
            ("BODY=BINARYMIME", CommandError::UnknownParameter),
            ("BODY=9BIT", CommandError::Parameter),
            ("SMTPUTF8=yes", CommandError::Parameter),
            ("RET=HDRS", CommandError::UnknownParameter),
            ("ENVID=QQ", CommandError::UnknownParameter),
            ("AUTH=<>", CommandError::UnknownParameter),
            ("HOLDFOR=9", CommandError::UnknownParameter),
            ("X=1", CommandError::UnknownParameter),
        ] {
            assert_eq!(parse(&format!("MAIL FROM:<a@b.example> {parameters}")), Err(error), "{parameters}");
        }
    }

    /// RFC 5321 §4.1.1.11: 555 for parameters of what EHLO does not announce.
    #[test]
    fn rcpt_has_no_parameters() {
        for parameters in ["NOTIFY=NEVER", "ORCPT=rfc822;a+2Bb@c.example", "X"] {
            let refusal = parse(&format!("RCPT TO:<a@b.example> {parameters}"));
            assert_eq!(refusal, Err(CommandError::UnknownParameter), "{parameters}");
        }
    }

    #[test]
    fn local_parts_that_need_quotes_are_addresses() {
        for (line, spelled, compared) in [
            ("RCPT TO:<\"a>b\"@c.example>", "\"a>b\"@c.example", "\"a>b\"@c.example"),
            ("RCPT TO:<Foo..bar@c.example>", "Foo..bar@c.example", "\"foo..bar\"@c.example"),
            ("rcpt to:<\"ann b\"@c.example>", "\"ann b\"@c.example", "\"ann b\"@c.example"),
            ("RCPT TO:<\"a\\nn\"@c.example>", "\"a\\nn\"@c.example", "ann@c.example"),
        ] {
            let ForwardPath::Mailbox(found) = rcpt_of(line).path else { panic!("{line}") };
            assert_eq!((found.spelled(), found.address().reveal().as_str()), (spelled, compared));
        }
        assert_eq!(parse("RCPT FROM:<\"a b\"@c.example>"), Err(CommandError::Arguments));
    }

    #[test]
    fn letters_beyond_ascii_need_smtputf8() {
        assert_eq!(parse("MAIL FROM:<ä@b.example>"), Err(CommandError::NeedsUtf8));
        assert!(mail_of("MAIL FROM:<ä@b.example> SMTPUTF8").smtputf8);
        assert!(rcpt_of("RCPT TO:<ä@b.example>").international);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Command::parse(&line);
        }

        #[test]
        fn no_path_panics(verb in "MAIL FROM:|RCPT TO:", path in "[<>@:\",.\\\\ a-zä\\[\\]]{0,40}") {
            let _ = parse(&format!("{verb}<{path}>"));
        }

        #[test]
        fn every_accepted_address_is_the_one_on_the_line(local in "[a-zA-Z0-9.+_\"-]{1,20}") {
            if let Ok(Command::Rcpt(Rcpt { path: ForwardPath::Mailbox(found), .. })) =
                parse(&format!("RCPT TO:<{local}@b.example>"))
            {
                prop_assert_eq!(found.spelled(), format!("{local}@b.example"));
            }
        }
    }
}
