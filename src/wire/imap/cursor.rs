//! The words of the grammar (RFC 9051 §9), read one after another. It is for the commands that `imap-codec`
//! cannot read, and for those whose arguments are secrets.

use std::borrow::Cow;

use jiff::civil::Date;

use super::argument::Argument;
use super::parse::{CommandErrorKind, Modes, Parsed};
use super::{Numbers, SetElement, mailbox_name};

/// What is left of a command's arguments, its last CRLF taken off.
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    modes: Modes,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(arguments: &'a [u8], modes: Modes) -> Self {
        Self { rest: arguments.strip_suffix(b"\r\n").unwrap_or(arguments), modes }
    }

    pub(super) fn modes(&self) -> Modes {
        self.modes
    }

    /// How many octets are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// What is left.
    pub(super) fn ahead(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(super) fn end(&self) -> Parsed<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(Argument::Surplus.into()) }
    }

    pub(super) fn octet(&mut self, octet: u8) -> Parsed<()> {
        if self.skip(octet) { Ok(()) } else { Err(CommandErrorKind::Arguments) }
    }

    pub(super) fn space(&mut self) -> Parsed<()> {
        match self.rest {
            [] | [b' '] => Err(Argument::Missing.into()),
            [b' ', b' ', ..] => Err(Argument::Space.into()),
            [b' ', rest @ ..] => {
                self.rest = rest;
                Ok(())
            }
            _ => Err(Argument::Space.into()),
        }
    }

    /// Goes past an octet, if it is the next one.
    pub(super) fn skip(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(octet);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    /// Goes past a word, given in capitals with what ends it, if it is what comes next.
    pub(super) fn skip_word(&mut self, word: &str) -> bool {
        let found =
            self.rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
        if found {
            self.rest = &self.rest[word.len()..];
        }
        found
    }

    /// All octets up to the first that is not `within`; there may be none.
    pub(super) fn take_while(&mut self, within: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|octet| !within(*octet)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// A name of letters, digits, `.`, `-`, `\` and `=`, in capitals.
    pub(super) fn name(&mut self) -> Parsed<String> {
        let name = self.take_while(|octet| octet.is_ascii_alphanumeric() || b".-=\\".contains(&octet));
        let name = std::str::from_utf8(name).ok().filter(|name| (1..=MAX_NAME).contains(&name.len()));
        name.map(str::to_ascii_uppercase).ok_or(CommandErrorKind::Arguments)
    }

    /// `atom`
    pub(super) fn atom(&mut self) -> Parsed<&'a str> {
        let atom = self.take_while(|octet| is_astring_char(octet) && octet != b']');
        std::str::from_utf8(atom).ok().filter(|atom| !atom.is_empty()).ok_or(CommandErrorKind::Arguments)
    }

    /// `number64`, and `number`, which clients and servers are no longer strict about.
    pub(super) fn number64(&mut self) -> Parsed<u64> {
        let digits = self.take_while(|octet| octet.is_ascii_digit());
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        number.filter(|number| *number <= MAX_NUMBER64).ok_or(Argument::Number.into())
    }

    /// `nz-number`
    pub(super) fn nz_number(&mut self) -> Parsed<u32> {
        let number = u32::try_from(self.number64()?).ok().filter(|number| *number > 0);
        number.ok_or(Argument::Number.into())
    }

    /// `astring`
    pub(super) fn astring(&mut self) -> Parsed<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => match self.take_while(is_astring_char) {
                [] => Err(Argument::Text.into()),
                atom => Ok(Cow::Borrowed(atom)),
            },
        }
    }

    /// `astring`, in which `%` and `*` may stand unquoted: some clients quote words for atoms as they should
    /// for strings, and a text to search for is no pattern. Octets beyond US-ASCII may stand in quotes and
    /// without them, as Python's `imaplib` and others send them; the charset says what they are.
    pub(super) fn search_text(&mut self) -> Parsed<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"') => {
                self.skip(b'"');
                self.quoted_octets()
            }
            Some(b'{') => self.string(),
            _ => match self.take_while(is_search_char) {
                [] => Err(Argument::Text.into()),
                word => Ok(Cow::Borrowed(word)),
            },
        }
    }

    /// `string`
    pub(super) fn string(&mut self) -> Parsed<Cow<'a, [u8]>> {
        if self.skip(b'"') {
            return self.quoted();
        }
        let octets = self.literal()?;
        if octets.contains(&0) { Err(Argument::Text.into()) } else { Ok(Cow::Borrowed(octets)) }
    }

    /// `literal8`
    pub(super) fn literal8(&mut self) -> Parsed<&'a [u8]> {
        self.octet(b'~')?;
        self.literal()
    }

    fn literal(&mut self) -> Parsed<&'a [u8]> {
        self.octet(b'{')?;
        let length = usize::try_from(self.number64()?).map_err(|_| CommandErrorKind::Arguments)?;
        self.skip(b'+');
        if !self.skip_word("}\r\n") {
            return Err(CommandErrorKind::Arguments);
        }
        let (literal, rest) = self.rest.split_at_checked(length).ok_or(CommandErrorKind::Arguments)?;
        self.rest = rest;
        Ok(literal)
    }

    /// A quoted string behind its first quote. UTF-8 is taken from whoever sends it, also before it is enabled
    /// (RFC 9051 §4.3 has it, and RFC 3501 knew no other use of these octets).
    fn quoted(&mut self) -> Parsed<Cow<'a, [u8]>> {
        let text = self.quoted_octets()?;
        if std::str::from_utf8(&text).is_ok() { Ok(text) } else { Err(Argument::Text.into()) }
    }

    /// A quoted string behind its first quote, in whatever charset.
    fn quoted_octets(&mut self) -> Parsed<Cow<'a, [u8]>> {
        let plain = self.take_while(is_quoted_char);
        if self.skip(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        // Room for the whole from the start: it may be a password, and a vector that grows leaves copies.
        let mut text = Vec::with_capacity(self.rest.len() + plain.len());
        text.extend_from_slice(plain);
        while !self.skip(b'"') {
            self.octet(b'\\')?;
            let (octet, rest) = self.rest.split_first().ok_or(Argument::Text)?;
            if !b"\"\\".contains(octet) {
                return Err(Argument::Text.into());
            }
            self.rest = rest;
            text.push(*octet);
            text.extend_from_slice(self.take_while(is_quoted_char));
        }
        Ok(Cow::Owned(text))
    }

    /// `mailbox`, in which `%` and `*` may stand unquoted: offlineimap 8.0 quotes names for their blanks alone,
    /// and where one name is meant none is a pattern.
    pub(super) fn mailbox(&mut self) -> Parsed<String> {
        let name = match self.peek() {
            Some(b'"' | b'{') => self.string().map_err(|_| Argument::Mailbox)?,
            _ => match self.take_while(is_mailbox_char) {
                [] => return Err(Argument::Mailbox.into()),
                name => Cow::Borrowed(name),
            },
        };
        mailbox_name::decode(&name, self.modes.utf8).ok_or(CommandErrorKind::MailboxName)
    }

    /// `sequence-set`, `$` included.
    pub(super) fn numbers(&mut self) -> Parsed<Numbers> {
        if self.skip(b'$') {
            return Ok(Numbers::Saved);
        }
        let mut elements = Vec::new();
        loop {
            let from = self.number_or_star()?;
            let to = if self.skip(b':') { self.number_or_star()? } else { from };
            elements.push(SetElement { from, to });
            if !self.skip(b',') {
                return Ok(Numbers::Set(elements));
            }
        }
    }

    fn number_or_star(&mut self) -> Parsed<Option<u32>> {
        if self.skip(b'*') {
            return Ok(None);
        }
        self.nz_number().map(Some).map_err(|_| Argument::Numbers.into())
    }

    /// `partial-range` (RFC 9394 §3.1): ends counted from 1, or both from -1.
    pub(super) fn partial_range(&mut self) -> Parsed<(i64, i64)> {
        let from = self.signed()?;
        self.octet(b':').map_err(|_| Argument::Range)?;
        let to = self.signed()?;
        if (from < 0) == (to < 0) { Ok((from, to)) } else { Err(Argument::Range.into()) }
    }

    fn signed(&mut self) -> Parsed<i64> {
        let negative = self.skip(b'-');
        let number = i64::from(self.nz_number().map_err(|_| Argument::Range)?);
        Ok(if negative { -number } else { number })
    }

    /// `date`, in days since 1970-01-01.
    pub(super) fn date(&mut self) -> Parsed<i64> {
        let quoted = self.skip(b'"');
        let text = self.take_while(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        if quoted {
            self.octet(b'"').map_err(|_| Argument::Date)?;
        }
        parse_date(text).ok_or(Argument::Date.into())
    }

    /// `(item item …)` with `1..=max` items.
    pub(super) fn list<T>(
        &mut self,
        max: usize,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.octet(b'(')?;
        let mut items = Vec::new();
        loop {
            if items.len() == max {
                return Err(CommandErrorKind::TooMany);
            }
            items.push(item(self)?);
            if self.skip(b')') {
                return Ok(items);
            }
            self.space()?;
        }
    }

    /// The same, and there may be no items.
    pub(super) fn list0<T>(
        &mut self,
        max: usize,
        item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        if self.skip_word("()") { Ok(Vec::new()) } else { self.list(max, item) }
    }
}

