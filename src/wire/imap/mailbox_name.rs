//! Mailbox names between octets and UTF-8: modified UTF-7 (RFC 3501 §5.1.3) until a client has enabled
//! UTF-8 (RFC 9755, RFC 9051). One name has one spelling: what could be written in another way is refused.

use data_encoding::{Encoding, Specification};
use std::sync::LazyLock;

/// The name, `INBOX` in capitals where it stands for itself or as the folder above. Nothing if the octets
/// are not in the encoding.
pub(super) fn decode(octets: &[u8], utf8: bool) -> Option<String> {
    let mut name = decode_pattern(octets, utf8)?;
    let inbox = name.get(..INBOX.len()).is_some_and(|start| start.eq_ignore_ascii_case(INBOX));
    if inbox && matches!(name.as_bytes().get(INBOX.len()), None | Some(b'/')) {
        name.replace_range(..INBOX.len(), INBOX);
    }
    Some(name)
}

/// A pattern or reference of LIST, as it is.
pub(super) fn decode_pattern(octets: &[u8], utf8: bool) -> Option<String> {
    let text = std::str::from_utf8(octets).ok()?;
    let name = if utf8 { text.to_owned() } else { decode_utf7(text)? };
    (!name.chars().any(char::is_control)).then_some(name)
}

/// Puts a name in the encoding, without quotes.
pub(super) fn encode(name: &str, utf8: bool) -> String {
    if utf8 { name.to_owned() } else { encode_utf7(name) }
}

fn decode_utf7(text: &str) -> Option<String> {
    if !text.is_ascii() {
        return None;
    }
    let mut segments = text.split('&');
    let mut name = segments.next()?.to_owned();
    let mut shifted = false;
    for segment in segments {
        let (encoded, plain) = segment.split_once('-')?;
        if encoded.is_empty() {
            name.push('&');
        } else if shifted {
            // RFC 3501 §5.1.3: no shift right after another.
            return None;
        } else {
            decode_shifted(encoded, &mut name)?;
        }
        name.push_str(plain);
        shifted = plain.is_empty() && !encoded.is_empty();
    }
    Some(name)
}

fn decode_shifted(encoded: &str, name: &mut String) -> Option<()> {
    let octets = BASE64.decode(encoded.as_bytes()).ok()?;
    let (units, []) = octets.as_chunks::<2>() else { return None };
    for character in char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit))) {
        // RFC 3501 §5.1.3: what is printable is not encoded.
        name.push(character.ok().filter(|character| !is_plain(*character))?);
    }
    Some(())
}

fn encode_utf7(name: &str) -> String {
    let (mut encoded, mut shifted) = (String::with_capacity(name.len()), Vec::new());
    for character in name.chars() {
        if !is_plain(character) {
            let mut units = [0; 2];
            let units = character.encode_utf16(&mut units);
            shifted.extend(units.iter().flat_map(|unit| unit.to_be_bytes()));
            continue;
        }
        put_shifted(&mut encoded, &mut shifted);
        encoded.push(character);
        if character == '&' {
            encoded.push('-');
        }
    }
    put_shifted(&mut encoded, &mut shifted);
    encoded
}

fn put_shifted(encoded: &mut String, shifted: &mut Vec<u8>) {
    if !shifted.is_empty() {
        encoded.push('&');
        BASE64.encode_append(shifted, encoded);
        encoded.push('-');
        shifted.clear();
    }
}

/// Whether a character stands for itself, or as `&-`.
fn is_plain(character: char) -> bool {
    matches!(character, ' '..='~')
}

/// RFC 3501 §5.1.3: base64 without padding, `,` in the place of `/`.
static BASE64: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,");
    specification.encoding().expect("64 symbols are an alphabet")
});

const INBOX: &str = "INBOX";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_rfc_3501_are_read_and_written() {
        for (encoded, name) in [
            ("~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
            ("&Jjo-!", "☺!"),
            ("Entw&APw-rfe", "Entwürfe"),
            ("a&-b", "a&b"),
            ("&2D3eAA-", "😀"),
            ("&-&APw-", "&ü"),
            ("&APw-&-", "ü&"),
            ("", ""),
        ] {
            assert_eq!(decode(encoded.as_bytes(), false).as_deref(), Some(name));
            assert_eq!(encode(name, false), encoded);
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for encoded in [
            "a&b",
            "&",
            "&&-",
            "&AGE-",              // printable
            "&U,BTFw-&ZeVnLIqe-", // two shifts
            "&U,BTFw",            // unended
            "&U,BTF-",            // half a unit
            "&APx-",              // bits left over
            "&APw=-",
            "&2D0-", // half a pair
            "&AAA-", // NUL
            "&AAo-", // LF
            "ü",
            "&U/BTFw-",
        ] {
            assert_eq!(decode(encoded.as_bytes(), false), None, "{encoded}");
        }
    }

    #[test]
    fn with_utf_8_names_are_as_they_are() {
        assert_eq!(decode("Entwürfe & &APw-".as_bytes(), true).as_deref(), Some("Entwürfe & &APw-"));
        assert_eq!(encode("ü&", true), "ü&");
        assert_eq!(decode(b"\xff", true), None);
        assert_eq!(decode(b"a\r\n", true), None);
    }

    #[test]
    fn inbox_is_in_capitals() {
        for (sent, name) in
            [("inBox", "INBOX"), ("Inbox/Sub", "INBOX/Sub"), ("Inboxes", "Inboxes"), ("a/inbox", "a/inbox")]
        {
            assert_eq!(decode(sent.as_bytes(), false).as_deref(), Some(name));
        }
        assert_eq!(decode_pattern(b"inb%", false).as_deref(), Some("inb%"));
    }

    proptest! {
        #[test]
        fn encoding_inverts(name in "([ -~]|\\PC){0,30}") {
            prop_assume!(!name.chars().any(char::is_control));
            let encoded = encode(&name, false);
            prop_assert!(encoded.is_ascii());
            prop_assert_eq!(decode_pattern(encoded.as_bytes(), false), Some(name));
        }

        #[test]
        fn decoding_inverts(octets in "[&A-D+,a -]{0,12}") {
            if let Some(name) = decode_pattern(octets.as_bytes(), false) {
                prop_assert_eq!(encode(&name, false), octets);
            }
        }

        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>, utf8: bool) {
            let _ = decode(&octets, utf8);
        }
    }
}
