//! Writing header fields and bodies of our own: always encoded, always CRLF, never a line over 76
//! characters where it can be helped (RFC 5322 §2.1.1, RFC 2045 §6.7, RFC 2047, RFC 2231).

use crate::message::header::Mailbox;
use crate::message::transfer::is_quoted_printable_of;
use crate::names::MessageId;
use mail_builder::encoders::base64::Base64Encoder;
use mail_builder::encoders::quoted_printable::QuotedPrintableEncoder;
use mail_builder::headers::Header;
use mail_builder::headers::address::{Address, EmailAddress};
use mail_builder::headers::text::Text;
use std::fmt::Write;

/// An unstructured field.
pub(super) fn text_field(name: &str, text: &str) -> Vec<u8> {
    let mut out = format!("{name}: ").into_bytes();
    let column = out.len();
    // What looks like an encoded word would be decoded once more by the client.
    let text = text.replace("=?", "= ?");
    Text::new(text.split_whitespace().collect::<Vec<_>>().join(" ")).write_header(&mut out, column);
    out
}

/// A field whose value is ASCII of our making, short enough for a line.
pub(super) fn plain_field(name: &str, value: &str) -> Vec<u8> {
    format!("{name}: {value}\r\n").into_bytes()
}

/// A field of message identifiers, one a line.
pub(super) fn identifier_field(name: &str, ids: &[String]) -> Vec<u8> {
    let ids: Vec<String> = ids.iter().map(|id| format!("<{id}>")).collect();
    plain_field(name, &ids.join("\r\n "))
}

/// A field of mailboxes: display names and addresses.
pub(super) fn address_field(name: &str, list: &[(Option<String>, String)]) -> Vec<u8> {
    let mut out = format!("{name}: ").into_bytes();
    let column = out.len();
    let list = list.iter().map(|(name, address)| {
        let name = name.as_deref().map(|name| name.replace("=?", "= ?").into());
        Address::Address(EmailAddress { name, email: address.as_str().into() })
    });
    Address::new_list(list.collect()).write_header(&mut out, column);
    out
}

/// Display name and address of a mailbox, as [`address_field`] takes them.
pub(super) fn pair(mailbox: &Mailbox) -> (Option<String>, String) {
    (mailbox.name.clone(), mailbox.written.clone())
}

/// A text body: the encoding's name and the encoded bytes. Line ends may be of any kind.
pub(super) fn text_body(text: &str) -> (&'static str, Vec<u8>) {
    let lines = clean_lines(text);
    let beyond_ascii = lines.bytes().filter(|byte| !byte.is_ascii()).count();
    if beyond_ascii * 3 > lines.len() {
        return ("base64", base64_body(lines.as_bytes()));
    }
    let mut out = Vec::with_capacity(lines.len() + lines.len() / 8);
    QuotedPrintableEncoder::new().preserve_line_breaks().encode_into(lines.as_bytes(), &mut out);
    // What strict readers would refuse of the encoder's work (a damaged sample showed it) goes as base64.
    if is_quoted_printable_of(&out, lines.as_bytes()) {
        ("quoted-printable", out)
    } else {
        ("base64", base64_body(lines.as_bytes()))
    }
}

/// The text in CRLF lines, at least one, without other control characters. HTML can name any of them
/// (`&#13;`), and the encoder passes those of ASCII through as they are.
fn clean_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let shown = |letter: &char| !letter.is_control() || matches!(letter, '\t' | '\n');
    let shown: String = text.chars().filter(shown).collect();
    let lines: String = shown.lines().flat_map(|line| [line, "\r\n"]).collect();
    if lines.is_empty() { "\r\n".to_owned() } else { lines }
}

/// Base64 in lines of 76 characters.
pub(super) fn base64_body(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() * 3 / 2);
    Base64Encoder::new().wrap_lines().encode_into(content, &mut out);
    out
}

/// A parameter on a line of its own: quoted where it is plain, else in RFC 2231 form.
pub(super) fn parameter(name: &str, value: &str) -> String {
    let plain =
        value.bytes().all(|byte| byte == b' ' || (byte.is_ascii_graphic() && !b"\"\\".contains(&byte)));
    if plain && value.len() <= PARAMETER_LINE && !value.contains("=?") {
        return format!(";\r\n {name}=\"{value}\"");
    }
    let mut coded = vec!["utf-8''".to_owned()];
    for byte in value.bytes() {
        if coded.last().is_some_and(|line| line.len() > PARAMETER_LINE) {
            coded.push(String::new());
        }
        if let Some(line) = coded.last_mut() {
            percent(byte, line);
        }
    }
    let single = coded.len() == 1;
    let label = |index: usize| if single { String::new() } else { format!("{index}*") };
    coded.iter().enumerate().map(|(index, line)| format!(";\r\n {name}*{}={line}", label(index))).collect()
}

/// RFC 2231 §7 `attribute-char` stands for itself.
fn percent(byte: u8, line: &mut String) {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        line.push(char::from(byte));
    } else {
        // Writing to a String cannot fail.
        let _ = write!(line, "%{byte:02X}");
    }
}

/// The boundary number `index` of a message. Neither quoted-printable nor base64 can produce
/// `=_`, every body is one of the two, and no header line begins with dashes: so it occurs nowhere
/// else (RFC 2045 §6.7 recommends it). It is a function of the message's random identifier only.
pub(super) fn boundary(message: MessageId, index: u32) -> String {
    format!("=_{message}_{index}")
}

/// Longest value of a parameter on one line.
const PARAMETER_LINE: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{content_type, header};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn texts_survive_the_round_trip(text in "[a-zA-Z0-9 äöü€=?_.,:;<>\"-]{0,300}") {
            let line = text_field("Subject", &text);
            prop_assert!(line.split(|byte| *byte == b'\n').all(|line| line.len() <= 79));
            let read = header::text(&line["Subject:".len()..]).unwrap();
            let expected = text.replace("=?", "= ?");
            prop_assert_eq!(read, expected.split_whitespace().collect::<Vec<_>>().join(" "));
        }

        #[test]
        fn file_names_survive_the_round_trip(name in "[a-zA-Z0-9 äöü€=?_.'%\"\\\\-]{1,200}") {
            let value = format!("attachment{}", parameter("filename", &name));
            let read = content_type::parse_disposition(value.as_bytes()).unwrap();
            prop_assert_eq!(content_type::file_name(&read.parameters, "filename"), Ok(Some(name)));
        }

        #[test]
        fn names_survive_the_round_trip(name in "[a-zA-Z0-9äöü€.,:;<>\"@()-][a-zA-Z0-9 äöü.,\"-]{0,60}[a-z]") {
            let line = address_field("From", &[(Some(name.clone()), "ann@a.example".into())]);
            let read = header::mailboxes(&line["From:".len()..]).unwrap();
            prop_assert_eq!(read[0].name.as_deref(), Some(name.as_str()));
        }

        #[test]
        fn no_text_body_holds_a_boundary(text in "[a-z=_\\-é\n ]{0,200}") {
            let (_, body) = text_body(&text);
            prop_assert!(memchr::memmem::find(&body, b"=_").is_none());
            prop_assert!(body.ends_with(b"\r\n"));
        }
    }

    #[test]
    fn no_control_character_gets_into_a_body() {
        let (encoding, body) = text_body("a\u{1}b\u{0}\rc\td\u{7f}\u{85}\r\ne\n");
        assert_eq!((encoding, body.as_slice()), ("quoted-printable", &b"ab\r\nc\td\r\ne\r\n"[..]));
        assert_eq!(text_body("\u{7}").1, b"\r\n");
    }
}
