//! Strict decoding of header values: unstructured text (RFC 2047), dates (RFC 5322 §3.3) and
//! message identifiers (§3.6.4); addresses are in `mailbox`.
//!
//! A value is decoded only if it is beyond doubt: our strict reading and mail-parser's must agree,
//! and the result carries no control characters, line separators or bidi overrides, so that it can
//! be encoded anew without injecting anything.

pub use super::mailbox::{Mailbox, mailboxes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_parser::DateTime;
use mail_parser::parsers::MessageStream;

/// Why a header value is not shown. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Octets beyond ASCII, odd folding, or beyond the limits.
    #[error("the sender wrote a header value in an odd form")]
    Form,
    /// A broken or odd encoded word (RFC 2047).
    #[error("the sender wrote a broken encoded word")]
    EncodedWord,
    /// Not what the field calls for: an address, a date, an identifier.
    #[error("the sender wrote a header value outside the grammar of its field")]
    Grammar,
    /// Two parsers read it differently.
    #[error("two parsers read the header value differently")]
    Disagreement,
    /// Decoded, it holds characters that may not be shown.
    #[error("the header value hides control characters")]
    Unshowable,
}

/// The text of an unstructured field.
pub fn text(value: &[u8]) -> Result<String, HeaderError> {
    let text = decode_words(&unfold(value)?)?;
    let mut line = value.trim_ascii_end().to_vec();
    line.extend_from_slice(b"\r\n");
    let other = match MessageStream::new(&line).parse_unstructured() {
        mail_parser::HeaderValue::Text(other) => other.into_owned(),
        _ => String::new(),
    };
    if !other.split_whitespace().eq(text.split_whitespace()) {
        return Err(HeaderError::Disagreement);
    }
    Ok(text)
}

/// A date, in seconds since the Unix epoch, with its offset kept: the normal form of RFC 5322 §3.3.
pub fn date(value: &[u8]) -> Result<Date, HeaderError> {
    let text = unfold(value)?;
    let plain = plain_date(without_zone_name(&text)).ok_or(HeaderError::Grammar)?;
    let date = DateTime::parse_rfc822(&plain).filter(DateTime::is_valid).ok_or(HeaderError::Grammar)?;
    Ok(Date { text: date.to_rfc822(), unix: date.to_timestamp() })
}

/// A date of a header, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Date {
    /// Its normal form (RFC 5322 §3.3), without comments.
    pub text: String,
    /// Seconds since the Unix epoch.
    pub unix: i64,
}

/// Message identifiers without their angle brackets (RFC 5322 §3.6.4), in order.
pub fn identifiers(value: &[u8]) -> Result<Vec<String>, HeaderError> {
    let text = unfold(value)?;
    let ids: Option<Vec<String>> = text.split_ascii_whitespace().map(identifier).collect();
    ids.filter(|ids| (1..=MAX_IDENTIFIERS).contains(&ids.len())).ok_or(HeaderError::Grammar)
}

/// Undoes folding (RFC 5322 §2.2.3) and cuts white space off both ends.
pub(super) fn unfold(value: &[u8]) -> Result<String, HeaderError> {
    let text = std::str::from_utf8(value).map_err(|_| HeaderError::Form)?;
    if !text.is_ascii() || text.len() > MAX_VALUE {
        return Err(HeaderError::Form);
    }
    let unfolded: String = text.split("\r\n").collect();
    let unfolded = unfolded.trim_matches([' ', '\t']);
    let clean = unfolded.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
    clean.then(|| unfolded.to_owned()).ok_or(HeaderError::Form)
}

/// Decodes the encoded words of an unfolded text; anything that only looks like one is an error.
pub(super) fn decode_words(text: &str) -> Result<String, HeaderError> {
    if !text.contains("=?") {
        return showable(text.to_owned());
    }
    let mut decoded = String::new();
    let mut after_word = false;
    let mut blank = "";
    for (token, white) in tokens(text) {
        if white {
            blank = token;
            continue;
        }
        let word = token.starts_with("=?").then(|| decode_word(token)).transpose()?;
        // RFC 2047 §6.2: white space between two encoded words is not part of the text.
        if !(after_word && word.is_some()) {
            decoded.push_str(blank);
        }
        after_word = word.is_some();
        if word.is_none() && (token.contains("=?") || token.contains("?=")) {
            return Err(HeaderError::EncodedWord);
        }
        decoded.push_str(word.as_deref().unwrap_or(token));
        blank = "";
    }
    // A second decoding by the client must find nothing.
    if decoded.contains("=?") {
        return Err(HeaderError::EncodedWord);
    }
    showable(decoded)
}

/// Runs of white space and of everything else, in turn.
fn tokens(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let white = rest.chars().next()?.is_ascii_whitespace();
        let end = rest.find(|letter: char| letter.is_ascii_whitespace() != white).unwrap_or(rest.len());
        let (token, tail) = rest.split_at(end);
        rest = tail;
        Some((token, white))
    })
}

