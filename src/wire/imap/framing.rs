//! Where a command ends (RFC 9051 §2.2.1, §4.3; RFC 7888). Octets in, the next step out: nothing is copied,
//! nothing is scanned twice, and what breaks a limit is dropped in step with the client.
//!
//! It knows quotes and literals, the tag and the verb, but no command's grammar; that is [`super::parse`].

use memchr::{memchr, memmem};

/// Finds commands in the octets of one connection, and lives as long as the connection.
pub struct Framing {
    limits: Limits,
    stage: Stage,
    /// Where the line being read begins: at the command's first octet, or behind a literal.
    line: usize,
    /// Octets of the buffer before this one hold no end of the line being read.
    scanned: usize,
    /// Octets of the command's text before the line being read.
    text: usize,
    /// Octets of the command's literals.
    literal_octets: u64,
    /// How many literals the command has.
    literals: usize,
}

/// What commands may hold, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A command's text: all but its literals.
    pub text: usize,
    /// All literals of a command, the message of APPEND not counted.
    pub literals: u64,
    /// The message of APPEND (RFC 7889).
    pub append: u64,
    /// What is read of a refused command only to be dropped. Who sends more is hung up on.
    pub dropped: u64,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read more octets behind those in the buffer; at least so many are missing.
    More(u64),
    /// Send a continuation request, then go on.
    Continue,
    /// The first so many octets of the buffer are a command, its last CRLF included. Take them off the
    /// buffer, then go on.
    Command(usize),
    /// Take so many octets off the front of the buffer, then go on.
    Drop(usize),
    /// A command has been dropped. Answer it, then go on.
    Refused(Refusal),
    /// A command is larger than what can be dropped. Say so and close the connection.
    HangUp(Refusal),
}

/// A command that is not taken.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its tag, if it has a valid one.
    pub tag: Option<String>,
    /// Why.
    pub reason: RefusalReason,
}

/// Why a command is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// The message is larger than APPEND takes: `[TOOBIG]` (RFC 4469 §4.2, RFC 7889 §4).
    MessageTooLarge,
    /// Another literal is too large, or there are too many.
    LiteralTooLarge,
    /// The text is too long.
    TextTooLong,
    /// There is a NUL, or a CR or LF alone, outside of literals (RFC 9051 §4, §9).
    Malformed,
}

/// How a command begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// The tag, if it is a valid one.
    pub tag: Option<&'a str>,
    /// The word after it, in the case of letters it came in; after `UID`, the word after that.
    pub verb: &'a [u8],
    /// The word was `UID`.
    pub uid: bool,
    /// What follows the verb, a space before it included.
    pub arguments: &'a [u8],
}

enum Stage {
    /// Reading text.
    Text,
    /// Reading a literal that ends before this octet of the buffer.
    Literal(usize),
    /// Dropping what is left of a command; `spare` more octets may be dropped.
    Dropping { refusal: Refusal, rest: Rest, spare: u64 },
}

/// What is left of a command that is being dropped.
#[derive(Clone, Copy)]
enum Rest {
    /// So many octets of a literal, then text.
    Literal(u64),
    /// Text up to the end of its line.
    Text(Quotes),
    /// Nothing.
    Nothing,
}

/// Where a line of text stands with regard to quoted strings.
#[derive(Clone, Copy, Default)]
struct Quotes {
    open: bool,
    escaped: bool,
}

/// What a line of a command ends with.
#[derive(Clone, Copy)]
enum LineEnd {
    /// The command.
    Command,
    /// The head of a literal. The client waits for a continuation request or does not.
    Literal { octets: u64, waits: bool },
}

impl Limits {
    /// What a client may send before it has logged in.
    pub const BEFORE_LOGIN: Self = Self { text: MAX_LINE, literals: 1 << 10, append: 0, dropped: 64 << 10 };

    /// What a client may send once it has logged in; `append` is the largest message, in octets.
    pub const fn after_login(append: u64) -> Self {
        Self { text: MAX_LONG_LINE, literals: 64 << 10, append, dropped: 256 << 20 }
    }
}

