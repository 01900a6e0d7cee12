//! SEARCH, SORT and THREAD: what `imap-codec` reads, as our types, and a reader for what it does not know:
//! RETURN (RFC 4731, RFC 5182, RFC 5267, RFC 9394), `$`, EMAILID and THREADID (RFC 8474), SAVEDATE
//! (RFC 8514), and keys that are nested deeper than its limit.

use encoding_rs::{Encoding, UTF_8};
use imap_types::core::{AString, Charset as ReadCharset, Vec1};
use imap_types::datetime::NaiveDate;
use imap_types::extensions::sort::{SortCriterion as ReadCriterion, SortKey as ReadSortKey};
use imap_types::extensions::thread::ThreadingAlgorithm;
use imap_types::search::SearchKey;

use crate::mailbox::Flags;

use super::argument::Argument;
use super::cursor::Cursor;
use super::parse::{CommandErrorKind, Parsed};
use super::{CommandBody, Key, Returns, SortCriterion, SortKey, Threading, translate};

/// `SEARCH [RETURN (options)] [CHARSET charset] key …`, from behind the verb.
pub(super) fn parse_search(mut cursor: Cursor<'_>, uid: bool) -> Parsed<CommandBody> {
    let returns = parse_returns(&mut cursor)?;
    let charset = if cursor.skip_word(" CHARSET ") { charset(&mut cursor)? } else { Charset(UTF_8) };
    let key = Keys::new(charset).read_all(cursor)?;
    Ok(CommandBody::Search { key, returns, uid })
}

/// `SORT [RETURN (options)] (criteria) charset key …`, from behind the verb.
pub(super) fn parse_sort(mut cursor: Cursor<'_>, uid: bool) -> Parsed<CommandBody> {
    let returns = parse_returns(&mut cursor)?;
    cursor.space()?;
    let criteria = cursor.list(MAX_CRITERIA, sort_criterion)?;
    cursor.space()?;
    let charset = charset(&mut cursor)?;
    let key = Keys::new(charset).read_all(cursor)?;
    Ok(CommandBody::Sort { criteria, key, returns, uid })
}

/// `THREAD algorithm charset key …`, from behind the verb.
pub(super) fn parse_thread(mut cursor: Cursor<'_>, uid: bool) -> Parsed<CommandBody> {
    cursor.space()?;
    let algorithm = match cursor.name()?.as_str() {
        "ORDEREDSUBJECT" => Threading::OrderedSubject,
        "REFERENCES" => Threading::References,
        _ => return Err(Argument::Threading.into()),
    };
    cursor.space()?;
    let charset = charset(&mut cursor)?;
    let key = Keys::new(charset).read_all(cursor)?;
    Ok(CommandBody::Thread { algorithm, key, uid })
}

/// SEARCH as `imap-codec` has it.
pub(super) fn translate_search(
    charset: Option<ReadCharset<'_>>,
    criteria: Vec1<SearchKey<'_>>,
    uid: bool,
) -> Parsed<CommandBody> {
    let charset =
        charset.map_or(Ok(Charset(UTF_8)), |charset| Charset::named(charset.as_ref().as_bytes()))?;
    let key = Keys::new(charset).translate_all(criteria)?;
    Ok(CommandBody::Search { key, returns: None, uid })
}

/// SORT as `imap-codec` has it.
pub(super) fn translate_sort(
    criteria: Vec1<ReadCriterion>,
    charset: &ReadCharset<'_>,
    keys: Vec1<SearchKey<'_>>,
    uid: bool,
) -> Parsed<CommandBody> {
    let criteria = criteria.into_inner();
    if criteria.len() > MAX_CRITERIA {
        return Err(CommandErrorKind::TooMany);
    }
    let criteria = criteria.iter().map(translate_criterion).collect();
    let key = Keys::new(Charset::named(charset.as_ref().as_bytes())?).translate_all(keys)?;
    Ok(CommandBody::Sort { criteria, key, returns: None, uid })
}

