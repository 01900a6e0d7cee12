//! What people type into the search box, understood as far as it goes: every text is a query, and
//! what was not understood is said in words. Pure; knows nothing of the index.
//!
//! # How to search
//!
//! | you type | you find |
//! |---|---|
//! | `offer anna` | mail that has both words, anywhere: names, addresses, subject, text, file names |
//! | `"final offer"` | the words one after the other |
//! | `ann*` | words that begin so: Ann, Anna, annual |
//! | `from:anna`, `to:bob@example.org` | who sent it; who it went to, Cc included (`cc:` is the same) |
//! | `subject:offer`, `body:offer` | only in the subject, only in the text |
//! | `file:report`, `file:pdf` | in the names of attachments (`attachment:` is the same) |
//! | `has:attachment` | mail with attachments |
//! | `after:2026-01-31` | received on that day or later |
//! | `before:2026-02` | received before that month began |
//! | `on:2026-01`, `on:2026-01-31`, `on:2026` | received in that month, on that day, in that year |
//! | `-newsletter`, `-from:shop` | mail without it |
//! | `anna OR bob report` | one of the two, and the third |
//!
//! Case and accents do not matter: `grosse` finds Größe, `ELENA` finds Élena. `OR` is written in
//! capitals and joins what stands beside it. A name before the colon goes with a phrase, too:
//! `subject:"final offer"`. An address, a file name or a word with a hyphen is found as it is
//! written, as a phrase of its pieces. Days begin at midnight UTC, and are written `2026-01-31`,
//! `2026/01/31` or `31.01.2026`. The newest mail comes first.

use std::ops::Range;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

use super::words::{Words, is_unspaced};

/// A query, understood: all clauses must hold.
#[derive(Default, PartialEq)]
pub struct Query {
    pub(super) clauses: Vec<Clause>,
    pub(super) notes: Vec<String>,
}

/// One of these must hold.
pub(super) type Clause = Vec<Test>;

/// Something that a message is, or with `excluded` is not.
#[derive(PartialEq)]
pub(super) struct Test {
    pub(super) excluded: bool,
    pub(super) what: What,
}

/// What a message may be.
#[derive(PartialEq)]
pub(super) enum What {
    /// It has these folded words one after the other; of the last one only the beginning, if `open`.
    Words { place: Place, words: Vec<String>, open: bool },
    /// It has attachments.
    Attachment,
    /// It was received in these seconds since 1970.
    Received(Range<i64>),
}

/// Where words are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Anywhere,
    From,
    To,
    Subject,
    Body,
    File,
}

impl Query {
    /// Understands a text; nothing is an error.
    pub fn parse(text: &str) -> Self {
        let end = text.floor_char_boundary(LONGEST);
        let mut reading = Reading { rest: &text[..end], query: Self::default(), joins: false };
        if end < text.len() {
            reading.note(format!("Only the first {LONGEST} characters were read."));
        }
        reading.read();
        reading.query
    }

    /// What was not understood, in sentences for the person who asked.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }
}

/// A query on its way from text to clauses.
struct Reading<'a> {
    rest: &'a str,
    query: Query,
    /// The last word was an `OR`.
    joins: bool,
}

/// What a person wrote between blanks: `-from:"Ann Lee"`.
struct Piece<'a> {
    excluded: bool,
    /// `from`, and what stands before the value, to take it for a word after all.
    name: Option<&'a str>,
    value: &'a str,
    quoted: bool,
    /// All but the dash.
    whole: &'a str,
}

impl<'a> Reading<'a> {
    fn read(&mut self) {
        while let Some(piece) = self.next_piece() {
            match piece.whole {
                "OR" | "|" if !piece.excluded => self.joins = !self.query.clauses.is_empty(),
                "AND" | "+" | "&" => {}
                _ if self.tests() >= MOST_TESTS => {
                    self.note(format!("Only the first {MOST_TESTS} words were looked for."));
                    return;
                }
                _ => self.take(&piece),
            }
        }
    }

    fn tests(&self) -> usize {
        self.query.clauses.iter().map(Vec::len).sum()
    }

