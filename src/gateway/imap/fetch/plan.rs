//! What a FETCH asks for, taken apart once: the names of its items as the responses repeat them, how much
//! of each message must be opened, whether it marks messages as seen.

use crate::gateway::imap::room::Extent;
use crate::gateway::imap::sets::Numbering;
use crate::wire::imap::text::{put_number, put_string};
use crate::wire::imap::{FetchItem, FetchModifiers, FetchSection, SelectMode};

/// A FETCH, ready to be answered for any number of messages.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) steps: Vec<Step>,
    /// Whether the client named FLAGS, so that they need not be added.
    pub(super) names_flags: bool,
    extent: Option<Extent>,
    marks_seen: bool,
}

/// What the session knows that changes a FETCH's answer.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// UID FETCH always tells UIDs (RFC 9051 §6.4.9).
    pub numbering: Numbering,
    /// Whether CONDSTORE is on: every FETCH response has MODSEQ (RFC 7162 §3.1).
    pub condstore: bool,
    /// Whether the folder's flags can be changed.
    pub mode: SelectMode,
}

/// One item of the response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Uid,
    Flags,
    InternalDate,
    Size,
    ModSeq,
    EmailId,
    SaveDate,
    ThreadId,
    Envelope,
    BodyStructure,
    Body,
    Preview,
    /// Octets of the message, as they are.
    Section {
        name: Vec<u8>,
        section: FetchSection,
        partial: Option<Partial>,
    },
    /// A part, its transfer encoding undone.
    Binary {
        name: Vec<u8>,
        part: Vec<u32>,
        partial: Option<Partial>,
    },
    BinarySize {
        name: Vec<u8>,
        part: Vec<u32>,
    },
}

/// First octet, and how many at most.
pub(super) type Partial = (u64, u64);

impl Plan {
    /// The plan for these items, in their order, with what goes with them unasked.
    pub fn of(items: Vec<FetchItem>, modifiers: FetchModifiers, manner: Manner) -> Self {
        let opens = items.iter().filter_map(opened).reduce(both);
        let reads = items.iter().any(is_reading) && manner.mode == SelectMode::ReadWrite;
        let mut steps: Vec<Step> = items.into_iter().map(step).collect();
        if manner.numbering == Numbering::Uid && !steps.contains(&Step::Uid) {
            steps.insert(0, Step::Uid);
        }
        // RFC 7162 §3.1.4.1: CHANGEDSINCE asks for MODSEQ too.
        let mod_seq = manner.condstore || modifiers.changed_since.is_some();
        if mod_seq && !steps.contains(&Step::ModSeq) {
            steps.push(Step::ModSeq);
        }
        Self { names_flags: steps.contains(&Step::Flags), steps, extent: opens, marks_seen: reads }
    }

    /// What the session tells of its own accord when flags changed: FLAGS, with UID and MODSEQ where the
    /// manner has them.
    pub fn news(manner: Manner) -> Self {
        Self::of(vec![FetchItem::Flags], FetchModifiers::default(), manner)
    }

    /// How much of the messages is opened; none if the roll has it all, and then [`Plan::put`] answers.
    pub fn extent(&self) -> Option<&Extent> {
        self.extent.as_ref()
    }

    /// Whether the messages are `\Seen` from now on (RFC 9051 §6.4.5, BODY\[\]).
    pub fn marks_seen(&self) -> bool {
        self.marks_seen
    }

    /// Whether octets of messages are read, and not their structure alone.
    pub(super) fn reads_octets(&self) -> bool {
        self.extent.as_ref().is_some_and(|extent| *extent != Extent::Listing)
    }
}

fn step(item: FetchItem) -> Step {
    let section = |name: &[u8], section| Step::Section { name: name.to_vec(), section, partial: None };
    match item {
        FetchItem::Uid => Step::Uid,
        FetchItem::Flags => Step::Flags,
        FetchItem::InternalDate => Step::InternalDate,
        FetchItem::Size => Step::Size,
        FetchItem::Envelope => Step::Envelope,
        FetchItem::BodyStructure => Step::BodyStructure,
        FetchItem::Body => Step::Body,
        FetchItem::ModSeq => Step::ModSeq,
        FetchItem::EmailId => Step::EmailId,
        FetchItem::ThreadId => Step::ThreadId,
        FetchItem::SaveDate => Step::SaveDate,
        FetchItem::Preview => Step::Preview,
        FetchItem::Rfc822 => section(b"RFC822", FetchSection::All(Vec::new())),
        FetchItem::Rfc822Header => section(b"RFC822.HEADER", FetchSection::Header(Vec::new())),
        FetchItem::Rfc822Text => section(b"RFC822.TEXT", FetchSection::Text(Vec::new())),
        FetchItem::Section { section, partial, .. } => {
            Step::Section { name: section_name(&section, partial), section, partial }
        }
        FetchItem::Binary { part, partial, .. } => {
            Step::Binary { name: part_name(b"BINARY[", &part, partial), part, partial }
        }
        FetchItem::BinarySize { part } => {
            Step::BinarySize { name: part_name(b"BINARY.SIZE[", &part, None), part }
        }
    }
}