/// Decodes `=?charset?encoding?text?=` (RFC 2047 §2), each word by itself (§5).
fn decode_word(word: &str) -> Result<String, HeaderError> {
    let inner = word.strip_prefix("=?").and_then(|rest| rest.strip_suffix("?="));
    let mut fields = inner.ok_or(HeaderError::EncodedWord)?.split('?');
    let (Some(charset), Some(encoding), Some(text), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(HeaderError::EncodedWord);
    };
    let bytes = match encoding {
        "b" | "B" => STANDARD.decode(text).map_err(|_| HeaderError::EncodedWord)?,
        "q" | "Q" => decode_q(text).ok_or(HeaderError::EncodedWord)?,
        _ => return Err(HeaderError::EncodedWord),
    };
    super::text::decode_charset(Some(charset), &bytes).map_err(|_| HeaderError::EncodedWord)
}

/// RFC 2047 §4.2.
fn decode_q(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut letters = text.bytes();
    while let Some(letter) = letters.next() {
        let byte = match letter {
            b'_' => b' ',
            b'=' => {
                let mut digit = || letters.next().and_then(|digit| char::from(digit).to_digit(16));
                // Two hexadecimal digits are below 256.
                (digit()? * 16 + digit()?) as u8
            }
            letter => letter,
        };
        bytes.push(byte);
    }
    Some(bytes)
}

/// Refuses what could inject a line, reorder the text or hide in it.
pub(super) fn showable(text: String) -> Result<String, HeaderError> {
    let clean = text.chars().all(|letter| letter == '\t' || !is_unshowable(letter));
    clean.then_some(text).ok_or(HeaderError::Unshowable)
}

/// Control characters (C0, DEL, C1), line and paragraph separators, bidi controls, and marks that
/// take no room and so could split what a redactor looks for.
pub(crate) fn is_unshowable(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(
            letter,
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        )
        || matches!(letter, '\u{ad}' | '\u{180e}' | '\u{e0000}'..='\u{e007f}')
}

/// Cuts off a zone name in a comment, as in `+0000 (UTC)`.
fn without_zone_name(text: &str) -> &str {
    let cut = text.strip_suffix(')').and_then(|rest| rest.rsplit_once(" ("));
    match cut {
        Some((date, name)) if name.bytes().all(|byte| byte.is_ascii_alphabetic()) => date.trim_end(),
        _ => text,
    }
}

/// `[day ","] day month year hour:minute[:second] zone`, one space between (RFC 5322 §3.3), and what all readers
/// take alike of §4.3: two digits of the year, and the zones that have a name there. With all of its digits.
fn plain_date(text: &str) -> Option<String> {
    let text = match text.split_once(',') {
        Some((day, rest)) if DAYS.contains(&day) => rest.trim_start(),
        Some(_) => return None,
        None => text,
    };
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [day, month, year, time, zone] = words[..] else { return None };
    let times: Vec<&str> = time.split(':').collect();
    let is_plain = digits(day, 1..=2)
        && MONTHS.contains(&month)
        && (digits(year, 4..=4) || digits(year, 2..=2))
        && matches!(times.len(), 2 | 3)
        && times.iter().all(|part| digits(part, 2..=2));
    let named = ZONES.iter().find(|(name, _)| *name == zone).map(|(_, offset)| *offset);
    let numeric = zone.strip_prefix(['+', '-']).is_some_and(|zone| digits(zone, 4..=4));
    let zone = named.or(numeric.then_some(zone)).filter(|_| is_plain)?;
    // A leap second has no other name in most calendars: the one before it stands for it.
    let second = times.get(2).map_or("00", |second| if *second == "60" { "59" } else { second });
    let century = match (year.len(), year < "50") {
        (2, true) => "20",
        (2, false) => "19",
        _ => "",
    };
    Some(format!("{day} {month} {century}{year} {}:{}:{second} {zone}", times[0], times[1]))
}

fn digits(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `<left@right>` of printable ASCII.
fn identifier(text: &str) -> Option<String> {
    let id = text.strip_prefix('<')?.strip_suffix('>').filter(|id| id.len() <= MAX_IDENTIFIER)?;
    let (left, right) = id.split_once('@')?;
    let plain = |side: &str| {
        !side.is_empty()
            && side.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>@()\"\\,;".contains(&byte))
    };
    (plain(left) && plain(right)).then(|| id.to_owned())
}