/// THREAD as `imap-codec` has it.
pub(super) fn translate_thread(
    algorithm: &ThreadingAlgorithm<'_>,
    charset: &ReadCharset<'_>,
    keys: Vec1<SearchKey<'_>>,
    uid: bool,
) -> Parsed<CommandBody> {
    let algorithm = match algorithm {
        ThreadingAlgorithm::OrderedSubject => Threading::OrderedSubject,
        ThreadingAlgorithm::References => Threading::References,
        ThreadingAlgorithm::Other(_) => return Err(Argument::Threading.into()),
    };
    let key = Keys::new(Charset::named(charset.as_ref().as_bytes())?).translate_all(keys)?;
    Ok(CommandBody::Thread { algorithm, key, uid })
}

/// ` RETURN (options)`, if it is there.
fn parse_returns(cursor: &mut Cursor<'_>) -> Parsed<Option<Returns>> {
    if !cursor.skip_word(" RETURN ") {
        return Ok(None);
    }
    let mut returns = Returns::default();
    let options = cursor.list0(MAX_RETURNS, |cursor| {
        match cursor.name().map_err(|_| Argument::SearchOption)?.as_str() {
            "MIN" => returns.min = true,
            "MAX" => returns.max = true,
            "ALL" => returns.all = true,
            "COUNT" => returns.count = true,
            "SAVE" => returns.save = true,
            "PARTIAL" if returns.partial.is_none() => {
                cursor.space()?;
                returns.partial = Some(cursor.partial_range()?);
            }
            _ => return Err(Argument::SearchOption.into()),
        }
        Ok(())
    })?;
    // RFC 4731 §3.1: no option is ALL. RFC 9394 §3.1: ALL and PARTIAL exclude each other.
    returns.all |= options.is_empty();
    if returns.all && returns.partial.is_some() {
        Err(Argument::SearchOption.into())
    } else {
        Ok(Some(returns))
    }
}

