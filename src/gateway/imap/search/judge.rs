//! What is known of a message, and what a test makes of it: yes, no, or not known yet.

use std::cell::OnceCell;

use super::compile::{EnvelopeField, Search, Test};
use super::fold::{Hits, fold, fold_into};
use crate::gateway::imap::fetch::thread_id;
use crate::gateway::imap::room::{Depth, Sight};
use crate::mailbox::Entry;
use crate::structure::{Address, Structure};

/// What is known of a message.
pub(super) struct Facts<'a> {
    entry: &'a Entry,
    structure: Option<Structure<'a>>,
    octets: Option<&'a [u8]>,
    /// What was found in the header and in the texts, once somebody asked.
    header_hits: OnceCell<Hits>,
    text_hits: OnceCell<Hits>,
}

impl<'a> Facts<'a> {
    pub(super) fn of_roll(entry: &'a Entry) -> Self {
        Self {
            entry,
            structure: None,
            octets: None,
            header_hits: OnceCell::new(),
            text_hits: OnceCell::new(),
        }
    }

    /// None if the structure is none.
    pub(super) fn of_sight(entry: &'a Entry, sight: Sight<'a>, depth: Depth) -> Option<Self> {
        let structure = Structure::decode(sight.structure).ok()?;
        let octets = (depth == Depth::Octets).then_some(sight.octets);
        Some(Self { structure: Some(structure), octets, ..Self::of_roll(entry) })
    }

    /// Structure and octets, if both are known.
    fn opened(&self) -> Option<(&Structure<'a>, &'a [u8])> {
        self.structure.as_ref().zip(self.octets)
    }
}

impl Search {
    /// Whether the message is as the keys say; none if that is not known yet.
    pub(super) fn judge(&self, facts: &Facts<'_>) -> Option<bool> {
        self.decide(&self.test, facts)
    }

    fn decide(&self, test: &Test, facts: &Facts<'_>) -> Option<bool> {
        let entry = facts.entry;
        match test {
            Test::All(tests) => self.any(tests, facts, false).map(|failed| !failed),
            Test::Any(tests) => self.any(tests, facts, true),
            Test::Not(test) => self.decide(test, facts).map(|verdict| !verdict),
            Test::Always(verdict) => Some(*verdict),
            Test::Among(ranges) => Some(is_among(entry.uid, ranges)),
            Test::Flag(flag) => Some(entry.flags.contains(*flag)),
            Test::Received(range) => Some(range.contains(&entry.received)),
            Test::Saved(range) => Some(range.contains(&entry.saved)),
            Test::Octets(range) => Some(range.contains(&entry.octets)),
            // RFC 7162 §3.1.5: this mod-sequence or a higher one.
            Test::ModSeq(mod_seq) => Some(entry.mod_seq >= *mod_seq),
            Test::Message(message) => Some(entry.message == *message),
            Test::Sent(days) => {
                let structure = facts.structure.as_ref()?;
                Some(structure.sent.is_some_and(|sent| days.contains(&sent.day)))
            }
            Test::Thread(id) => {
                Some(thread_id(facts.structure.as_ref()?).is_some_and(|own| own[..] == *id.as_bytes()))
            }
            Test::Envelope(field, text) => has_field(*field, text, facts),
            Test::Header(name, text) => has_header(name, text, facts),
            Test::Body(needle) => Some(self.text_hits(facts)?.has(*needle)),
            Test::Text(needle) => {
                Some(self.header_hits(facts)?.has(*needle) || self.text_hits(facts)?.has(*needle))
            }
        }
    }

    /// Whether one of the tests comes out as `sought`; the others need not be made then.
    fn any(&self, tests: &[Test], facts: &Facts<'_>, sought: bool) -> Option<bool> {
        let mut verdict = Some(false);
        for test in tests {
            match self.decide(test, facts) {
                Some(found) if found == sought => return Some(true),
                Some(_) => {}
                None => verdict = None,
            }
        }
        verdict
    }

    fn header_hits<'f>(&self, facts: &'f Facts<'_>) -> Option<&'f Hits> {
        let (structure, octets) = facts.opened()?;
        Some(facts.header_hits.get_or_init(|| {
            let mut hits = self.texts.hits();
            self.texts.look(&fold(&structure.header_block(octets)), &mut hits);
            hits
        }))
    }

    /// Every text is folded once, and looked through for all that is sought in any of them.
    fn text_hits<'f>(&self, facts: &'f Facts<'_>) -> Option<&'f Hits> {
        let (structure, octets) = facts.opened()?;
        Some(facts.text_hits.get_or_init(|| {
            let mut hits = self.texts.hits();
            let mut folded = String::new();
            for text in structure.texts(octets) {
                if hits.are_all() {
                    break;
                }
                folded.clear();
                fold_into(&mut folded, &text);
                self.texts.look(&folded, &mut hits);
            }
            hits
        }))
    }
}

impl Test {
    /// Whether this depth can decide something.
    pub(super) fn looks_at(&self, depth: Depth) -> bool {
        match self {
            Self::All(tests) | Self::Any(tests) => tests.iter().any(|test| test.looks_at(depth)),
            Self::Not(test) => test.looks_at(depth),
            _ => self.depth() == Some(depth),
        }
    }
}

fn is_among(uid: u32, ranges: &[(u32, u32)]) -> bool {
    let index = ranges.partition_point(|(_, last)| *last < uid);
    ranges.get(index).is_some_and(|(first, _)| *first <= uid)
}

/// A field of the envelope. That there are no addresses does not say that there is no such field.
fn has_field(field: EnvelopeField, text: &str, facts: &Facts<'_>) -> Option<bool> {
    let envelope = &facts.structure.as_ref()?.envelope;
    let (name, addresses) = match field {
        EnvelopeField::From => ("From", &envelope.from),
        EnvelopeField::To => ("To", &envelope.to),
        EnvelopeField::Cc => ("Cc", &envelope.cc),
        EnvelopeField::Bcc => ("Bcc", &envelope.bcc),
        EnvelopeField::Date => return Some(has_value(envelope.date.as_ref(), text)),
        EnvelopeField::Subject => return Some(has_value(envelope.subject.as_ref(), text)),
        EnvelopeField::InReplyTo => return Some(has_value(envelope.in_reply_to.as_ref(), text)),
        EnvelopeField::MessageId => return Some(has_value(envelope.message_id.as_ref(), text)),
    };
    if text.is_empty() && addresses.is_empty() {
        return has_header(name, text, facts);
    }
    Some(addresses.iter().any(|address| fold(&written(address)).contains(text)))
}

fn has_value(value: Option<&crate::structure::Octets<'_>>, text: &str) -> bool {
    value.is_some_and(|value| text.is_empty() || fold(&value.text()).contains(text))
}

fn has_header(name: &str, text: &str, facts: &Facts<'_>) -> Option<bool> {
    let (structure, octets) = facts.opened()?;
    Some(structure.header_text(octets, name).any(|value| fold(&value).contains(text)))
}

/// An address as people write it: `Name <mailbox@host>`. A group's name is its mailbox.
fn written(address: &Address<'_>) -> String {
    let text = |octets: &Option<crate::structure::Octets<'_>>| octets.as_ref().map(|octets| octets.text());
    let mailbox = text(&address.mailbox).unwrap_or_default();
    let plain = match text(&address.host) {
        Some(host) => format!("{mailbox}@{host}"),
        None => mailbox,
    };
    match text(&address.name) {
        Some(name) => format!("{name} <{plain}>"),
        None => plain,
    }
}