/// The name of a section in the response (RFC 9051 §9, msg-att-static): without PEEK, and of a partial
/// the first octet alone.
fn section_name(section: &FetchSection, partial: Option<Partial>) -> Vec<u8> {
    let mut name = b"BODY[".to_vec();
    let (part, what): (_, &[u8]) = match section {
        FetchSection::All(part) => (part, b""),
        FetchSection::Header(part) => (part, b"HEADER"),
        FetchSection::Fields { part, not: false, .. } => (part, b"HEADER.FIELDS"),
        FetchSection::Fields { part, not: true, .. } => (part, b"HEADER.FIELDS.NOT"),
        FetchSection::Text(part) => (part, b"TEXT"),
        FetchSection::Mime(part) => (part, b"MIME"),
    };
    put_part(&mut name, part);
    if !part.is_empty() && !what.is_empty() {
        name.push(b'.');
    }
    name.extend_from_slice(what);
    if let FetchSection::Fields { names, .. } = section {
        put_field_names(&mut name, names);
    }
    put_end(&mut name, partial);
    name
}

fn part_name(begin: &[u8], part: &[u32], partial: Option<Partial>) -> Vec<u8> {
    let mut name = begin.to_vec();
    put_part(&mut name, part);
    put_end(&mut name, partial);
    name
}

fn put_part(name: &mut Vec<u8>, part: &[u32]) {
    for (index, number) in part.iter().enumerate() {
        if index > 0 {
            name.push(b'.');
        }
        put_number(name, (*number).into());
    }
}

fn put_end(name: &mut Vec<u8>, partial: Option<Partial>) {
    name.push(b']');
    if let Some((first, _)) = partial {
        name.push(b'<');
        put_number(name, first);
        name.push(b'>');
    }
}

fn put_field_names(name: &mut Vec<u8>, fields: &[String]) {
    name.extend_from_slice(b" (");
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            name.push(b' ');
        }
        match field.bytes().all(is_atom) && !field.is_empty() {
            true => name.extend_from_slice(field.as_bytes()),
            false => put_string(name, field.as_bytes()),
        }
    }
    name.push(b')');
}