/// A charset of texts to search for.
#[derive(Clone, Copy)]
struct Charset(&'static Encoding);

impl Charset {
    /// RFC 9051 §6.4.4: US-ASCII and UTF-8 must be known. Clients that say the former and send the latter
    /// are understood.
    fn named(name: &[u8]) -> Parsed<Self> {
        if name.eq_ignore_ascii_case(b"US-ASCII") {
            return Ok(Self(UTF_8));
        }
        Encoding::for_label_no_replacement(name).map(Self).ok_or(CommandErrorKind::Charset)
    }

    fn decode(self, octets: &[u8]) -> Parsed<String> {
        let text = self.0.decode_without_bom_handling_and_without_replacement(octets);
        text.map(std::borrow::Cow::into_owned).ok_or(Argument::SearchText.into())
    }
}

fn charset(cursor: &mut Cursor<'_>) -> Parsed<Charset> {
    Charset::named(&cursor.astring()?)
}

/// The keys of one command.
struct Keys {
    charset: Charset,
    /// How many more there may be.
    left: usize,
}

impl Keys {
    fn new(charset: Charset) -> Self {
        Self { charset, left: MAX_KEYS }
    }

    /// ` key key …` to the end of the command.
    fn read_all(mut self, mut cursor: Cursor<'_>) -> Parsed<Key> {
        let mut keys = Vec::new();
        loop {
            cursor.space()?;
            keys.push(self.read(&mut cursor, MAX_DEPTH)?);
            if cursor.left() == 0 {
                return Ok(all_of(keys));
            }
        }
    }

    fn read(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Parsed<Key> {
        let depth = self.count(depth)?;
        match cursor.peek() {
            Some(b'(') => cursor.list(MAX_KEYS, |cursor| self.read(cursor, depth)).map(Key::And),
            Some(b'0'..=b'9' | b'*' | b'$') => cursor.numbers().map(Key::Numbers),
            _ => {
                let name = cursor.name().map_err(|_| Argument::SearchKey)?;
                match plain_key(&name) {
                    Some(key) => Ok(key),
                    None if !has_arguments(&name) => Err(Argument::SearchKey.into()),
                    None => {
                        cursor.space()?;
                        self.read_arguments(&name, cursor, depth)
                    }
                }
            }
        }
    }

    fn read_arguments(&mut self, name: &str, cursor: &mut Cursor<'_>, depth: usize) -> Parsed<Key> {
        Ok(match name {
            "NOT" => Key::Not(Box::new(self.read(cursor, depth)?)),
            "OR" => {
                let first = self.read(cursor, depth)?;
                cursor.space()?;
                Key::Or(Box::new(first), Box::new(self.read(cursor, depth)?))
            }
            "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => {
                Key::Header(field(name).to_owned(), self.text(cursor)?)
            }
            "HEADER" => {
                let name = header_name(&cursor.astring()?)?;
                cursor.space()?;
                Key::Header(name, self.text(cursor)?)
            }
            "BODY" => Key::Body(self.text(cursor)?),
            "TEXT" => Key::Text(self.text(cursor)?),
            "KEYWORD" => Key::Keyword(cursor.atom()?.to_owned()),
            "UNKEYWORD" => Key::Not(Box::new(Key::Keyword(cursor.atom()?.to_owned()))),
            "UID" => Key::Uids(cursor.numbers()?),
            "LARGER" => Key::Larger(cursor.number64()?),
            "SMALLER" => Key::Smaller(cursor.number64()?),
            "YOUNGER" => Key::Younger(cursor.nz_number()?),
            "OLDER" => Key::Older(cursor.nz_number()?),
            "MODSEQ" => Key::ModSeq(mod_seq(cursor)?),
            "EMAILID" => Key::EmailId(object_id(cursor)?),
            "THREADID" => Key::ThreadId(object_id(cursor)?),
            name => dated_key(name, cursor.date()?).ok_or(Argument::SearchKey)?,
        })
    }

    fn text(&self, cursor: &mut Cursor<'_>) -> Parsed<String> {
        self.charset.decode(&cursor.search_text()?)
    }

    fn translate_all(mut self, keys: Vec1<SearchKey<'_>>) -> Parsed<Key> {
        let keys = keys.into_inner().into_iter().map(|key| self.translate(key, MAX_DEPTH));
        Ok(all_of(keys.collect::<Parsed<_>>()?))
    }

    fn translate(&mut self, key: SearchKey<'_>, depth: usize) -> Parsed<Key> {
        let depth = self.count(depth)?;
        Ok(match key {
            SearchKey::And(keys) => {
                let keys = keys.into_inner().into_iter().map(|key| self.translate(key, depth));
                Key::And(keys.collect::<Parsed<_>>()?)
            }
            SearchKey::Or(first, second) => {
                Key::Or(Box::new(self.translate(*first, depth)?), Box::new(self.translate(*second, depth)?))
            }
            SearchKey::Not(key) => Key::Not(Box::new(self.translate(*key, depth)?)),
            SearchKey::Bcc(text) => self.header("BCC", &text)?,
            SearchKey::Cc(text) => self.header("CC", &text)?,
            SearchKey::From(text) => self.header("FROM", &text)?,
            SearchKey::Subject(text) => self.header("SUBJECT", &text)?,
            SearchKey::To(text) => self.header("TO", &text)?,
            SearchKey::Header(name, text) => {
                Key::Header(header_name(name.as_ref())?, self.charset.decode(text.as_ref())?)
            }
            SearchKey::Body(text) => Key::Body(self.charset.decode(text.as_ref())?),
            SearchKey::Text(text) => Key::Text(self.charset.decode(text.as_ref())?),
            key => translate_key(key).ok_or(Argument::SearchKey)?,
        })
    }

    fn header(&self, name: &str, text: &AString<'_>) -> Parsed<Key> {
        Ok(Key::Header(field(name).to_owned(), self.charset.decode(text.as_ref())?))
    }

    /// Counts a key, and how deep those inside of it may be.
    fn count(&mut self, depth: usize) -> Parsed<usize> {
        self.left = self.left.checked_sub(1).ok_or(CommandErrorKind::TooMany)?;
        depth.checked_sub(1).ok_or(CommandErrorKind::TooMany)
    }
}

fn all_of(mut keys: Vec<Key>) -> Key {
    match keys.len() {
        1 => keys.remove(0),
        _ => Key::And(keys),
    }
}

/// A key without arguments.
fn plain_key(name: &str) -> Option<Key> {
    let not = |key| Key::Not(Box::new(key));
    Some(match name {
        "ALL" => Key::All,
        "ANSWERED" => Key::Flag(Flags::ANSWERED),
        "DELETED" => Key::Flag(Flags::DELETED),
        "DRAFT" => Key::Flag(Flags::DRAFT),
        "FLAGGED" => Key::Flag(Flags::FLAGGED),
        "SEEN" => Key::Flag(Flags::SEEN),
        "UNANSWERED" => not(Key::Flag(Flags::ANSWERED)),
        "UNDELETED" => not(Key::Flag(Flags::DELETED)),
        "UNDRAFT" => not(Key::Flag(Flags::DRAFT)),
        "UNFLAGGED" => not(Key::Flag(Flags::FLAGGED)),
        "UNSEEN" => not(Key::Flag(Flags::SEEN)),
        "NEW" | "RECENT" => Key::Recent(false),
        "OLD" => Key::Recent(true),
        "SAVEDATESUPPORTED" => Key::SaveDateSupported,
        _ => return None,
    })
}

fn dated_key(name: &str, day: i64) -> Option<Key> {
    Some(match name {
        "BEFORE" => Key::Before(day),
        "ON" => Key::On(day),
        "SINCE" => Key::Since(day),
        "SENTBEFORE" => Key::SentBefore(day),
        "SENTON" => Key::SentOn(day),
        "SENTSINCE" => Key::SentSince(day),
        "SAVEDBEFORE" => Key::SavedBefore(day),
        "SAVEDON" => Key::SavedOn(day),
        "SAVEDSINCE" => Key::SavedSince(day),
        _ => return None,
    })
}

/// Whether there is a key of this name that has arguments.
fn has_arguments(name: &str) -> bool {
    KEYS_WITH_ARGUMENTS.contains(&name) || dated_key(name, 0).is_some()
}

/// A key without texts and without keys inside.
fn translate_key(key: SearchKey<'_>) -> Option<Key> {
    Some(match key {
        SearchKey::SequenceSet(set) => Key::Numbers(translate::numbers(&set)),
        SearchKey::Uid(set) => Key::Uids(translate::numbers(&set)),
        SearchKey::Keyword(keyword) => Key::Keyword(keyword.as_ref().to_owned()),
        SearchKey::Unkeyword(keyword) => Key::Not(Box::new(Key::Keyword(keyword.as_ref().to_owned()))),
        SearchKey::Larger(octets) => Key::Larger(octets.into()),
        SearchKey::Smaller(octets) => Key::Smaller(octets.into()),
        SearchKey::Younger(seconds) => Key::Younger(seconds.get()),
        SearchKey::Older(seconds) => Key::Older(seconds.get()),
        // RFC 7162 §3.1.5: what the entry says is ignored where mod-sequences are per message.
        SearchKey::ModSequence { modseq, .. } if modseq <= i64::MAX as u64 => Key::ModSeq(modseq),
        SearchKey::Before(date) => Key::Before(days(&date)),
        SearchKey::On(date) => Key::On(days(&date)),
        SearchKey::Since(date) => Key::Since(days(&date)),
        SearchKey::SentBefore(date) => Key::SentBefore(days(&date)),
        SearchKey::SentOn(date) => Key::SentOn(days(&date)),
        SearchKey::SentSince(date) => Key::SentSince(days(&date)),
        SearchKey::All => plain_key("ALL")?,
        SearchKey::Answered => plain_key("ANSWERED")?,
        SearchKey::Deleted => plain_key("DELETED")?,
        SearchKey::Draft => plain_key("DRAFT")?,
        SearchKey::Flagged => plain_key("FLAGGED")?,
        SearchKey::New => plain_key("NEW")?,
        SearchKey::Old => plain_key("OLD")?,
        SearchKey::Recent => plain_key("RECENT")?,
        SearchKey::Seen => plain_key("SEEN")?,
        SearchKey::Unanswered => plain_key("UNANSWERED")?,
        SearchKey::Undeleted => plain_key("UNDELETED")?,
        SearchKey::Undraft => plain_key("UNDRAFT")?,
        SearchKey::Unflagged => plain_key("UNFLAGGED")?,
        SearchKey::Unseen => plain_key("UNSEEN")?,
        _ => return None,
    })
}

fn days(date: &NaiveDate) -> i64 {
    date.as_ref().to_epoch_days().into()
}

/// The field that a key of this name looks at.
fn field(key: &str) -> &'static str {
    match key {
        "BCC" => "Bcc",
        "CC" => "Cc",
        "FROM" => "From",
        "SUBJECT" => "Subject",
        _ => "To",
    }
}