    fn take(&mut self, piece: &Piece<'_>) {
        let Some(what) = self.what(piece) else { return };
        let test = Test { excluded: piece.excluded, what };
        match self.query.clauses.last_mut() {
            Some(clause) if self.joins => clause.push(test),
            _ => self.query.clauses.push(vec![test]),
        }
        self.joins = false;
    }

    fn what(&mut self, piece: &Piece<'_>) -> Option<What> {
        let Some(name) = piece.name else { return self.words(Place::Anywhere, piece.value, piece.quoted) };
        let place = match name.to_ascii_lowercase().as_str() {
            "from" | "sender" => Place::From,
            "to" | "cc" => Place::To,
            "subject" => Place::Subject,
            "body" | "text" => Place::Body,
            "file" | "filename" | "attachment" | "attachments" => Place::File,
            "has" => return self.has(piece.value),
            "after" | "since" => return self.received(name, piece.value, |days| days.start..i64::MAX),
            "before" => return self.received(name, piece.value, |days| i64::MIN..days.start),
            "on" => return self.received(name, piece.value, |days| days),
            _ => return self.unknown_name(name, piece),
        };
        if piece.value.is_empty() {
            self.note(format!("“{name}:” needs a word right after it."));
            return None;
        }
        self.words(place, piece.value, piece.quoted)
    }

    /// `Re:`, `12:30` and `https://…` are text.
    fn unknown_name(&mut self, name: &str, piece: &Piece<'_>) -> Option<What> {
        if !piece.value.is_empty() && !piece.value.starts_with("//") {
            self.note(format!("“{name}:” is not known here and was looked for as a word."));
        }
        self.words(Place::Anywhere, piece.whole, piece.quoted)
    }

    fn has(&mut self, value: &str) -> Option<What> {
        if ["attachment", "attachments", "file", "files"].contains(&value.to_ascii_lowercase().as_str()) {
            return Some(What::Attachment);
        }
        self.note("Only “has:attachment” is known.".to_owned());
        None
    }

    fn received(
        &mut self,
        name: &str,
        value: &str,
        range: impl Fn(Range<i64>) -> Range<i64>,
    ) -> Option<What> {
        let days = days(value);
        if days.is_none() {
            self.note(format!("“{name}:” needs a day, a month or a year, such as 2026-01-31 or 2026-01."));
        }
        days.map(|days| What::Received(range(days)))
    }

    fn words(&mut self, place: Place, text: &str, quoted: bool) -> Option<What> {
        let open = text.ends_with('*');
        let inner = text.trim_end_matches('*');
        if inner.contains('*') && !quoted {
            self.note("A star stands only at the end of a word.".to_owned());
        }
        let mut words: Vec<_> = Words::of(inner).take(LONGEST_PHRASE + 1).collect();
        if words.len() > LONGEST_PHRASE {
            self.note(format!("Of a phrase, only the first {LONGEST_PHRASE} words were looked for."));
            words.truncate(LONGEST_PHRASE);
        }
        let last = words.last()?;
        // "a*" would be half of all mail.
        if open && last.chars().nth(1).is_none() && !last.starts_with(is_unspaced) {
            self.note("Before a star, at least two letters are needed.".to_owned());
            return None;
        }
        Some(What::Words { place, words, open })
    }

    fn note(&mut self, note: String) {
        if self.query.notes.len() < MOST_NOTES && !self.query.notes.contains(&note) {
            self.query.notes.push(note);
        }
    }

    fn next_piece(&mut self) -> Option<Piece<'a>> {
        self.rest = self.rest.trim_start_matches(is_blank);
        self.rest.chars().next()?;
        let dash =
            self.rest.strip_prefix(DASHES).filter(|rest| !rest.is_empty() && !rest.starts_with(is_blank));
        let (excluded, start) = (dash.is_some(), dash.unwrap_or(self.rest));
        let name = name(start);
        let value = name.map_or(start, |name| &start[name.len() + 1..]);
        let quoted = value.starts_with(QUOTES);
        let (value, rest) = if quoted { self.quoted(value) } else { bare(value) };
        self.rest = rest;
        let whole = start[..start.len() - rest.len()].trim_end_matches(QUOTES);
        Some(Piece { excluded, name, value, quoted, whole })
    }

    /// A phrase and what follows it. Keyboards write quotes in many ways; any of them ends it.
    fn quoted<'b>(&mut self, text: &'b str) -> (&'b str, &'b str) {
        let inner = text.strip_prefix(QUOTES).unwrap_or(text);
        let Some((phrase, rest)) = inner.split_once(QUOTES) else {
            self.note("A quotation mark is missing; the phrase goes to the end.".to_owned());
            return (inner, "");
        };
        // `"ann m"*` and `"ann m*"` are the same.
        let Some(rest) = rest.strip_prefix('*') else { return (phrase, rest) };
        (&text[text.len() - inner.len()..text.len() - rest.len()], rest)
    }
}

