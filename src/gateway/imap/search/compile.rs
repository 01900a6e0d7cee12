//! From keys to tests: sets resolved, days made seconds, texts folded, the cheap before the dear.

use std::ops::Range;

use super::fold::{Needles, fold};
use crate::gateway::imap::fetch::email_id;
use crate::gateway::imap::room::Depth;
use crate::gateway::imap::sets::{Numbering, Picks};
use crate::mailbox::{Flags, Roll};
use crate::names::MessageId;
use crate::wire::imap::{Key, Numbers};

/// A search, ready to be made.
pub struct Search {
    pub(super) test: Test,
    /// What is looked for in texts: BODY and TEXT.
    pub(super) texts: Needles,
    has_mod_seq: bool,
}

/// What keys refer to.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The folder, as the client knows it.
    pub roll: &'a Roll,
    /// `$`, rising UIDs.
    pub saved: &'a [u32],
    /// The time, Unix seconds, for YOUNGER and OLDER.
    pub now: i64,
}

/// A test of one message.
pub(super) enum Test {
    Always(bool),
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    /// Ranges of UIDs, rising: first and last.
    Among(Vec<(u32, u32)>),
    Flag(Flags),
    Received(Range<i64>),
    Saved(Range<i64>),
    Octets(Range<u64>),
    ModSeq(u64),
    Message(MessageId),
    /// Days.
    Sent(Range<i64>),
    Thread(String),
    /// A field of the envelope contains this folded text; if that is empty, the field is there.
    Envelope(EnvelopeField, String),
    /// A header field contains this folded text.
    Header(String, String),
    Body(usize),
    Text(usize),
}

/// Fields whose values the structure has as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EnvelopeField {
    Date,
    Subject,
    From,
    To,
    Cc,
    Bcc,
    InReplyTo,
    MessageId,
}

impl Search {
    /// The search for messages that are as `key` says.
    pub fn of(key: &Key, scope: Scope<'_>) -> Self {
        let mut compiler = Compiler { scope, texts: Needles::new(), has_mod_seq: false };
        let test = compiler.test(key);
        Self { test, texts: compiler.texts, has_mod_seq: compiler.has_mod_seq }
    }

    /// Whether MODSEQ was among the keys: the answer tells the highest then (RFC 7162 §3.1.5).
    pub fn has_mod_seq(&self) -> bool {
        self.has_mod_seq
    }
}

impl Test {
    /// How deep it looks at most; none if the roll decides.
    pub(super) fn depth(&self) -> Option<Depth> {
        match self {
            Self::All(tests) | Self::Any(tests) => tests.iter().map(Self::depth).max().flatten(),
            Self::Not(test) => test.depth(),
            Self::Sent(_) | Self::Thread(_) | Self::Envelope(..) => Some(Depth::Structure),
            Self::Header(..) | Self::Body(_) | Self::Text(_) => Some(Depth::Octets),
            _ => None,
        }
    }
}

struct Compiler<'a> {
    scope: Scope<'a>,
    texts: Needles,
    has_mod_seq: bool,
}

impl Compiler<'_> {
    /// Keys nest as deep as the parser lets them, which is not deep.
    fn test(&mut self, key: &Key) -> Test {
        match key {
            Key::And(keys) => Test::All(sorted(keys.iter().map(|key| self.test(key)).collect())),
            Key::Or(one, other) => Test::Any(sorted(vec![self.test(one), self.test(other)])),
            Key::Not(key) => Test::Not(Box::new(self.test(key))),
            Key::All | Key::SaveDateSupported => Test::Always(true),
            Key::Recent(answer) => Test::Always(*answer),
            Key::Numbers(numbers) => self.among(numbers, Numbering::Sequence),
            Key::Uids(numbers) => self.among(numbers, Numbering::Uid),
            Key::Flag(flag) => Test::Flag(*flag),
            Key::Keyword(name) => match self.scope.roll.keywords.find(name) {
                Some(number) => Test::Flag(Flags::keyword(number)),
                None => Test::Always(false),
            },
            Key::Header(name, text) => header(name, text),
            Key::Body(text) => Test::Body(self.texts.add(text)),
            Key::Text(text) => Test::Text(self.texts.add(text)),
            Key::ModSeq(mod_seq) => {
                self.has_mod_seq = true;
                Test::ModSeq(*mod_seq)
            }
            Key::EmailId(id) => email_id(id).map_or(Test::Always(false), Test::Message),
            Key::ThreadId(id) => Test::Thread(id.clone()),
            Key::Larger(octets) => Test::Octets(octets.saturating_add(1)..u64::MAX),
            Key::Smaller(octets) => Test::Octets(0..*octets),
            _ => self.time(key),
        }
    }

    fn time(&self, key: &Key) -> Test {
        match key {
            Key::Before(day) => Test::Received(i64::MIN..midnight(*day)),
            Key::On(day) => Test::Received(midnight(*day)..midnight(day.saturating_add(1))),
            Key::Since(day) => Test::Received(midnight(*day)..i64::MAX),
            Key::SavedBefore(day) => Test::Saved(i64::MIN..midnight(*day)),
            Key::SavedOn(day) => Test::Saved(midnight(*day)..midnight(day.saturating_add(1))),
            Key::SavedSince(day) => Test::Saved(midnight(*day)..i64::MAX),
            Key::SentBefore(day) => Test::Sent(i64::MIN..*day),
            Key::SentOn(day) => Test::Sent(*day..day.saturating_add(1)),
            Key::SentSince(day) => Test::Sent(*day..i64::MAX),
            // RFC 5032 §3: both have the moment itself.
            Key::Younger(seconds) => Test::Received(self.ago(*seconds)..i64::MAX),
            Key::Older(seconds) => Test::Received(i64::MIN..self.ago(*seconds).saturating_add(1)),
            _ => Test::Always(false),
        }
    }

    fn ago(&self, seconds: u32) -> i64 {
        self.scope.now.saturating_sub(seconds.into())
    }

    /// Positions become UIDs, which messages carry with them wherever they are looked at.
    fn among(&self, numbers: &Numbers, numbering: Numbering) -> Test {
        let roll = self.scope.roll;
        let picks = Picks::resolve_known(numbers, numbering, roll, self.scope.saved);
        let uid = |position: usize| roll.entries.get(position).map(|entry| entry.uid);
        Test::Among(
            picks.ranges().filter_map(|range| Some((uid(range.start)?, uid(range.end - 1)?))).collect(),
        )
    }
}

fn header(name: &str, text: &str) -> Test {
    let field = ENVELOPE_FIELDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    match field {
        Some((_, field)) => Test::Envelope(*field, fold(text)),
        None => Test::Header(name.to_owned(), fold(text)),
    }
}

/// What the roll decides comes first, what needs octets last.
fn sorted(mut tests: Vec<Test>) -> Vec<Test> {
    tests.sort_by_key(Test::depth);
    tests
}

fn midnight(day: i64) -> i64 {
    day.saturating_mul(86_400)
}

const ENVELOPE_FIELDS: [(&str, EnvelopeField); 8] = [
    ("Date", EnvelopeField::Date),
    ("Subject", EnvelopeField::Subject),
    ("From", EnvelopeField::From),
    ("To", EnvelopeField::To),
    ("Cc", EnvelopeField::Cc),
    ("Bcc", EnvelopeField::Bcc),
    ("In-Reply-To", EnvelopeField::InReplyTo),
    ("Message-ID", EnvelopeField::MessageId),
];