/// `date-text`
fn parse_date(text: &[u8]) -> Option<i64> {
    let mut fields = std::str::from_utf8(text).ok()?.split('-');
    let (day, month, year) = (fields.next()?, fields.next()?, fields.next()?);
    let form = fields.next().is_none() && (1..=2).contains(&day.len()) && year.len() == 4;
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month)).filter(|_| form)?;
    let date = Date::new(year.parse().ok()?, i8::try_from(month + 1).ok()?, day.parse().ok()?).ok()?;
    Some(date.duration_since(Date::constant(1970, 1, 1)).as_secs() / (24 * 60 * 60))
}

fn is_astring_char(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"(){%*\"\\".contains(&octet)
}

fn is_mailbox_char(octet: u8) -> bool {
    is_astring_char(octet) || matches!(octet, b'%' | b'*')
}

fn is_search_char(octet: u8) -> bool {
    is_mailbox_char(octet) || !octet.is_ascii()
}

fn is_quoted_char(octet: u8) -> bool {
    !b"\"\\\r\n\0".contains(&octet)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// RFC 9051 §9, RFC 7162 §7: 63 bits.
const MAX_NUMBER64: u64 = i64::MAX as u64;
/// No name that means anything is longer.
const MAX_NAME: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cursor(text: &str) -> Cursor<'_> {
        Cursor::new(text.as_bytes(), Modes { utf8: false })
    }

    #[test]
    fn strings_have_three_forms() {
        for (text, expected) in [
            ("a]b rest", "a]b"),
            ("\"a b\" rest", "a b"),
            ("\"\" rest", ""),
            ("\"a\\\"b\\\\\" rest", "a\"b\\"),
            ("{3}\r\na b rest", "a b"),
            ("{3+}\r\na\r\n rest", "a\r\n"),
            ("{0}\r\n rest", ""),
        ] {
            let mut cursor = cursor(text);
            assert_eq!(cursor.astring().as_deref(), Ok(expected.as_bytes()), "{text}");
            assert_eq!(cursor.rest, b" rest");
        }
        for text in
            ["", " a", "(a", "\"a", "\"a\\", "\"a\\b\"", "{4}\r\nabc", "{1}\r\n\0", "{x}\r\na", "{1}a", "*"]
        {
            assert!(cursor(text).astring().is_err(), "{text}");
        }
        let utf8 = Modes { utf8: true };
        assert_eq!(Cursor::new("\"ä\"".as_bytes(), utf8).astring().as_deref(), Ok("ä".as_bytes()));
        assert_eq!(cursor("\"ä\"").astring().as_deref(), Ok("ä".as_bytes()));
        let latin = |octets: &'static [u8]| Cursor::new(octets, Modes { utf8: false }).search_text();
        assert_eq!(latin(b"\"f\xfcr \"").as_deref(), Ok(&b"f\xfcr "[..]));
        assert_eq!(latin(b"f\xfcr x").as_deref(), Ok(&b"f\xfcr"[..]));
        assert!(Cursor::new(b"\"\xe4\"", utf8).astring().is_err());
    }

    #[test]
    fn dates_are_days() {
        for (text, days) in [
            ("1-Jan-1970", 0),
            ("01-Feb-1994", 8797),
            ("\"31-dec-1969\"", -1),
            ("29-Feb-2000", 11016),
            ("1-Jan-0000", -719_528),
            ("31-Dec-9999", 2_932_896),
        ] {
            assert_eq!(cursor(text).date(), Ok(days), "{text}");
        }
        for text in [
            "31-Feb-2000",
            "0-Jan-2000",
            "1-Jan-20",
            "001-Jan-2000",
            "1-Foo-2000",
            "1-Jan-2000-1",
            "1-Jan-+200",
            "\"1-Jan-2000",
            "",
        ] {
            assert!(cursor(text).date().is_err(), "{text}");
        }
    }

    #[test]
    fn sets_keep_stars_and_order() {
        let element = |from, to| SetElement { from, to };
        assert_eq!(
            cursor("2,4:7,*:12,*").numbers(),
            Ok(Numbers::Set(vec![
                element(Some(2), Some(2)),
                element(Some(4), Some(7)),
                element(None, Some(12)),
                element(None, None)
            ]))
        );
        assert_eq!(cursor("$").numbers(), Ok(Numbers::Saved));
        for text in ["", "0", "1:", ":1", "1,", ",1", "4294967296", "-1", "a"] {
            let mut cursor = cursor(text);
            assert!(cursor.numbers().and_then(|_| cursor.end()).is_err(), "{text}");
        }
    }

    #[test]
    fn partial_ranges_have_ends_of_one_sign() {
        assert_eq!(cursor("1:100").partial_range(), Ok((1, 100)));
        assert_eq!(cursor("-1:-100").partial_range(), Ok((-1, -100)));
        for text in ["0:1", "1:-1", "1", "1:0", "-0:-1", "1:4294967296"] {
            assert!(cursor(text).partial_range().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>, utf8: bool) {
            let new = || Cursor::new(&octets, Modes { utf8 });
            let _ = (new().astring(), new().numbers(), new().date(), new().partial_range(), new().mailbox());
        }
    }
}