/// The name before a colon.
fn name(text: &str) -> Option<&str> {
    let (name, _) = text.split_once(':')?;
    (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic())).then_some(name)
}

/// A word up to the next blank or quotation mark, and what follows it.
fn bare(text: &str) -> (&str, &str) {
    text.split_at(text.find(|letter| is_blank(letter) || QUOTES.contains(&letter)).unwrap_or(text.len()))
}

/// Brackets do nothing here, so they only part words.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || "()[]{},;".contains(letter)
}

/// The seconds of a year, a month or a day.
fn days(text: &str) -> Option<Range<i64>> {
    let mut numbers: Vec<&str> = text.split(['-', '/', '.']).collect();
    if numbers.len() == 3 && numbers[2].len() == 4 {
        numbers.reverse();
    }
    let number = |at: usize| numbers.get(at).map(|text| text.parse::<i8>());
    let year = numbers.first().filter(|year| year.len() == 4)?.parse().ok()?;
    let (month, day) = (number(1).transpose().ok()?, number(2).transpose().ok()?);
    let length: Span = match (month, day) {
        (None, _) => 1.year(),
        (_, None) => 1.month(),
        _ => 1.day(),
    };
    let first = Date::new(year, month.unwrap_or(1), day.unwrap_or(1)).ok().filter(|_| numbers.len() <= 3)?;
    let seconds = |date: Date| date.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp().as_second());
    Some(seconds(first)?..seconds(first.checked_add(length).ok()?)?)
}