impl Framing {
    /// Waits for the first command.
    pub fn new(limits: Limits) -> Self {
        Self { limits, stage: Stage::Text, line: 0, scanned: 0, text: 0, literal_octets: 0, literals: 0 }
    }

    /// Sets other limits. Call it between commands.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// What is to be done. `buffer` has all octets received and not yet taken off, so its front is that of
    /// the last call unless that said to take octets off.
    pub fn next(&mut self, buffer: &[u8]) -> Next {
        match self.stage {
            Stage::Dropping { .. } => self.drop_rest(buffer),
            Stage::Literal(end) if buffer.len() < end => Next::More((end - buffer.len() + CRLF.len()) as u64),
            Stage::Literal(end) => {
                (self.line, self.scanned, self.stage) = (end, end, Stage::Text);
                self.read_line(buffer)
            }
            Stage::Text => self.read_line(buffer),
        }
    }

    fn read_line(&mut self, buffer: &[u8]) -> Next {
        let end = self.find_line_end(buffer);
        let long = self.text + end.unwrap_or(buffer.len()) - self.line > self.limits.text;
        let Some(end) = end else {
            return if long {
                self.refuse(buffer, self.line, RefusalReason::TextTooLong, Rest::Text(Quotes::default()))
            } else {
                Next::More(1)
            };
        };
        let line = &buffer[self.line..end - CRLF.len()];
        let malformed = line.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n'));
        let refused = match (malformed, long) {
            (true, _) => Some(RefusalReason::Malformed),
            (false, true) => Some(RefusalReason::TextTooLong),
            (false, false) => None,
        };
        self.end_line(buffer, end, line_end(line, Quotes::default()), refused)
    }

    fn end_line(
        &mut self,
        buffer: &[u8],
        end: usize,
        found: LineEnd,
        refused: Option<RefusalReason>,
    ) -> Next {
        match found {
            LineEnd::Command => match refused {
                Some(reason) => self.refuse(buffer, end, reason, Rest::Nothing),
                None => {
                    self.restart();
                    Next::Command(end)
                }
            },
            LineEnd::Literal { octets, waits } => {
                match refused.map_or_else(|| self.literal_end(buffer, end, octets), Err) {
                    Ok(literal_end) => {
                        self.text += end - self.line;
                        self.stage = Stage::Literal(literal_end);
                        if waits { Next::Continue } else { self.next(buffer) }
                    }
                    // Who waits has sent no more, and will not once the tagged response is there.
                    Err(reason) if waits => self.refuse(buffer, end, reason, Rest::Nothing),
                    Err(reason) => self.refuse(buffer, end, reason, Rest::Literal(octets)),
                }
            }
        }
    }

    /// Where a literal that begins at `begin` ends, if the limits allow it.
    fn literal_end(&mut self, buffer: &[u8], begin: usize, octets: u64) -> Result<usize, RefusalReason> {
        let append = if Head::of(buffer).is_append() { self.limits.append } else { 0 };
        self.literals += 1;
        self.literal_octets = self.literal_octets.saturating_add(octets);
        if append > 0 && octets > append {
            return Err(RefusalReason::MessageTooLarge);
        }
        let all = append.saturating_add(self.limits.literals);
        if self.literals > MAX_LITERALS || self.literal_octets > all {
            return Err(RefusalReason::LiteralTooLarge);
        }
        let length = usize::try_from(octets).ok().and_then(|octets| begin.checked_add(octets));
        length.ok_or(RefusalReason::LiteralTooLarge)
    }

    /// Where the line being read ends, behind its CRLF.
    fn find_line_end(&mut self, buffer: &[u8]) -> Option<usize> {
        while let Some(at) = memchr(b'\n', &buffer[self.scanned..]) {
            self.scanned += at + 1;
            if buffer[self.line..self.scanned].ends_with(CRLF) {
                return Some(self.scanned);
            }
        }
        self.scanned = buffer.len();
        None
    }

