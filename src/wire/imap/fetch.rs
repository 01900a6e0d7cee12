//! FETCH with what `imap-codec` does not know: PREVIEW (RFC 8970), EMAILID and THREADID (RFC 8474), SAVEDATE
//! (RFC 8514), and the modifier PARTIAL (RFC 9394).

use imap_types::command::FetchModifier;
use imap_types::core::{AString, Vec1};
use imap_types::fetch::{MacroOrMessageDataItemNames, MessageDataItemName, Part, Section};

use super::argument::Argument;
use super::cursor::Cursor;
use super::parse::{CommandErrorKind, Parsed};
use super::{CommandBody, FetchItem, FetchModifiers, FetchSection, Numbers};

/// `FETCH numbers items [(modifiers)]`, from behind the verb.
pub(super) fn parse(mut cursor: Cursor<'_>, uid: bool) -> Parsed<CommandBody> {
    cursor.space()?;
    let numbers = cursor.numbers()?;
    cursor.space()?;
    let items = match cursor.peek() {
        Some(b'(') => cursor.list(MAX_ITEMS, item)?,
        _ => match macro_items(&mut cursor) {
            Some(items) => items,
            None => vec![item(&mut cursor)?],
        },
    };
    let mut modifiers = FetchModifiers::default();
    if cursor.skip(b' ') {
        cursor.list(MAX_MODIFIERS, |cursor| modifier(cursor, &mut modifiers))?;
    }
    cursor.end()?;
    fetch(numbers, items, modifiers, uid)
}

/// FETCH as `imap-codec` has it.
pub(super) fn translate(
    numbers: Numbers,
    items: MacroOrMessageDataItemNames<'_>,
    modifiers: &[FetchModifier],
    uid: bool,
) -> Parsed<CommandBody> {
    let items = match &items {
        MacroOrMessageDataItemNames::Macro(name) => name.expand().iter().map(translate_item).collect(),
        MacroOrMessageDataItemNames::MessageDataItemNames(names) if names.len() > MAX_ITEMS => {
            return Err(CommandErrorKind::TooMany);
        }
        MacroOrMessageDataItemNames::MessageDataItemNames(names) => {
            names.iter().map(translate_item).collect::<Parsed<Vec<_>>>()
        }
    }?;
    let mut ours = FetchModifiers::default();
    for modifier in modifiers {
        match modifier {
            FetchModifier::ChangedSince(mod_seq) => ours.changed_since = Some(mod_seq.get()),
            FetchModifier::Vanished => ours.vanished = true,
        }
    }
    fetch(numbers, items, ours, uid)
}

fn fetch(
    numbers: Numbers,
    items: Vec<FetchItem>,
    modifiers: FetchModifiers,
    uid: bool,
) -> Parsed<CommandBody> {
    // RFC 7162 §3.2.6: VANISHED belongs to UID FETCH and goes with CHANGEDSINCE. RFC 9394 §3.2: so does
    // PARTIAL to UID FETCH.
    let vanished = !modifiers.vanished || uid && modifiers.changed_since.is_some();
    let partial = modifiers.partial.is_none() || uid;
    let mod_seq = modifiers.changed_since.is_none_or(|mod_seq| mod_seq <= i64::MAX as u64);
    if items.is_empty() {
        return Err(Argument::FetchItem.into());
    }
    if !vanished || !partial || !mod_seq {
        return Err(Argument::FetchModifier.into());
    }
    Ok(CommandBody::Fetch { numbers, items, modifiers, uid })
}

/// `ALL`, `FAST` and `FULL`, which stand alone (RFC 9051 §6.4.5).
fn macro_items(cursor: &mut Cursor<'_>) -> Option<Vec<FetchItem>> {
    let mut items = vec![FetchItem::Flags, FetchItem::InternalDate, FetchItem::Size];
    let is_next = |word: &str| {
        let ahead = cursor.ahead();
        let rest =
            ahead.get(word.len()..).filter(|_| ahead[..word.len()].eq_ignore_ascii_case(word.as_bytes()));
        rest.is_some_and(|rest| matches!(rest.first(), None | Some(b' ')))
    };
    let (word, more) = MACROS.iter().find(|(word, _)| is_next(word))?;
    items.extend_from_slice(more);
    cursor.skip_word(word).then_some(items)
}