const DASHES: [char; 3] = ['-', '\u{2212}', '\u{2013}'];
const QUOTES: [char; 6] = ['"', '“', '”', '„', '«', '»'];
/// Octets of a query that are read.
const LONGEST: usize = 1000;
/// Words and phrases that are looked for: each costs a reading of up to five lists.
const MOST_TESTS: usize = 32;
/// Words of a phrase.
const LONGEST_PHRASE: usize = 32;
/// Notes that people read.
const MOST_NOTES: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A query in one line: clauses by `&`, alternatives by `|`.
    fn parsed(text: &str) -> String {
        let query = Query::parse(text);
        assert_eq!(query.notes, Vec::<String>::new(), "{text}");
        written(&query)
    }

    fn written(query: &Query) -> String {
        let clause = |clause: &Clause| clause.iter().map(one).collect::<Vec<_>>().join(" | ");
        query.clauses.iter().map(clause).collect::<Vec<_>>().join(" & ")
    }

    fn one(test: &Test) -> String {
        let sign = if test.excluded { "-" } else { "" };
        let what = match &test.what {
            What::Attachment => "attachment".to_owned(),
            What::Received(seconds) => format!("{seconds:?}"),
            What::Words { place, words, open } => {
                let star = if *open { "*" } else { "" };
                format!("{place:?}:{}{star}", words.join("+"))
            }
        };
        format!("{sign}{what}")
    }

    #[test]
    fn queries_are_understood() {
        for (text, expected) in [
            ("", ""),
            ("Offer  Anna", "Anywhere:offer & Anywhere:anna"),
            ("\"final offer\" x", "Anywhere:final+offer & Anywhere:x"),
            ("„letztes Angebot“", "Anywhere:letztes+angebot"),
            ("«a b» “c d”", "Anywhere:a+b & Anywhere:c+d"),
            ("ann*", "Anywhere:ann*"),
            ("\"final off\"* \"final off*\"", "Anywhere:final+off* & Anywhere:final+off*"),
            ("from:Anna TO:bob@example.org", "From:anna & To:bob+example+org"),
            (
                "subject:\"final offer\" body:x file:report.pdf",
                "Subject:final+offer & Body:x & File:report+pdf",
            ),
            ("attachment:a cc:b", "File:a & To:b"),
            ("has:attachment -has:file", "attachment & -attachment"),
            ("-news −from:shop –\"a b\"", "-Anywhere:news & -From:shop & -Anywhere:a+b"),
            ("anna OR bob report", "Anywhere:anna | Anywhere:bob & Anywhere:report"),
            ("OR a OR OR b OR", "Anywhere:a | Anywhere:b"),
            ("a OR -b", "Anywhere:a | -Anywhere:b"),
            ("a AND b or c", "Anywhere:a & Anywhere:b & Anywhere:or & Anywhere:c"),
            ("(a, b); [c]", "Anywhere:a & Anywhere:b & Anywhere:c"),
            ("Re: e-mail", "Anywhere:re & Anywhere:e+mail"),
            ("12:30 https://a.example/x?y", "Anywhere:12+30 & Anywhere:https+a+example+x+y"),
            ("東京 東*", "Anywhere:東+京 & Anywhere:東*"),
            ("- * & ! --", ""),
            ("von - bis", "Anywhere:von & Anywhere:bis"),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn dates_are_half_open_and_in_utc() {
        let (january, last, february) = (1_767_225_600_i64, 1_769_817_600, 1_769_904_000);
        let (min, max) = (i64::MIN, i64::MAX);
        for text in ["after:2026-01-31", "since:2026/01/31", "after:31.01.2026", "after:31.1.2026"] {
            assert_eq!(parsed(text), format!("{last}..{max}"));
        }
        assert_eq!(parsed("before:2026-02"), format!("{min}..{february}"));
        assert_eq!(parsed("on:2026-01"), format!("{january}..{february}"));
        assert_eq!(parsed("on:2026-01-31"), format!("{last}..{february}"));
        assert_eq!(parsed("on:2026"), format!("{january}..{}", january + 365 * 86400));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (text, left, says) in [
            ("has:fun a", "Anywhere:a", "has:attachment"),
            ("after:yesterday", "", "after:"),
            ("on:2026-13", "", "on:"),
            ("on:2026-01-31-1", "", "on:"),
            ("before:9999-12-31 after:99999", "", "before:"),
            ("size:3", "Anywhere:size+3", "size:"),
            ("from: anna", "Anywhere:anna", "from:"),
            ("a* b", "Anywhere:b", "two letters"),
            ("я* b", "Anywhere:b", "two letters"),
            ("an*a", "Anywhere:an+a", "star"),
            ("\"never closed", "Anywhere:never+closed", "quotation mark"),
        ] {
            let query = Query::parse(text);
            assert_eq!(written(&query), left, "{text}");
            assert!(query.notes[0].contains(says), "{:?}", query.notes);
        }
    }

    #[test]
    fn everything_has_a_limit() {
        let many = Query::parse(&"a ".repeat(200));
        assert_eq!((many.clauses.len(), many.notes.len()), (MOST_TESTS, 1));
        let long = Query::parse(&"ä".repeat(5000));
        assert_eq!((long.clauses.len(), long.notes.len()), (1, 1));
        let phrase = Query::parse(&format!("\"{}\"", "a ".repeat(100)));
        assert!(
            matches!(&phrase.clauses[0][0].what, What::Words { words, .. } if words.len() == LONGEST_PHRASE)
        );
        assert_eq!(Query::parse(&"x:y ".repeat(30)).notes.len(), 1);
    }

    proptest! {
        #[test]
        fn every_text_is_a_query(text in "([a-z]{0,3}[:\"*-]?|(from|has|on|after):?|OR|[0-9./-]{0,11}| |\\PC){0,60}") {
            let query = Query::parse(&text);
            prop_assert!(query.notes.len() <= MOST_NOTES);
            prop_assert!(query.clauses.iter().all(|clause| !clause.is_empty()));
        }
    }
}