    /// Begins to drop a command of which `held` octets are in the buffer.
    fn refuse(&mut self, buffer: &[u8], held: usize, reason: RefusalReason, rest: Rest) -> Next {
        let refusal = Refusal { tag: Head::of(buffer).tag.map(str::to_owned), reason };
        self.restart();
        match rest {
            Rest::Literal(octets) if octets > self.limits.dropped => Next::HangUp(refusal),
            _ => {
                self.stage = Stage::Dropping { refusal, rest, spare: self.limits.dropped };
                if held > 0 { Next::Drop(held) } else { self.drop_rest(buffer) }
            }
        }
    }

    fn drop_rest(&mut self, buffer: &[u8]) -> Next {
        let Stage::Dropping { refusal, rest, spare } = &mut self.stage else {
            return Next::More(1);
        };
        let (dropped, after) = match *rest {
            Rest::Nothing => {
                let refusal = refusal.clone();
                self.restart();
                return Next::Refused(refusal);
            }
            Rest::Text(quotes) => drop_line(buffer, quotes),
            Rest::Literal(0) => drop_line(buffer, Quotes::default()),
            Rest::Literal(octets) => drop_literal(buffer, octets),
        };
        let owed = if let Rest::Literal(octets) = after { octets } else { 0 };
        let Some(left) = spare.checked_sub(dropped as u64).filter(|left| *left >= owed) else {
            return Next::HangUp(refusal.clone());
        };
        (*rest, *spare) = (after, left);
        if dropped > 0 { Next::Drop(dropped) } else { Next::More(owed.max(1)) }
    }

    fn restart(&mut self) {
        *self = Self::new(self.limits);
    }
}

impl<'a> Head<'a> {
    /// The head of a command of which these octets are there.
    pub fn of(octets: &'a [u8]) -> Self {
        let (tag, rest) = split_word(octets);
        let tag = std::str::from_utf8(tag).ok().filter(|tag| is_tag(tag));
        let (verb, arguments) = split_word(rest.get(1..).unwrap_or_default());
        if !verb.eq_ignore_ascii_case(b"UID") || arguments.first() != Some(&b' ') {
            return Self { tag, verb, uid: false, arguments };
        }
        let (verb, arguments) = split_word(&arguments[1..]);
        Self { tag, verb, uid: true, arguments }
    }

    /// Whether the verb is this one, given in capitals.
    pub fn is(&self, verb: &str) -> bool {
        self.verb.eq_ignore_ascii_case(verb.as_bytes())
    }

    /// Whether the command uploads a message.
    pub fn is_append(&self) -> bool {
        !self.uid && self.is("APPEND")
    }
}

impl Quotes {
    fn after(mut self, text: &[u8]) -> Self {
        for octet in text {
            match octet {
                _ if self.escaped => self.escaped = false,
                b'"' => self.open = !self.open,
                b'\\' => self.escaped = self.open,
                _ => {}
            }
        }
        self
    }
}

impl std::fmt::Debug for Refusal {
    /// Without the tag, which is the client's text.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Refusal").field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// The length of the first line in these octets, its CRLF included: for what clients send that is no
/// command (`DONE`, responses to SASL challenges).
pub fn line_length(octets: &[u8]) -> Option<usize> {
    memmem::find(octets, CRLF).map(|at| at + CRLF.len())
}

/// What a line ends with, given without its CRLF, or its end from where quotes are as said.
fn line_end(line: &[u8], quotes: Quotes) -> LineEnd {
    match literal_head(line) {
        Some((at, end)) if !quotes.after(&line[..at]).open => end,
        _ => LineEnd::Command,
    }
}

/// The head of a literal at the end of a line: `{number}` or `{number+}`, and where it stands.
fn literal_head(line: &[u8]) -> Option<(usize, LineEnd)> {
    let head = line.strip_suffix(b"}")?;
    let (head, waits) = head.strip_suffix(b"+").map_or((head, true), |head| (head, false));
    let digits = head.iter().rev().take_while(|octet| octet.is_ascii_digit()).count();
    let (head, digits) = head.split_at(head.len() - digits);
    let at = head.strip_suffix(b"{")?.len();
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.is_empty())?;
    // Only a number too large fails.
    let octets = digits.parse().unwrap_or(u64::MAX);
    Some((at, LineEnd::Literal { octets, waits }))
}