/// RFC 9051 §9, ASTRING-CHAR.
fn is_atom(octet: u8) -> bool {
    matches!(octet, 0x21..=0x7e) && !matches!(octet, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\')
}

/// What of the message an item needs; none for what the roll has.
fn opened(item: &FetchItem) -> Option<Extent> {
    match item {
        FetchItem::Uid
        | FetchItem::Flags
        | FetchItem::InternalDate
        | FetchItem::Size
        | FetchItem::ModSeq
        | FetchItem::EmailId
        | FetchItem::SaveDate => None,
        FetchItem::Envelope
        | FetchItem::BodyStructure
        | FetchItem::Body
        | FetchItem::Preview
        | FetchItem::ThreadId => Some(Extent::Listing),
        FetchItem::Rfc822 | FetchItem::Rfc822Text => Some(Extent::Whole),
        FetchItem::Rfc822Header => Some(Extent::Header),
        FetchItem::Section { section, .. } => Some(section_extent(section)),
        FetchItem::Binary { part, .. } | FetchItem::BinarySize { part } => Some(part_extent(part)),
    }
}

fn section_extent(section: &FetchSection) -> Extent {
    match section {
        FetchSection::Header(part) | FetchSection::Fields { part, .. } if part.is_empty() => Extent::Header,
        FetchSection::All(part)
        | FetchSection::Header(part)
        | FetchSection::Fields { part, .. }
        | FetchSection::Text(part)
        | FetchSection::Mime(part) => part_extent(part),
    }
}

fn part_extent(part: &[u32]) -> Extent {
    match part.is_empty() {
        true => Extent::Whole,
        false => Extent::Parts(vec![part.to_vec()]),
    }
}

/// The smallest extent that has both. Parts come with the message's header.
fn both(one: Extent, other: Extent) -> Extent {
    match (one, other) {
        (Extent::Whole, _) | (_, Extent::Whole) => Extent::Whole,
        (Extent::Parts(mut parts), Extent::Parts(more)) => {
            parts.extend(more);
            parts.sort_unstable();
            parts.dedup();
            Extent::Parts(parts)
        }
        (parts @ Extent::Parts(_), _) | (_, parts @ Extent::Parts(_)) => parts,
        (Extent::Header, _) | (_, Extent::Header) => Extent::Header,
        (Extent::Listing, Extent::Listing) => Extent::Listing,
    }
}

/// Whether an item sets `\Seen`.
fn is_reading(item: &FetchItem) -> bool {
    match item {
        FetchItem::Rfc822 | FetchItem::Rfc822Text => true,
        FetchItem::Section { peek, .. } | FetchItem::Binary { peek, .. } => !peek,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Manner =
        Manner { numbering: Numbering::Sequence, condstore: false, mode: SelectMode::ReadWrite };

    fn plan(items: &[FetchItem]) -> Plan {
        Plan::of(items.to_vec(), FetchModifiers::default(), QUIET)
    }

    fn body(section: FetchSection) -> FetchItem {
        FetchItem::Section { section, partial: None, peek: false }
    }

    #[test]
    fn sections_are_named_as_the_client_named_them() {
        let named = |section, partial| String::from_utf8(section_name(&section, partial)).unwrap();
        let fields = |part: &[u32], not| FetchSection::Fields {
            part: part.to_vec(),
            names: vec!["DATE".to_owned(), "x (y)".to_owned(), "From".to_owned()],
            not,
        };
        assert_eq!(named(FetchSection::All(vec![]), None), "BODY[]");
        assert_eq!(named(FetchSection::All(vec![]), Some((2048, 10))), "BODY[]<2048>");
        assert_eq!(named(FetchSection::All(vec![4, 2]), Some((0, 1))), "BODY[4.2]<0>");
        assert_eq!(named(FetchSection::Header(vec![3]), None), "BODY[3.HEADER]");
        assert_eq!(named(FetchSection::Text(vec![]), None), "BODY[TEXT]");
        assert_eq!(named(FetchSection::Mime(vec![4, 2, 2]), None), "BODY[4.2.2.MIME]");
        assert_eq!(named(fields(&[], false), None), "BODY[HEADER.FIELDS (DATE \"x (y)\" From)]");
        assert_eq!(
            named(fields(&[2], true), Some((5, 9))),
            "BODY[2.HEADER.FIELDS.NOT (DATE \"x (y)\" From)]<5>"
        );
    }

    #[test]
    fn only_as_much_is_opened_as_is_asked() {
        let extent = |items: &[FetchItem]| plan(items).extent().cloned();
        assert_eq!(extent(&[FetchItem::Uid, FetchItem::Flags, FetchItem::Size, FetchItem::EmailId]), None);
        assert_eq!(extent(&[FetchItem::Uid, FetchItem::Envelope]), Some(Extent::Listing));
        let header = body(FetchSection::Header(vec![]));
        assert_eq!(extent(&[FetchItem::Envelope, header.clone()]), Some(Extent::Header));
        let parts = [
            header,
            body(FetchSection::Mime(vec![2])),
            body(FetchSection::All(vec![1])),
            body(FetchSection::All(vec![2])),
        ];
        assert_eq!(extent(&parts), Some(Extent::Parts(vec![vec![1], vec![2]])));
        assert_eq!(extent(&[parts[1].clone(), body(FetchSection::Text(vec![]))]), Some(Extent::Whole));
    }

    #[test]
    fn reading_marks_as_seen() {
        assert!(plan(&[body(FetchSection::All(vec![]))]).marks_seen());
        assert!(plan(&[FetchItem::Rfc822Text]).marks_seen());
        let peek = |peek| FetchItem::Binary { part: vec![1], partial: None, peek };
        assert!(plan(&[peek(false)]).marks_seen());
        assert!(
            !plan(&[peek(true), FetchItem::Rfc822Header, FetchItem::BinarySize { part: vec![1] }])
                .marks_seen()
        );
        let examined = Manner { mode: SelectMode::ReadOnly, ..QUIET };
        assert!(!Plan::of(vec![FetchItem::Rfc822], FetchModifiers::default(), examined).marks_seen());
    }

    #[test]
    fn uids_and_mod_sequences_come_unasked_where_they_must() {
        let manner = Manner { numbering: Numbering::Uid, condstore: true, ..QUIET };
        assert_eq!(Plan::news(manner).steps, [Step::Uid, Step::Flags, Step::ModSeq]);
        assert_eq!(Plan::news(QUIET).steps, [Step::Flags]);
        let since = FetchModifiers { changed_since: Some(5), ..FetchModifiers::default() };
        let asked = Plan::of(vec![FetchItem::ModSeq, FetchItem::Uid], since, manner);
        assert_eq!(asked.steps, [Step::ModSeq, Step::Uid]);
    }
}