fn header_name(octets: &[u8]) -> Parsed<String> {
    let fits = !octets.is_empty() && octets.iter().all(|octet| octet.is_ascii_graphic() && *octet != b':');
    let name = std::str::from_utf8(octets).ok().filter(|_| fits);
    name.map(str::to_owned).ok_or(Argument::SearchKey.into())
}

/// RFC 7162 §3.1.5: `[entry-name entry-type] mod-sequence`.
fn mod_seq(cursor: &mut Cursor<'_>) -> Parsed<u64> {
    if cursor.peek() == Some(b'"') {
        cursor.string()?;
        cursor.space()?;
        if !matches!(cursor.name()?.as_str(), "PRIV" | "SHARED" | "ALL") {
            return Err(Argument::SearchKey.into());
        }
        cursor.space()?;
    }
    cursor.number64()
}

/// RFC 8474 §7: `objectid = 1*255(ALPHA / DIGIT / "_" / "-")`.
fn object_id(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let id = cursor.take_while(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-'));
    let id = std::str::from_utf8(id).ok().filter(|id| (1..=MAX_OBJECT_ID).contains(&id.len()));
    id.map(str::to_owned).ok_or(Argument::SearchKey.into())
}

fn sort_criterion(cursor: &mut Cursor<'_>) -> Parsed<SortCriterion> {
    let reverse = cursor.skip_word("REVERSE ");
    let key = match cursor.name().map_err(|_| Argument::SortKey)?.as_str() {
        "ARRIVAL" => SortKey::Arrival,
        "CC" => SortKey::Cc,
        "DATE" => SortKey::Date,
        "FROM" => SortKey::From,
        "SIZE" => SortKey::Size,
        "SUBJECT" => SortKey::Subject,
        "TO" => SortKey::To,
        "DISPLAYFROM" => SortKey::DisplayFrom,
        "DISPLAYTO" => SortKey::DisplayTo,
        _ => return Err(Argument::SortKey.into()),
    };
    Ok(SortCriterion { key, reverse })
}

fn translate_criterion(criterion: &ReadCriterion) -> SortCriterion {
    let key = match criterion.key {
        ReadSortKey::Arrival => SortKey::Arrival,
        ReadSortKey::Cc => SortKey::Cc,
        ReadSortKey::Date => SortKey::Date,
        ReadSortKey::From => SortKey::From,
        ReadSortKey::Size => SortKey::Size,
        ReadSortKey::Subject => SortKey::Subject,
        ReadSortKey::To => SortKey::To,
        ReadSortKey::DisplayFrom => SortKey::DisplayFrom,
        ReadSortKey::DisplayTo => SortKey::DisplayTo,
    };
    SortCriterion { key, reverse: criterion.reverse }
}

const KEYS_WITH_ARGUMENTS: &[&str] = &[
    "NOT",
    "OR",
    "BCC",
    "CC",
    "FROM",
    "SUBJECT",
    "TO",
    "HEADER",
    "BODY",
    "TEXT",
    "KEYWORD",
    "UNKEYWORD",
    "UID",
    "LARGER",
    "SMALLER",
    "YOUNGER",
    "OLDER",
    "MODSEQ",
    "EMAILID",
    "THREADID",
];
/// Keys of one command, those inside of others counted.
const MAX_KEYS: usize = 256;
/// How deep keys can stand inside of others.
const MAX_DEPTH: usize = 32;
/// Criteria of one SORT; there are nine keys.
const MAX_CRITERIA: usize = 16;
/// Options of one RETURN; there are six.
const MAX_RETURNS: usize = 16;
/// Octets of an object's identifier (RFC 8474 §7).
const MAX_OBJECT_ID: usize = 255;
