//! Transfer encodings undone (RFC 2045 §6), without repairing anything.

use super::anomaly::Anomaly;
use super::lines::{Ending, line_at};
use super::part::TransferEncoding;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

pub(super) fn decode(encoding: TransferEncoding, body: &[u8]) -> Result<Cow<'_, [u8]>, Anomaly> {
    match encoding {
        TransferEncoding::SevenBit if !body.is_ascii() => Err(Anomaly::EightBitIn7Bit),
        TransferEncoding::SevenBit | TransferEncoding::EightBit => {
            check_lines(body)?;
            Ok(Cow::Borrowed(body))
        }
        TransferEncoding::Binary => Ok(Cow::Borrowed(body)),
        TransferEncoding::QuotedPrintable => quoted_printable(body).map(Cow::Owned),
        TransferEncoding::Base64 => base64(body).map(Cow::Owned),
    }
}

/// Lines of at most 998 octets that end in CRLF; no NUL (RFC 2045 §2.7 and §2.8).
fn check_lines(body: &[u8]) -> Result<(), Anomaly> {
    if memchr::memchr(0, body).is_some() {
        return Err(Anomaly::NulInBody);
    }
    let mut at = 0;
    while at < body.len() {
        let line = line_at(body, at);
        let text = &body[line.text];
        if line.ending == Ending::Lf || memchr::memchr(b'\r', text).is_some() {
            return Err(Anomaly::BareLineEndInBody);
        }
        if text.len() > MAX_LINE {
            return Err(Anomaly::LongBodyLine);
        }
        at = line.end;
    }
    Ok(())
}

/// RFC 2045 §6.8: the alphabet and CRLF, padding at the end only, no stray bits.
fn base64(body: &[u8]) -> Result<Vec<u8>, Anomaly> {
    let mut letters = Vec::with_capacity(body.len());
    let mut at = 0;
    while at < body.len() {
        let line = line_at(body, at);
        if line.ending == Ending::Lf || line.text.len() > MAX_LINE {
            return Err(Anomaly::BadBase64);
        }
        letters.extend_from_slice(&body[line.text]);
        at = line.end;
    }
    STANDARD.decode(&letters).map_err(|_| Anomaly::BadBase64)
}

/// Whether strict readers decode `encoded` to `content`; what we write must pass its own test.
pub fn is_quoted_printable_of(encoded: &[u8], content: &[u8]) -> bool {
    quoted_printable(encoded).is_ok_and(|decoded| decoded == content)
}

/// RFC 2045 §6.7, with upper and lower case digits.
fn quoted_printable(body: &[u8]) -> Result<Vec<u8>, Anomaly> {
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    while at < body.len() {
        let line = line_at(body, at);
        let text = &body[line.text];
        // White space at a line's end may have been added on the way (rule 3).
        let odd_end = matches!(text.last(), Some(b' ' | b'\t'));
        if line.ending == Ending::Lf || text.len() > MAX_LINE || odd_end {
            return Err(Anomaly::BadQuotedPrintable);
        }
        let (text, soft) = text.strip_suffix(b"=").map_or((text, false), |text| (text, true));
        quoted_line(text, &mut out)?;
        if !soft && line.ending == Ending::Crlf {
            out.extend_from_slice(b"\r\n");
        }
        at = line.end;
    }
    Ok(out)
}

fn quoted_line(text: &[u8], out: &mut Vec<u8>) -> Result<(), Anomaly> {
    let mut rest = text;
    while let Some(equals) = memchr::memchr(b'=', rest) {
        literal(&rest[..equals], out)?;
        let digits = rest.get(equals + 1..equals + 3).ok_or(Anomaly::BadQuotedPrintable)?;
        let digit = |at: usize| char::from(digits[at]).to_digit(16).ok_or(Anomaly::BadQuotedPrintable);
        // Two hexadecimal digits are below 256.
        out.push((digit(0)? * 16 + digit(1)?) as u8);
        rest = &rest[equals + 3..];
    }
    literal(rest, out)
}

fn literal(text: &[u8], out: &mut Vec<u8>) -> Result<(), Anomaly> {
    let plain = text.iter().all(|byte| *byte == b'\t' || (b' '..=b'~').contains(byte));
    out.extend_from_slice(text);
    plain.then_some(()).ok_or(Anomaly::BadQuotedPrintable)
}

/// RFC 5322 §2.1.1, without CRLF.
const MAX_LINE: usize = 998;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_encodings_are_undone() {
        assert_eq!(&*decode(TransferEncoding::Base64, b"SGFs\r\nbG8=\r\n\r\n").unwrap(), b"Hallo");
        assert_eq!(&*decode(TransferEncoding::QuotedPrintable, b"a=3D=\r\nb\r\n").unwrap(), b"a=b\r\n");
        assert_eq!(&*decode(TransferEncoding::Binary, b"\0\r").unwrap(), b"\0\r");
    }

    #[test]
    fn dirty_encodings_are_refused() {
        for body in ["SGFs bG8=", "SGFs\nbG8=", "SGFsbG8", "SGFsbG8=\r\nSGFs", "SGFsbG9=", "SGFs*G8="] {
            assert_eq!(decode(TransferEncoding::Base64, body.as_bytes()), Err(Anomaly::BadBase64), "{body}");
        }
        for body in
            ["=4", "=XX", "a \r\n", "\u{e4}", "a=\nb", "=", "a\u{1}"].into_iter().filter(|body| *body != "=")
        {
            let read = decode(TransferEncoding::QuotedPrintable, body.as_bytes());
            assert_eq!(read, Err(Anomaly::BadQuotedPrintable), "{body:?}");
        }
    }
}