/// How much of a refused command's text can be dropped, and what is left of the command then.
fn drop_line(buffer: &[u8], quotes: Quotes) -> (usize, Rest) {
    let Some(end) = line_length(buffer) else {
        // What may be the head of a literal stays until its line ends.
        let dropped = if buffer.len() > 2 * MAX_TAIL { buffer.len() - MAX_TAIL } else { 0 };
        return (dropped, Rest::Text(quotes.after(&buffer[..dropped])));
    };
    match line_end(&buffer[..end - CRLF.len()], quotes) {
        LineEnd::Literal { octets, waits: false } => (end, Rest::Literal(octets)),
        LineEnd::Literal { waits: true, .. } | LineEnd::Command => (end, Rest::Nothing),
    }
}

fn drop_literal(buffer: &[u8], octets: u64) -> (usize, Rest) {
    let dropped = usize::try_from(octets).map_or(buffer.len(), |octets| octets.min(buffer.len()));
    (dropped, Rest::Literal(octets - dropped as u64))
}

fn split_word(octets: &[u8]) -> (&[u8], &[u8]) {
    let end = octets.iter().position(|octet| matches!(octet, b' ' | b'\r' | b'\n'));
    octets.split_at(end.unwrap_or(octets.len()))
}

/// RFC 9051 §9: `tag = 1*<any ASTRING-CHAR except "+">`.
fn is_tag(text: &str) -> bool {
    let fits = (1..=MAX_TAG).contains(&text.len());
    fits && text.bytes().all(|octet| octet.is_ascii_graphic() && !b"(){%*\"\\+".contains(&octet))
}