fn modifier(cursor: &mut Cursor<'_>, modifiers: &mut FetchModifiers) -> Parsed<()> {
    match cursor.name().map_err(|_| Argument::FetchModifier)?.as_str() {
        "VANISHED" => modifiers.vanished = true,
        "CHANGEDSINCE" => {
            cursor.space()?;
            // RFC 7162 §7 has no 0 here, and clients that have no mod-sequence yet send it: they want all.
            modifiers.changed_since = Some(cursor.number64()?);
        }
        "PARTIAL" => {
            cursor.space()?;
            modifiers.partial = Some(cursor.partial_range()?);
        }
        _ => return Err(Argument::FetchModifier.into()),
    }
    Ok(())
}

fn item(cursor: &mut Cursor<'_>) -> Parsed<FetchItem> {
    let name = cursor.name().map_err(|_| Argument::FetchItem)?;
    let bracket = cursor.peek() == Some(b'[');
    Ok(match name.as_str() {
        "BODY" | "BODY.PEEK" if bracket => FetchItem::Section {
            section: section(cursor)?,
            partial: partial(cursor)?,
            peek: name == "BODY.PEEK",
        },
        "BINARY" | "BINARY.PEEK" if bracket => FetchItem::Binary {
            part: bracketed_part(cursor)?,
            partial: partial(cursor)?,
            peek: name == "BINARY.PEEK",
        },
        "BINARY.SIZE" if bracket => FetchItem::BinarySize { part: bracketed_part(cursor)? },
        "PREVIEW" => {
            // RFC 8970 §3.1: LAZY says that none may be sent where one costs time; ours are at hand.
            cursor.skip_word(" (LAZY)");
            FetchItem::Preview
        }
        "UID" => FetchItem::Uid,
        "FLAGS" => FetchItem::Flags,
        "INTERNALDATE" => FetchItem::InternalDate,
        "RFC822.SIZE" => FetchItem::Size,
        "ENVELOPE" => FetchItem::Envelope,
        "BODYSTRUCTURE" => FetchItem::BodyStructure,
        "BODY" => FetchItem::Body,
        "MODSEQ" => FetchItem::ModSeq,
        "EMAILID" => FetchItem::EmailId,
        "THREADID" => FetchItem::ThreadId,
        "SAVEDATE" => FetchItem::SaveDate,
        "RFC822" => FetchItem::Rfc822,
        "RFC822.HEADER" => FetchItem::Rfc822Header,
        "RFC822.TEXT" => FetchItem::Rfc822Text,
        _ => return Err(Argument::FetchItem.into()),
    })
}

/// `section`, from its bracket on.
fn section(cursor: &mut Cursor<'_>) -> Parsed<FetchSection> {
    cursor.octet(b'[')?;
    let (part, period) = part(cursor)?;
    let section = match cursor.peek() {
        Some(b']') if !period => FetchSection::All(part),
        _ => section_text(cursor, part)?,
    };
    cursor.octet(b']').map_err(|_| Argument::Section)?;
    Ok(section)
}

fn section_text(cursor: &mut Cursor<'_>, part: Vec<u32>) -> Parsed<FetchSection> {
    let name = cursor.name().map_err(|_| Argument::Section)?;
    Ok(match name.as_str() {
        "HEADER" => FetchSection::Header(part),
        "TEXT" => FetchSection::Text(part),
        "MIME" if !part.is_empty() => FetchSection::Mime(part),
        "HEADER.FIELDS" | "HEADER.FIELDS.NOT" => {
            cursor.space()?;
            let names = cursor.list(MAX_FIELDS, |cursor| field_name(&cursor.astring()?))?;
            FetchSection::Fields { part, names, not: name == "HEADER.FIELDS.NOT" }
        }
        _ => return Err(Argument::Section.into()),
    })
}

/// The numbers of a part, and whether a period stands behind them. There may be none of either.
fn part(cursor: &mut Cursor<'_>) -> Parsed<(Vec<u32>, bool)> {
    let mut part = Vec::new();
    while cursor.peek().is_some_and(|octet| octet.is_ascii_digit()) {
        if part.len() == MAX_DEPTH {
            return Err(CommandErrorKind::TooMany);
        }
        part.push(cursor.nz_number().map_err(|_| Argument::Section)?);
        if !cursor.skip(b'.') {
            return if cursor.peek() == Some(b']') {
                Ok((part, false))
            } else {
                Err(Argument::Section.into())
            };
        }
    }
    let period = !part.is_empty();
    Ok((part, period))
}

/// `section-binary`
fn bracketed_part(cursor: &mut Cursor<'_>) -> Parsed<Vec<u32>> {
    cursor.octet(b'[')?;
    let (part, period) = part(cursor)?;
    cursor.octet(b']').map_err(|_| Argument::Section)?;
    if period { Err(Argument::Section.into()) } else { Ok(part) }
}

