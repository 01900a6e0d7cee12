//! Address lists of header fields (RFC 5322 §3.4), read strictly.
//!
//! Only `name <local@domain>` and `local@domain`, separated by commas, with names of atoms, quoted
//! strings or encoded words. Comments, groups, source routes, domain literals and quoted local
//! parts are legal and read differently by real parsers, so they are refused; and mail-parser must
//! find the same addresses.

use super::header::{HeaderError, decode_words, showable, unfold};
use crate::names::Address;
use mail_parser::parsers::MessageStream;

/// One mailbox of an address field.
#[derive(Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name, decoded; never empty.
    pub name: Option<String>,
    /// The address as written.
    pub written: String,
    /// The address in the form for comparison.
    pub address: Address,
}

/// The mailboxes of an address field, at least one.
pub fn mailboxes(value: &[u8]) -> Result<Vec<Mailbox>, HeaderError> {
    let text = unfold(value)?;
    let list: Vec<Mailbox> = split(&text)?.into_iter().map(mailbox).collect::<Result<_, _>>()?;
    if list.is_empty() || list.len() > MAX_MAILBOXES {
        return Err(HeaderError::Grammar);
    }
    if !second_reading_agrees(value, &list) {
        return Err(HeaderError::Disagreement);
    }
    Ok(list)
}

/// Cuts at commas outside quoted strings.
fn split(text: &str) -> Result<Vec<&str>, HeaderError> {
    let mut items = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                items.push(&text[start..at]);
                start = at + 1;
            }
            '(' | ')' | ':' | ';' | '[' | ']' | '\\' if !quoted => return Err(HeaderError::Grammar),
            _ => {}
        }
    }
    if quoted {
        return Err(HeaderError::Grammar);
    }
    items.push(&text[start..]);
    Ok(items)
}

fn mailbox(item: &str) -> Result<Mailbox, HeaderError> {
    let item = item.trim_matches([' ', '\t']);
    let (name, written) = match item.strip_suffix('>') {
        Some(rest) => {
            let (name, written) = rest.rsplit_once('<').ok_or(HeaderError::Grammar)?;
            (name.trim_end_matches([' ', '\t']), written)
        }
        None => ("", item),
    };
    if written.contains(['"', '<', '>', ' ', '\t', '\\', '=']) && !is_plain(written) {
        return Err(HeaderError::Grammar);
    }
    let address = Address::parse(written).map_err(|_| HeaderError::Grammar)?;
    let name = phrase(name)?;
    Ok(Mailbox { name: (!name.is_empty()).then_some(name), written: written.to_owned(), address })
}

/// An address without quotes, brackets and blanks; `=` is legal in a local part.
fn is_plain(written: &str) -> bool {
    !written.contains(['"', '<', '>', ' ', '\t', '\\']) && !written.contains("=?")
}

/// A display name (RFC 5322 §3.2.5): one quoted string, or words and encoded words.
fn phrase(name: &str) -> Result<String, HeaderError> {
    if let Some(inner) = name.strip_prefix('"') {
        let inner = inner.strip_suffix('"').ok_or(HeaderError::Grammar)?;
        return unquote(inner);
    }
    if name.contains(['"', '<', '>', '@']) {
        return Err(HeaderError::Grammar);
    }
    decode_words(name)
}

fn unquote(inner: &str) -> Result<String, HeaderError> {
    let mut text = String::new();
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Err(HeaderError::Grammar),
            '\\' => text.push(letters.next().ok_or(HeaderError::Grammar)?),
            letter => text.push(letter),
        }
    }
    // Some readers decode encoded words in quotes, some do not (RFC 2047 §5).
    if text.contains("=?") {
        return Err(HeaderError::EncodedWord);
    }
    showable(text)
}

/// Whether mail-parser finds the same addresses in the same order.
fn second_reading_agrees(value: &[u8], list: &[Mailbox]) -> bool {
    let mut line = value.trim_ascii_end().to_vec();
    line.extend_from_slice(b"\r\n");
    match MessageStream::new(&line).parse_address() {
        mail_parser::HeaderValue::Address(mail_parser::Address::List(other)) => {
            let other = other.iter().map(|address| address.address.as_deref());
            other.eq(list.iter().map(|mailbox| Some(mailbox.written.as_str())))
        }
        _ => false,
    }
}

/// Mailboxes in one field.
const MAX_MAILBOXES: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Vec<(String, String)>, HeaderError> {
        let list = mailboxes(value.as_bytes())?;
        Ok(list.into_iter().map(|one| (one.name.unwrap_or_default(), one.address.reveal())).collect())
    }

    #[test]
    fn plain_lists_are_read() {
        for (value, expected) in [
            (" ann@a.example\r\n", &[("", "ann@a.example")][..]),
            ("<ann@a.example>", &[("", "ann@a.example")]),
            (
                "Ann Lee <Ann@A.example>,\r\n bob@b.example",
                &[("Ann Lee", "ann@a.example"), ("", "bob@b.example")],
            ),
            (r#""Lee, \"Ann\"" <ann@a.example>"#, &[("Lee, \"Ann\"", "ann@a.example")]),
            ("=?utf-8?Q?=C3=84nn?= <ann@a.example>", &[("Änn", "ann@a.example")]),
            (r#""bob@b.example" <ann@a.example>"#, &[("bob@b.example", "ann@a.example")]),
        ] {
            let expected: Vec<_> = expected.iter().map(|(n, a)| (n.to_string(), a.to_string())).collect();
            assert_eq!(read(value), Ok(expected), "{value}");
        }
    }

    #[test]
    fn what_parsers_disagree_about_is_refused() {
        for value in [
            "",
            "nobody",
            "ann@a.example,",
            "ann@a.example (Ann)",
            "Group: ann@a.example;",
            "<@relay.example:ann@a.example>",
            "ann@[192.0.2.1]",
            "\"ann lee\"@a.example",
            "bob@b.example <ann@a.example>",
            "Ann <ann@a.example> <bob@b.example>",
            "\"=?utf-8?Q?x?=\" <ann@a.example>",
            "=?utf-8?Q?=3Cbob=40b.example=3E?=",
            "\"open <ann@a.example>",
            "Ann <ann@a.example",
        ] {
            assert!(read(value).is_err(), "{value}");
        }
    }
}