const CRLF: &[u8] = b"\r\n";
/// Octets of a command's text before login (RFC 7162 §4).
const MAX_LINE: usize = 8192;
/// Octets of a command's text after login: clients name many messages one by one.
const MAX_LONG_LINE: usize = 64 << 10;
/// Literals of one command.
const MAX_LITERALS: usize = 16;
/// Octets of a tag that is answered. Clients have fewer than ten.
const MAX_TAG: usize = 128;
/// No head of a literal is longer than this, nor are the numbers in it.
const MAX_TAIL: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What comes of a stream that arrives in pieces of so many octets: commands, continuations, refusals.
    fn run(limits: Limits, stream: &[u8], piece: usize) -> Vec<String> {
        let (mut framing, mut buffer, mut events) = (Framing::new(limits), Vec::new(), Vec::new());
        let mut pieces = stream.chunks(piece.max(1));
        loop {
            match framing.next(&buffer) {
                Next::More(missing) => {
                    assert!(missing > 0);
                    let Some(piece) = pieces.next() else { return events };
                    buffer.extend_from_slice(piece);
                }
                Next::Continue => events.push("+".to_owned()),
                Next::Command(length) => {
                    let command: Vec<u8> = buffer.drain(..length).collect();
                    events.push(String::from_utf8_lossy(&command).into_owned());
                }
                Next::Drop(length) => {
                    assert!(length > 0);
                    buffer.drain(..length);
                }
                Next::Refused(refusal) => events.push(format!("{:?} {:?}", refusal.tag, refusal.reason)),
                Next::HangUp(refusal) => {
                    events.push(format!("hang up {:?} {:?}", refusal.tag, refusal.reason));
                    return events;
                }
            }
        }
    }

    /// The same in pieces of every size.
    fn frame(stream: &[u8]) -> Vec<String> {
        frame_with(Limits::after_login(1 << 20), stream)
    }

    fn frame_with(limits: Limits, stream: &[u8]) -> Vec<String> {
        let whole = run(limits, stream, stream.len());
        for piece in [1, 2, 3, 7, 100] {
            assert_eq!(run(limits, stream, piece), whole);
        }
        whole
    }

    #[test]
    fn lines_are_commands() {
        assert_eq!(frame(b"a NOOP\r\nb LOGOUT\r\nc IDL"), ["a NOOP\r\n", "b LOGOUT\r\n"]);
        assert_eq!(frame(b"\r\n\r\n"), ["\r\n", "\r\n"]);
    }

    #[test]
    fn literals_belong_to_their_command() {
        // RFC 9051 §6.2.3 and RFC 7888 §4.
        assert_eq!(
            frame(b"A001 LOGIN {11}\r\nFRED FOOBAR {7}\r\nfat man\r\n"),
            ["+", "+", "A001 LOGIN {11}\r\nFRED FOOBAR {7}\r\nfat man\r\n"]
        );
        assert_eq!(
            frame(b"A001 LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man\r\nA2 NOOP\r\n"),
            ["A001 LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man\r\n", "A2 NOOP\r\n"]
        );
        assert_eq!(frame(b"a APPEND b ~{4+}\r\n\r\n\0{\r\nb NOOP\r\n").len(), 2, "literals hold any octets");
        assert_eq!(frame(b"a X {0+}\r\n {0}\r\n\r\n"), ["+", "a X {0+}\r\n {0}\r\n\r\n"]);
    }

    #[test]
    fn quoted_braces_are_no_literals() {
        for line in [
            "a SELECT \"x{5}\"\r\n",
            "a SELECT \"x{5}\r\n",
            "a SELECT \"x\\\"{5}\r\n",
            "a SELECT {}\r\n",
            "a SELECT {+}\r\n",
            "a SELECT 5}\r\n",
            "a SELECT {5-}\r\n",
            "a SELECT {-5}\r\n",
            "a SELECT {5} \r\n",
        ] {
            assert_eq!(frame(line.as_bytes()), [line]);
        }
        assert_eq!(frame(b"a X \"y\\\\\" {1}\r\nz\r\n").len(), 2);
    }

    #[test]
    fn a_message_too_large_is_refused_in_step() {
        let limits = Limits::after_login(10);
        let refused = "Some(\"a\") MessageTooLarge";
        assert_eq!(
            frame_with(limits, b"a APPEND b {11}\r\nb NOOP\r\n"),
            [refused, "b NOOP\r\n"],
            "who waits is not continued"
        );
        assert_eq!(
            frame_with(limits, b"a append b {11+}\r\n01234567890\r\nb NOOP\r\n"),
            [refused, "b NOOP\r\n"]
        );
        assert_eq!(frame_with(limits, b"a APPEND b {10+}\r\n0123456789\r\n").len(), 1);
        assert_eq!(
            frame_with(limits, b"a APPEND b {99+}\r\n0123456789"),
            [""; 0],
            "nothing is said before all is dropped"
        );
        assert_eq!(
            frame_with(limits, b"a APPEND b {18446744073709551615+}\r\n"),
            [format!("hang up {refused}")]
        );
        assert_eq!(frame_with(limits, b"a APPEND b {99999999999999999999999}\r\n"), [refused]);
    }

    #[test]
    fn all_of_a_refused_command_is_dropped() {
        let limits = Limits { literals: 4, ..Limits::after_login(10) };
        let refused = "Some(\"a\") LiteralTooLarge";
        for stream in [
            "a X {5+}\r\n01234 {3+}\r\n\r\n0 tail\r\nb NOOP\r\n",
            "a X {5}\r\nb NOOP\r\n",
            "a X {2+}\r\n01 {3}\r\nb NOOP\r\n",
            "a X {5+}\r\n01234 {3}\r\nb NOOP\r\n",
        ] {
            let events = frame_with(limits, stream.as_bytes());
            assert_eq!(
                events.iter().filter(|event| *event != "+").collect::<Vec<_>>(),
                [refused, "b NOOP\r\n"]
            );
        }
        let many = "{0+}\r\n".repeat(MAX_LITERALS + 1);
        assert_eq!(frame(format!("a X {many}\r\nb NOOP\r\n").as_bytes()), [refused, "b NOOP\r\n"]);
    }

    #[test]
    fn before_login_little_is_taken() {
        let refused = "Some(\"a\") LiteralTooLarge";
        assert_eq!(frame_with(Limits::BEFORE_LOGIN, b"a APPEND b {1025}\r\n"), [refused]);
        assert_eq!(frame_with(Limits::BEFORE_LOGIN, b"a LOGIN {1025}\r\n"), [refused]);
        assert_eq!(
            frame_with(Limits::BEFORE_LOGIN, b"a LOGIN {100000+}\r\n"),
            [format!("hang up {refused}")]
        );
    }

    #[test]
    fn endless_text_is_dropped_and_then_hung_up_on() {
        let limits = Limits::BEFORE_LOGIN;
        let refused = "Some(\"a\") TextTooLong";
        let stream = format!("a X {}\r\nb NOOP\r\n", "x".repeat(MAX_LINE));
        assert_eq!(frame_with(limits, stream.as_bytes()), [refused, "b NOOP\r\n"]);
        let stream = format!("a X {}{{2+}}\r\nxx\r\nb NOOP\r\n", "x".repeat(3 * MAX_LINE));
        assert_eq!(frame_with(limits, stream.as_bytes()), [refused, "b NOOP\r\n"]);
        let stream = format!("a X {}", "x".repeat(20 * MAX_LINE));
        assert_eq!(run(limits, stream.as_bytes(), 4096), [format!("hang up {refused}")]);
        assert_eq!(run(limits, &[b'x'; 20 * MAX_LINE], 4096), ["hang up None TextTooLong"]);
    }

    #[test]
    fn odd_octets_in_text_are_refused() {
        for stream in ["a X\0\r\n", "a X\nb Y\r\n", "a X\rb Y\r\n", "a X\r\r\n", "a X\n{2+}\r\nxx\r\n"] {
            assert_eq!(frame(stream.as_bytes()), ["Some(\"a\") Malformed"], "{stream:?}");
        }
        assert_eq!(frame(b"\nb NOOP\r\n"), ["None Malformed"]);
        assert_eq!(frame(b"a X {1+}\r\n\r\n\r\nb NOOP\r\n"), ["Some(\"a\") Malformed", "b NOOP\r\n"]);
    }

    #[test]
    fn heads_are_read_of_what_is_there() {
        let head = Head::of(b"a1 UID fetch 1 (FLAGS)\r\n");
        assert!(
            head.tag == Some("a1") && head.is("FETCH") && head.uid && head.arguments == b" 1 (FLAGS)\r\n"
        );
        let head = Head::of(b"a1 APP");
        assert!(head.tag == Some("a1") && head.verb == b"APP" && !head.is_append());
        assert!(Head::of(b"a] append {").is_append());
        for tag in ["", "+", "a+", "*", "a\"b", "a(b", "\u{e4}", "a\0", "a\\b"] {
            assert!(Head::of(format!("{tag} NOOP\r\n").as_bytes()).tag.is_none(), "{tag}");
        }
        assert!(Head::of(&[b'a'; MAX_TAG + 1]).tag.is_none());
        assert!(Head::of(b"").tag.is_none());
    }

    #[test]
    fn lines_that_are_no_commands_have_a_length() {
        assert_eq!(line_length(b"DONE\r\nb NOOP"), Some(6));
        assert_eq!(line_length(b"DONE\n"), None);
    }

    proptest! {
        #[test]
        fn pieces_change_nothing(
            words in proptest::collection::vec(
                prop_oneof![
                    Just("a ".to_owned()), Just("APPEND ".to_owned()), Just("\r\n".to_owned()), Just("\"".to_owned()),
                    Just("\\".to_owned()), Just("\n".to_owned()), Just("\0".to_owned()), "[{]([0-9]|[1-3][0-9])[+]?[}]\r\n", "[a-z ]{0,40}",
                ],
                0..40,
            ),
            piece in 1_usize..20,
        ) {
            let limits = Limits { text: 60, literals: 20, append: 30, dropped: 3000 };
            let stream = words.concat();
            let whole = run(limits, stream.as_bytes(), stream.len());
            // A text too long may be noticed before it is there, so only what follows from lines is equal.
            if !whole.iter().any(|event| event.contains("TextTooLong")) {
                let pieces = run(limits, stream.as_bytes(), piece);
                prop_assert!(pieces.iter().any(|event| event.contains("TextTooLong")) || pieces == whole);
            }
        }
    }
}