/// `<first.count>`, if it is there.
fn partial(cursor: &mut Cursor<'_>) -> Parsed<Option<(u64, u64)>> {
    if !cursor.skip(b'<') {
        return Ok(None);
    }
    let first = cursor.number64()?;
    cursor.octet(b'.').map_err(|_| Argument::Section)?;
    let count = cursor.number64()?;
    cursor.octet(b'>').map_err(|_| Argument::Section)?;
    if count == 0 { Err(Argument::Section.into()) } else { Ok(Some((first, count))) }
}

fn field_name(octets: &[u8]) -> Parsed<String> {
    // RFC 5322 §3.6.8: a name is printable US-ASCII without colons. No field has another, and the response
    // repeats the names.
    let fits = !octets.is_empty() && octets.iter().all(|octet| octet.is_ascii_graphic() && *octet != b':');
    let name = std::str::from_utf8(octets).ok().filter(|_| fits);
    name.map(str::to_owned).ok_or(Argument::Section.into())
}

fn translate_item(name: &MessageDataItemName<'_>) -> Parsed<FetchItem> {
    Ok(match name {
        MessageDataItemName::Body => FetchItem::Body,
        MessageDataItemName::BodyExt { section, partial, peek } => FetchItem::Section {
            section: section.as_ref().map_or(Ok(FetchSection::All(Vec::new())), translate_section)?,
            partial: partial.map(|(first, count)| (first.into(), count.get().into())),
            peek: *peek,
        },
        MessageDataItemName::BodyStructure => FetchItem::BodyStructure,
        MessageDataItemName::Envelope => FetchItem::Envelope,
        MessageDataItemName::Flags => FetchItem::Flags,
        MessageDataItemName::InternalDate => FetchItem::InternalDate,
        MessageDataItemName::Rfc822 => FetchItem::Rfc822,
        MessageDataItemName::Rfc822Header => FetchItem::Rfc822Header,
        MessageDataItemName::Rfc822Size => FetchItem::Size,
        MessageDataItemName::Rfc822Text => FetchItem::Rfc822Text,
        MessageDataItemName::Uid => FetchItem::Uid,
        MessageDataItemName::Binary { section, partial, peek } => FetchItem::Binary {
            part: translate_part(section)?,
            partial: partial.map(|(first, count)| (first.into(), count.get().into())),
            peek: *peek,
        },
        MessageDataItemName::BinarySize { section } => {
            FetchItem::BinarySize { part: translate_part(section)? }
        }
        MessageDataItemName::ModSeq => FetchItem::ModSeq,
    })
}

fn translate_section(section: &Section<'_>) -> Parsed<FetchSection> {
    let part = |part: &Option<Part>| match part {
        Some(part) => translate_part(part.0.as_ref()),
        None => Ok(Vec::new()),
    };
    Ok(match section {
        Section::Part(part) => FetchSection::All(translate_part(part.0.as_ref())?),
        Section::Header(of) => FetchSection::Header(part(of)?),
        Section::HeaderFields(of, names) => fields(part(of)?, names, false)?,
        Section::HeaderFieldsNot(of, names) => fields(part(of)?, names, true)?,
        Section::Text(of) => FetchSection::Text(part(of)?),
        Section::Mime(part) => FetchSection::Mime(translate_part(part.0.as_ref())?),
    })
}

fn fields(part: Vec<u32>, names: &Vec1<AString<'_>>, not: bool) -> Parsed<FetchSection> {
    let names = names.as_ref();
    if names.len() > MAX_FIELDS {
        return Err(CommandErrorKind::TooMany);
    }
    let names = names.iter().map(|name| field_name(name.as_ref())).collect::<Parsed<_>>()?;
    Ok(FetchSection::Fields { part, names, not })
}

fn translate_part(part: &[std::num::NonZeroU32]) -> Parsed<Vec<u32>> {
    if part.len() > MAX_DEPTH {
        return Err(CommandErrorKind::TooMany);
    }
    Ok(part.iter().map(|number| number.get()).collect())
}

/// What the macros have besides flags, date and size.
const MACROS: [(&str, &[FetchItem]); 3] =
    [("FAST", &[]), ("ALL", &[FetchItem::Envelope]), ("FULL", &[FetchItem::Envelope, FetchItem::Body])];
/// Items of one FETCH.
const MAX_ITEMS: usize = 128;
/// Modifiers of one FETCH; there are three.
const MAX_MODIFIERS: usize = 8;
/// Header fields named in one section.
const MAX_FIELDS: usize = 256;
/// Numbers of one part: `message::cutter` goes no deeper.
const MAX_DEPTH: usize = 100;