/// RFC 5322 §4.3.
const ZONES: [(&str, &str); 10] = [
    ("GMT", "+0000"),
    ("UT", "+0000"),
    ("EDT", "-0400"),
    ("EST", "-0500"),
    ("CDT", "-0500"),
    ("CST", "-0600"),
    ("MDT", "-0600"),
    ("MST", "-0700"),
    ("PDT", "-0700"),
    ("PST", "-0800"),
];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Octets of one field's value; longer ones are sealed.
const MAX_VALUE: usize = 64 * 1024;
/// Octets of an identifier, so that it fits a line (RFC 5322 §2.1.1).
const MAX_IDENTIFIER: usize = 900;
/// Identifiers in References.
const MAX_IDENTIFIERS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_decoded() {
        for (value, expected) in [
            (" plain text\r\n", "plain text"),
            (" folded\r\n text\r\n", "folded text"),
            (" =?utf-8?Q?Schl=C3=BCssel?= weg\r\n", "Schlüssel weg"),
            (" =?utf-8?B?w6Q=?=\r\n =?iso-8859-1?q?=E4_b?=\r\n", "ää b"),
            ("\r\n", ""),
        ] {
            assert_eq!(text(value.as_bytes()).as_deref(), Ok(expected), "{value:?}");
        }
    }

    #[test]
    fn odd_texts_are_refused() {
        for (value, error) in [
            ("=?utf-8?Q?a=0D=0ABcc:_x?=", HeaderError::Unshowable),
            ("=?utf-8?Q?=E2=80=AEtxt?=", HeaderError::Unshowable),
            ("=?utf-8?Q?=E2=80=A8?=", HeaderError::Unshowable),
            ("=?utf-8?Q?no end", HeaderError::EncodedWord),
            ("\"=?utf-8?Q?in_quotes?=\"", HeaderError::EncodedWord),
            ("=?utf-8?Q?two?==?utf-8?Q?three?=", HeaderError::EncodedWord),
            ("=?utf-8*en?q?x?=", HeaderError::EncodedWord),
            ("=?x-unknown-9?Q?un=6Bnown?=", HeaderError::EncodedWord),
            ("=?utf-7?Q?+AOQ-?=", HeaderError::EncodedWord),
            ("=?utf-8?B?Zmx1b3I?=", HeaderError::EncodedWord),
            ("=?utf-8?B?w6?= =?utf-8?B?Q=?=", HeaderError::EncodedWord),
            ("=?utf-8?Q?=3D=3Futf-8=3FQ=3Fx=3F=3D?=", HeaderError::EncodedWord),
            ("caf\u{e9}", HeaderError::Form),
            ("bare\ncr", HeaderError::Form),
            ("bell\u{7}", HeaderError::Form),
        ] {
            assert_eq!(text(value.as_bytes()), Err(error), "{value:?}");
        }
    }

    #[test]
    fn dates_are_normalised() {
        // RFC 5322 §4.3, as every reader takes it.
        for (value, expected) in [
            ("2 Nov 26 09:00 EST", "Mon, 2 Nov 2026 09:00:00 -0500"),
            ("Mon, 2 Nov 2026 09:00 GMT", "Mon, 2 Nov 2026 09:00:00 +0000"),
            ("Mon, 2 Nov 2026 09:00 PDT", "Mon, 2 Nov 2026 09:00:00 -0700"),
            ("Mon, 2 Nov 2026 23:59:60 +0000", "Mon, 2 Nov 2026 23:59:59 +0000"),
            ("31 Dec 99 23:00 UT", "Fri, 31 Dec 1999 23:00:00 +0000"),
        ] {
            assert_eq!(date(value.as_bytes()).map(|date| date.text).as_deref(), Ok(expected));
        }
        let values = [
            "Thu, 07 Mar 2024 08:14:02 +0100",
            " 7 Mar 2024 08:14:02 +0100 (CET)\r\n",
            "7 Mar 24 08:14:02 +0100",
        ];
        for value in values {
            let date = date(value.as_bytes()).unwrap();
            assert_eq!((date.text.as_str(), date.unix), ("Thu, 7 Mar 2024 08:14:02 +0100", 1_709_795_642));
        }
        for value in [
            "",
            "yesterday",
            "7 March 2024 08:14 +0100",
            "7 Mar 2024 08:14:02",
            "32 Mar 2024 08:14:02 +0100",
            "7 Mar 2024 08:14:02 +0100 (secret note)",
            "7 Mar 2024 (note) 08:14:02 +0100",
        ] {
            assert!(date(value.as_bytes()).is_err(), "{value}");
        }
    }

    #[test]
    fn identifiers_keep_to_the_grammar() {
        assert_eq!(identifiers(b" <a.b@c>\r\n <d@e>\r\n").unwrap(), ["a.b@c", "d@e"]);
        for value in ["", "a@b", "<a b@c>", "<a@b><c@d>", "<a@b> comment", "<@b>", "<a@>", "<a@b@c>"] {
            assert!(identifiers(value.as_bytes()).is_err(), "{value}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_decoded_is_showable(value in proptest::collection::vec(any::<u8>(), 0..60)) {
            for word in [&b"=?utf-8?Q?"[..], b"", b"=?utf-8?B?"] {
                let mut line = word.to_vec();
                line.extend_from_slice(&value);
                line.extend_from_slice(b"?=");
                if let Ok(text) = text(&line) {
                    prop_assert!(!text.contains(is_unshowable) || text.contains('\t'));
                    prop_assert!(!text.contains("=?"));
                }
                let _ = (date(&line), identifiers(&line), mailboxes(&line));
            }
        }
    }
}
