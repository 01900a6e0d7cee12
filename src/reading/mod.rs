//! From the octets of a message to what a web page shows a person.
//!
//! Owns the reading of whole messages and of masked ones alike, for the dashboard: header, texts,
//! cleaned HTML, attachments, invitations. Everything that comes in was written by a stranger and is
//! taken for an attack: each value is decoded, bounded and, where it goes into a page, escaped or
//! rebuilt. Unlike [`crate::message`], which shows nothing that is in doubt, this reads what it can,
//! because the whole belongs to the person who asks; what is odd it says in [`Note`]s.
//!
//! It refuses to know keys, storage and HTTP: functions from octets to values, nothing else. It
//! follows RFC 5322, RFC 2045 to 2049, RFC 2183, RFC 2231, RFC 2392, RFC 2557, RFC 3676 and RFC 5545, by
//! mail-parser and calcard, and the HTML standard by html5ever and ammonia.

mod allowed;
mod colour;
mod file_name;
mod gauge;
mod header;
mod html;
mod image;
mod invite;
mod legible;
mod page;
mod part;
mod plain;
mod style;
#[cfg(test)]
mod tests;
mod text;
mod transfer;

pub use file_name::{content_disposition, file_name};
pub use header::Mailbox;
pub use html::{Cleaned, HtmlBody, Remote, SANDBOX};
pub use invite::{Invite, Method, Moment, Person};
pub use part::{Attachment, Kind};
pub use text::{escaped, text_to_html};
pub use transfer::{Content, Decoder};

use crate::message::anomaly::Scope;
use crate::message::{Anomaly, dissect};
use crate::wipe::Wiped;
use mail_parser::{Message, MessageParser, PartType};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A message as a person reads it.
#[derive(Default)]
pub struct Reading {
    /// Who wrote it; all of them, if there are several fields.
    pub from: Vec<Mailbox>,
    /// To whom.
    pub to: Vec<Mailbox>,
    /// Who has a copy.
    pub cc: Vec<Mailbox>,
    /// Where answers go, if elsewhere.
    pub reply_to: Vec<Mailbox>,
    /// The subject, or nothing.
    pub subject: String,
    /// The date that the sender claims, in seconds since the Unix epoch.
    pub date: Option<i64>,
    /// The Message-ID without angle brackets.
    pub message_id: Option<String>,
    /// The plain text, at most 1 MiB. For [`text_to_html`].
    pub text: Option<String>,
    /// The HTML, which only [`HtmlBody::clean`] reads.
    pub html: Option<HtmlBody>,
    /// Everything that is not shown as text, in order.
    pub attachments: Vec<Attachment>,
    /// Meetings that it invites to.
    pub invites: Vec<Invite>,
    /// Every field of the header, in order: its name and its decoded value, at most 8 KiB.
    pub header: Vec<(String, String)>,
    /// What the reader should know.
    pub notes: Vec<Note>,
}

/// What is odd about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Note {
    /// Mail programs read it in different ways, so masked views seal it.
    Ambiguous(Anomaly),
    /// A field that may stand once stands more often (RFC 5322 §3.6).
    DuplicateFields,
    /// A text is too long to be shown whole.
    TextCut,
    /// The HTML is too long to be shown whole.
    HtmlCut,
    /// More attachments, addresses or fields than are shown.
    TooMany,
    /// No parser makes anything of it: the octets are shown as text.
    Unreadable,
}

impl fmt::Display for Note {
    /// A sentence for the page.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Ambiguous(anomaly) => return ambiguous(*anomaly, out),
            Self::DuplicateFields => "A header field that may occur once occurs several times.",
            Self::TextCut => "The text was cut after 1 MiB.",
            Self::HtmlCut => "The HTML was cut after 2 MiB.",
            Self::TooMany => "Not all attachments, addresses or header fields are shown.",
            Self::Unreadable => "This message cannot be taken apart; it is shown as it came.",
        })
    }
}

/// Why masked views show less of a message than their policies would.
fn ambiguous(anomaly: Anomaly, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let sealed = match anomaly.scope() {
        Scope::Message => "all of it",
        Scope::Structure => "its texts and attachments",
        Scope::Field | Scope::Leaf => "that text",
    };
    write!(out, "Masked views seal {sealed}, whatever their policy: mail programs disagree on {anomaly}.")
}

