//! Transfer encodings and charsets undone, for searching, previews and BINARY. Tolerant: what cannot be
//! decoded is skipped or replaced. What a mask lets through is read strictly elsewhere, long before.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use encoding_rs::{Encoding, REPLACEMENT, WINDOWS_1252};
use mail_parser::decoders::charsets::map::charset_decoder;

use super::model::{Octets, Part};
use super::section::UnknownCte;

/// A body without its transfer encoding.
pub(super) fn content<'o>(
    encoding: Option<&Octets<'_>>,
    body: &'o [u8],
) -> Result<Cow<'o, [u8]>, UnknownCte> {
    let Some(encoding) = encoding else { return Ok(Cow::Borrowed(body)) };
    if encoding.is("base64") {
        Ok(Cow::Owned(base64(body)))
    } else if encoding.is("quoted-printable") {
        Ok(Cow::Owned(quoted_printable(body)))
    } else if ["7bit", "8bit", "binary"].iter().any(|known| encoding.is(known)) {
        Ok(Cow::Borrowed(body))
    } else {
        Err(UnknownCte)
    }
}

/// The text of a text part; with an unknown encoding, the octets as they are.
pub(super) fn text<'o>(part: &Part<'_>, body: &'o [u8]) -> Cow<'o, str> {
    let label = part.parameter("charset").unwrap_or(b"us-ascii");
    match content(part.encoding.as_ref(), body).unwrap_or(Cow::Borrowed(body)) {
        Cow::Borrowed(content) => decode(label, content),
        Cow::Owned(content) => Cow::Owned(decode(label, &content).into_owned()),
    }
}

/// Text in the charset of this label. UTF-8 is believed where no other charset is named.
pub(super) fn decode<'o>(label: &[u8], content: &'o [u8]) -> Cow<'o, str> {
    let plain = label.eq_ignore_ascii_case(b"us-ascii") || label.is_empty();
    if let (true, Ok(text)) = (plain, std::str::from_utf8(content)) {
        return Cow::Borrowed(text);
    }
    match Encoding::for_label(label) {
        Some(encoding) if encoding != REPLACEMENT => encoding.decode_with_bom_removal(content).0,
        _ => match charset_decoder(label) {
            Some(decoder) => Cow::Owned(decoder(content)),
            None => octets(content),
        },
    }
}

/// Text without a label: UTF-8, or else what most often is there.
pub(super) fn octets(content: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(content) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(content).0,
    }
}

/// RFC 2045 §6.8: octets outside the alphabet are ignored, padding ends it.
fn base64(body: &[u8]) -> Vec<u8> {
    let mut letters: Vec<u8> = Vec::with_capacity(body.len());
    let is_letter = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/');
    let body = &body[..memchr::memchr(b'=', body).unwrap_or(body.len())];
    letters.extend(body.iter().copied().filter(is_letter));
    if letters.len() % 4 == 1 {
        letters.pop();
    }
    // Nothing is left that could be wrong.
    TOLERANT.decode(&letters).unwrap_or_default()
}

/// RFC 2045 §6.7: what is no escape stays as it is; white space at the end of a line goes.
fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|octet| *octet == b'\n') {
        let text = line.trim_ascii_end();
        let end = &line[line.len() - line_end(line)..];
        let (text, soft) = text.strip_suffix(b"=").map_or((text, false), |text| (text, true));
        let mut rest = text;
        while let Some(equals) = memchr::memchr(b'=', rest) {
            out.extend_from_slice(&rest[..equals]);
            let digits = rest.get(equals + 1..equals + 3);
            rest = match digits.and_then(|digits| Some((digit(digits[0])?, digit(digits[1])?))) {
                Some((high, low)) => {
                    out.push(high * 16 + low);
                    &rest[equals + 3..]
                }
                None => {
                    out.push(b'=');
                    &rest[equals + 1..]
                }
            };
        }
        out.extend_from_slice(rest);
        out.extend_from_slice(if soft { b"" } else { end });
    }
    out
}

fn line_end(line: &[u8]) -> usize {
    if line.ends_with(b"\r\n") { 2 } else { usize::from(line.ends_with(b"\n")) }
}

fn digit(octet: u8) -> Option<u8> {
    // A hexadecimal digit is below 16.
    char::from(octet).to_digit(16).map(|digit| digit as u8)
}

const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_undone_as_far_as_they_go() {
        for (encoding, body, expected) in [
            ("base64", &b"SGFs\r\nbG8="[..], &b"Hallo"[..]),
            ("BASE64", b"SG Fs*bG8", b"Hallo"),
            ("base64", b"SGFsbG8=ignored", b"Hallo"),
            ("base64", b"S", b""),
            ("quoted-printable", b"a=3D=\r\nb \r\nc=C3=a4", b"a=b\r\nc\xc3\xa4"),
            ("quoted-printable", b"a=XX=4", b"a=XX=4"),
            ("8bit", b"\xff", b"\xff"),
        ] {
            assert_eq!(&*content(Some(&encoding.into()), body).unwrap(), expected, "{encoding} {body:?}");
        }
        assert!(content(Some(&"uuencode".into()), b"x").is_err());
    }

    #[test]
    fn charsets_are_undone() {
        for (label, content, expected) in [
            ("utf-8", &b"\xc3\xa4"[..], "ä"),
            ("us-ascii", b"\xc3\xa4", "ä"),
            ("us-ascii", b"\xe4", "ä"),
            ("iso-8859-1", b"\xe4", "ä"),
            ("koi8-r", b"\xc1", "а"),
            ("utf-7", b"+AOQ-", "ä"),
            ("utf-8", b"\xff", "\u{fffd}"),
            ("x-none", b"a\xe4", "aä"),
        ] {
            assert_eq!(decode(label.as_bytes(), content), expected, "{label}");
        }
    }
}
