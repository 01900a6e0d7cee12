//! Leaf bodies as text: transfer encoding and charset undone, strictly.
//!
//! A text that needs repair, holds other encodings inside, or is something else than its type says,
//! is an error: then it is not shown.

use super::anatomy::Anatomy;
use super::anomaly::Anomaly;
use super::part::PartId;
use super::transfer;
use encoding_rs::{Encoding, REPLACEMENT, UTF_8, X_USER_DEFINED};
use memchr::memmem;
use std::borrow::Cow;

/// The body of a leaf without its transfer encoding.
pub fn content<'a>(bytes: &'a [u8], anatomy: &Anatomy, part: PartId) -> Result<Cow<'a, [u8]>, Anomaly> {
    transfer::decode(anatomy.part(part).encoding, anatomy.body(bytes, part))
}

/// The text of a text/* leaf, as the sender's charset spells it, line ends as they are.
pub fn text(anatomy: &Anatomy, part: PartId, content: &[u8]) -> Result<String, Anomaly> {
    let media = &anatomy.part(part).media;
    let text = decode_charset(media.parameter("charset"), content)?;
    check_lines(text.as_bytes())?;
    if media.is("text", "plain") {
        check_plain(&text)?;
    }
    Ok(text)
}

/// Decodes a charset by its label; none means US-ASCII (RFC 2045 §5.2).
pub(super) fn decode_charset(label: Option<&str>, bytes: &[u8]) -> Result<String, Anomaly> {
    let label = label.unwrap_or("us-ascii");
    // The Encoding Standard reads US-ASCII as windows-1252; RFC 2046 §4.1.2 does not.
    if label.eq_ignore_ascii_case("us-ascii") && !bytes.is_ascii() {
        return Err(Anomaly::Undecodable);
    }
    let encoding = Encoding::for_label_no_replacement(label.as_bytes()).ok_or(Anomaly::Undecodable)?;
    if encoding == X_USER_DEFINED || encoding == REPLACEMENT {
        return Err(Anomaly::Undecodable);
    }
    let bytes = if encoding == UTF_8 { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) } else { bytes };
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    text.map(Cow::into_owned).ok_or(Anomaly::Undecodable)
}

/// No NUL, no bare CR, no bare LF after decoding: readers break such lines in different places.
fn check_lines(text: &[u8]) -> Result<(), Anomaly> {
    if memchr::memchr(0, text).is_some() {
        return Err(Anomaly::NulInBody);
    }
    let feeds = memchr::memchr_iter(b'\n', text).count();
    let returns = memchr::memchr_iter(b'\r', text).count();
    let pairs = memmem::find_iter(text, b"\r\n").count();
    // Either all lines end in CRLF, or (base64 of a Unix text) all end in LF.
    let uniform = feeds == returns && returns == pairs || returns == 0;
    uniform.then_some(()).ok_or(Anomaly::BareLineEndInBody)
}

/// A plain text holds no other format that some readers would open.
fn check_plain(text: &str) -> Result<(), Anomaly> {
    let start: String = text.trim_start().chars().take(64).collect::<String>().to_ascii_lowercase();
    if start.starts_with("<!doctype") || start.starts_with("<html") || start.starts_with("<head") {
        return Err(Anomaly::MarkupInPlain);
    }
    let embedded = text.lines().any(|line| is_uuencode(line) || line.starts_with("=ybegin "));
    if embedded { Err(Anomaly::EmbeddedEncoding) } else { Ok(()) }
}

/// `begin 644 name` or `begin-base64 644 name` (POSIX uuencode).
fn is_uuencode(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("begin-base64 ").or_else(|| line.strip_prefix("begin ")) else {
        return false;
    };
    let mode = rest.split(' ').next().unwrap_or_default();
    matches!(mode.len(), 3 | 4) && mode.bytes().all(|byte| matches!(byte, b'0'..=b'7'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::dissect;

    fn read(head: &str, body: &[u8]) -> Result<String, Anomaly> {
        let mut bytes = format!("MIME-Version: 1.0\r\n{head}\r\n\r\n").into_bytes();
        bytes.extend_from_slice(body);
        let anatomy = dissect(&bytes);
        let content = content(&bytes, &anatomy, 0)?;
        text(&anatomy, 0, &content)
    }

    #[test]
    fn texts_of_many_charsets() {
        for (head, body, expected) in [
            ("Content-Type: text/plain", &b"abc\r\n"[..], "abc\r\n"),
            (
                "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit",
                b"\xe4\r\n",
                "ä\r\n",
            ),
            (
                "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable",
                b"=C3=\r\n=A4=20\r\n",
                "ä \r\n",
            ),
            (
                "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64",
                b"w6QK\r\n",
                "ä\n",
            ),
            ("Content-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: 8bit", b"\xc1", "а"),
        ] {
            assert_eq!(read(head, body).as_deref(), Ok(expected), "{head}");
        }
    }

    #[test]
    fn texts_in_doubt_are_refused() {
        let plain = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit";
        for (head, body, anomaly) in [
            (plain, &b"a\0b"[..], Anomaly::NulInBody),
            (plain, b"a\nb\r\n", Anomaly::BareLineEndInBody),
            (plain, b"a\rb", Anomaly::BareLineEndInBody),
            (plain, b"\xff", Anomaly::Undecodable),
            (plain, b"  <!DOCTYPE html><p>x", Anomaly::MarkupInPlain),
            (plain, b"see\r\nbegin 644 a.txt\r\n", Anomaly::EmbeddedEncoding),
            (plain, b"=ybegin line=128 size=1 name=a\r\n", Anomaly::EmbeddedEncoding),
            ("Content-Type: text/plain", b"\xc3\xa4", Anomaly::EightBitIn7Bit),
            ("Content-Type: text/plain; charset=x-none", b"a", Anomaly::Undecodable),
            ("Content-Type: text/plain; charset=utf-7", b"+AOQ-", Anomaly::Undecodable),
        ] {
            assert_eq!(read(head, body), Err(anomaly), "{head} {body:?}");
        }
        let long = vec![b'x'; 999];
        assert_eq!(read(plain, &long), Err(Anomaly::LongBodyLine));
    }
}
