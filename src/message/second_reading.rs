//! A second parser's opinion: mail-parser must find a part where we find it, of the same type and
//! with the same decoded content, before anything of its body is shown.
//!
//! It costs a whole parse (about 60 us for 20 KiB), so it is asked only when a body is shown. Its
//! opinion alone counts for nothing: 0.11 ends a part at a delimiter in mid-line.

use super::anatomy::Anatomy;
use super::part::PartId;
use mail_parser::{Encoding, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use memchr::memmem;
use std::panic::catch_unwind;

/// What mail-parser makes of a message.
pub struct SecondReading<'a> {
    message: Option<Message<'a>>,
}

/// Our reading of a leaf's content, to be compared.
#[derive(Clone, Copy)]
pub enum Reading<'a> {
    /// Decoded text.
    Text(&'a str),
    /// Decoded bytes.
    Bytes(&'a [u8]),
}

impl<'a> SecondReading<'a> {
    /// Reads the message a second time.
    pub fn of(bytes: &'a [u8]) -> Self {
        // Some parsers take a bare CR for a line end, and so see delimiters that we do not see.
        if memmem::find(bytes, b"\r--").is_some() {
            return Self { message: None };
        }
        let parse = || MessageParser::new().with_mime_headers().default_header_ignore().parse(bytes);
        // 0.11.9 with debug assertions panics at a message whose whole content is a message with
        // parts; a parser that gives up has no opinion, and without one nothing is shown.
        Self { message: catch_unwind(parse).ok().flatten() }
    }

    /// Whether it can agree to anything at all.
    pub fn has_opinion(&self) -> bool {
        self.message.is_some()
    }

    /// Whether it agrees about the leaf `part` and its content.
    pub fn agrees(&self, anatomy: &Anatomy, part: PartId, ours: Reading<'_>) -> bool {
        let Some(message) = &self.message else { return false };
        let Some(atom) = anatomy.body_atom(part) else { return is_empty(ours) };
        let span = anatomy.atoms()[atom as usize].span.clone();
        let Some(theirs) = find(message, span.start) else { return false };
        let media = &anatomy.part(part).media;
        let same_type = theirs.content_type().map_or(media.is("text", "plain"), |other| {
            other.ctype().eq_ignore_ascii_case(&media.kind)
                && other.subtype().is_some_and(|subtype| subtype.eq_ignore_ascii_case(&media.subtype))
        });
        same_type && !theirs.is_encoding_problem && same_content(theirs, ours)
    }
}

/// The leaf whose body begins at `start`; bodies of encoded messages have other offsets and are left out.
fn find<'m>(message: &'m Message<'_>, start: usize) -> Option<&'m MessagePart<'m>> {
    let mut messages = vec![message];
    while let Some(message) = messages.pop() {
        for part in &message.parts {
            match &part.body {
                PartType::Multipart(_) => {}
                PartType::Message(inner) if part.encoding == Encoding::None => messages.push(inner),
                PartType::Message(_) => {}
                _ if part.offset_body as usize == start => return Some(part),
                _ => {}
            }
        }
    }
    None
}

fn same_content(theirs: &MessagePart<'_>, ours: Reading<'_>) -> bool {
    match (&theirs.body, ours) {
        (PartType::Text(theirs) | PartType::Html(theirs), Reading::Text(ours)) => {
            theirs.strip_prefix('\u{feff}').unwrap_or(theirs) == ours
        }
        (PartType::Text(theirs) | PartType::Html(theirs), Reading::Bytes(ours)) => theirs.as_bytes() == ours,
        (PartType::Binary(theirs) | PartType::InlineBinary(theirs), Reading::Bytes(ours)) => {
            **theirs == *ours
        }
        _ => false,
    }
}

fn is_empty(reading: Reading<'_>) -> bool {
    match reading {
        Reading::Text(text) => text.is_empty(),
        Reading::Bytes(bytes) => bytes.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Content, dissect, text};

    fn verdicts(bytes: &[u8]) -> Vec<bool> {
        let anatomy = dissect(bytes);
        let second = SecondReading::of(bytes);
        let leaves =
            (0..anatomy.parts().len()).filter(|id| matches!(anatomy.part(*id).content, Content::Leaf(_)));
        leaves
            .map(|id| {
                let Ok(content) = text::content(bytes, &anatomy, id) else { return false };
                if anatomy.part(id).media.kind != "text" {
                    return second.agrees(&anatomy, id, Reading::Bytes(&content));
                }
                text::text(&anatomy, id, &content)
                    .is_ok_and(|text| second.agrees(&anatomy, id, Reading::Text(&text)))
            })
            .collect()
    }

    #[test]
    fn clean_messages_are_read_alike() {
        assert_eq!(verdicts(b"Subject: x\r\n\r\nhello\r\n"), [true]);
        let mixed = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhello\r\n\
            --b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0x\r\n\
            --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n--b--\r\n";
        assert_eq!(verdicts(mixed.as_bytes()), [true, true, true]);
    }

    /// In release builds the parser loses the parts instead.
    #[test]
    fn a_parser_that_gives_up_agrees_to_nothing() {
        let (version, message) = ("MIME-Version: 1.0", "Content-Type: message/rfc822");
        let text = "Content-Type: text/plain\r\n\r\nx";
        let mixed = |boundary: &str, last: &str| {
            format!(
                "{version}\r\nContent-Type: multipart/mixed; boundary={boundary}\r\n\r\n\
                 --{boundary}\r\n{text}\r\n--{boundary}\r\n{message}\r\n\r\n{last}\r\n--{boundary}--\r\n"
            )
        };
        let inner = mixed("c", &format!("{version}\r\n{text}"));
        let outer = mixed("b", &format!("{version}\r\n{message}\r\n\r\n{inner}"));
        assert!(verdicts(outer.as_bytes()).contains(&false), "{outer}");
    }

    #[test]
    fn a_delimiter_after_a_bare_cr_is_a_disagreement() {
        let mixed = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n\
            --b1\r\nContent-Type: text/plain\r\n\r\nhello\r\n\
            --b1\r\nContent-Type: application/x-a\r\nContent-Transfer-Encoding: binary\r\n\r\nx\r--b1--\r\r\n--b1--\r\n";
        assert_eq!(verdicts(mixed.as_bytes()), [false, false]);
    }

    #[test]
    fn a_delimiter_in_mid_line_is_a_disagreement() {
        let mixed = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n\
            --b1\r\nContent-Type: text/plain\r\n\r\nhello --b1 you\r\n--b1--\r\n";
        assert_eq!(verdicts(mixed.as_bytes()), [false]);
    }
}