/// Reads a message. Total: every input gives something to show.
pub fn read(octets: &[u8]) -> Reading {
    let reading = with_message(octets, |message| {
        let mut reading = Reading { notes: doubts(octets), ..Reading::default() };
        header::read(octets, message, &mut reading);
        part::read(octets, message, &mut reading);
        reading.notes.sort_unstable();
        reading.notes.dedup();
        reading
    });
    reading.unwrap_or_else(|| unreadable(octets))
}

/// One attachment of a message by its number, with its decoded content.
pub fn attachment(octets: &[u8], number: usize) -> Option<(Attachment, Wiped)> {
    with_message(octets, |message| part::content(octets, message, number)).flatten()
}

/// One attachment of a message by its number, and where in the message its content is.
pub fn locate(octets: &[u8], number: usize) -> Option<(Attachment, Content)> {
    with_message(octets, |message| part::locate(octets, message, number)).flatten()
}

/// Runs `work` on the parsed message. `None` if there is nothing to parse, or the parser panics, as
/// mail-parser 0.11 with debug assertions does at some messages inside of messages.
fn with_message<T>(octets: &[u8], work: impl FnOnce(&Message<'_>) -> T) -> Option<T> {
    let run = AssertUnwindSafe(|| {
        let message = MessageParser::default().parse(octets)?;
        let done = work(&message);
        taken_apart(message);
        Some(done)
    });
    catch_unwind(run).ok().flatten()
}

/// Drops a message level by level: dropping thousands of messages inside each other at once would
/// overflow the stack.
fn taken_apart(message: Message<'_>) {
    let mut rest = vec![message];
    while let Some(mut message) = rest.pop() {
        for part in &mut message.parts {
            if let PartType::Message(inner) = std::mem::take(&mut part.body) {
                rest.push(inner);
            }
        }
    }
}

/// What our own strict reading doubts.
fn doubts(octets: &[u8]) -> Vec<Note> {
    let anatomy = dissect(octets);
    let mut anomalies = anatomy.parts().iter().flat_map(|part| part.anomalies.iter());
    let ambiguous = anomalies.find(|anomaly| {
        // Every other mail lacks a MIME-Version, and everybody reads on.
        let common = matches!(anomaly, Anomaly::MimeVersion | Anomaly::MboxFromLine);
        !common && matches!(anomaly.scope(), Scope::Message | Scope::Structure)
    });
    let ambiguous = ambiguous.or_else(|| has_bare_line_end(octets).then_some(Anomaly::BareLineEndInBody));
    let twice = SINGLE_FIELDS.iter().any(|name| anatomy.named(octets, 0, name).nth(1).is_some());
    let notes = [ambiguous.map(Note::Ambiguous), twice.then_some(Note::DuplicateFields)];
    notes.into_iter().flatten().collect()
}

/// Whether a CR or LF stands alone (RFC 5322 §2.3).
fn has_bare_line_end(octets: &[u8]) -> bool {
    memchr::memchr2_iter(b'\r', b'\n', octets).any(|at| match octets[at] {
        b'\r' => octets.get(at + 1) != Some(&b'\n'),
        _ => at == 0 || octets[at - 1] != b'\r',
    })
}

fn unreadable(octets: &[u8]) -> Reading {
    let shown = &octets[..octets.len().min(MAX_TEXT)];
    let mut notes = vec![Note::Unreadable];
    notes.extend((shown.len() < octets.len()).then_some(Note::TextCut));
    notes.sort_unstable();
    Reading { text: Some(String::from_utf8_lossy(shown).into_owned()), notes, ..Reading::default() }
}

/// At most so many octets of a text, and whether something is missing.
fn cut(text: &str, octets: usize) -> (&str, bool) {
    let end = text.floor_char_boundary(octets.min(text.len()));
    (&text[..end], end < text.len())
}

/// A value of several lines: bounded, without controls and characters that turn the direction.
fn bounded(text: &str, octets: usize) -> String {
    cut(text, octets).0.chars().filter(|one| matches!(one, '\n' | '\t') || is_shown(*one)).collect()
}

/// A value of one line.
fn line(text: &str, octets: usize) -> String {
    let text = bounded(text, octets);
    text.split(['\n', '\t']).map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned()
}

fn is_shown(letter: char) -> bool {
    !letter.is_control()
        && !matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Octets of a text that is shown.
const MAX_TEXT: usize = 1 << 20;

/// Fields that may stand once (RFC 5322 §3.6): two of them show one thing here and another there.
const SINGLE_FIELDS: [&str; 8] = ["From", "Sender", "Reply-To", "To", "Cc", "Message-ID", "Subject", "Date"];
