//! What SEARCH looks through: header values and texts, decoded. Matching is the caller's affair.

use std::borrow::Cow;

use mail_parser::parsers::MessageStream;

use super::charset;
use super::field::{self, unfold};
use super::html;
use super::model::{Octets, Part, Structure};
use super::section::slice;

impl Structure<'_> {
    /// The decoded values of all fields of this name in the message's own header (SEARCH HEADER, SUBJECT,
    /// FROM and so on), in order.
    pub fn header_text<'o>(&self, octets: &'o [u8], name: &'o str) -> impl Iterator<Item = String> + 'o {
        let header = slice(octets, self.root().part().header());
        field::read(header, 0)
            .filter(move |field| header[field.name.clone()].eq_ignore_ascii_case(name.as_bytes()))
            .map(move |field| value(&header[field.value]))
    }

    /// The message's own header, decoded (SEARCH TEXT).
    pub fn header_block(&self, octets: &[u8]) -> String {
        header_block(slice(octets, self.root().part().header()))
    }

    /// The decoded text parts, of HTML what people read, and the headers of messages inside (SEARCH BODY).
    pub fn texts<'o>(&'o self, octets: &'o [u8]) -> impl Iterator<Item = Cow<'o, str>> {
        self.parts.iter().filter_map(move |part| text(part, octets)).chain(
            // The message inside comes right after the part that holds it.
            self.parts
                .windows(2)
                .filter(|pair| pair[0].envelope.is_some())
                .map(move |pair| Cow::Owned(header_block(slice(octets, pair[1].header())))),
        )
    }
}

impl Octets<'_> {
    /// The string as people read it.
    pub fn text(&self) -> String {
        value(&self.0)
    }
}

/// A part's text: text/*, and reports and other messages that are not taken apart.
fn text<'o>(part: &Part<'_>, octets: &'o [u8]) -> Option<Cow<'o, str>> {
    let readable = part.kind.is("text") || part.kind.is("message") && part.envelope.is_none();
    let text = readable.then(|| charset::text(part, slice(octets, part.body())))?;
    Some(if part.is("text", "html") { Cow::Owned(html::text(&text)) } else { text })
}

/// A header, decoded: a line for each field.
pub fn header_block(header: &[u8]) -> String {
    let mut text = String::with_capacity(header.len());
    for field in field::read(header, 0) {
        if !field.name.is_empty() {
            text.push_str(&charset::octets(&header[field.name]));
            text.push_str(": ");
        }
        text.push_str(&value(&header[field.value]));
        text.push('\n');
    }
    text
}

/// A value unfolded, its encoded words decoded wherever they stand (RFC 2047, tolerantly).
fn value(written: &[u8]) -> String {
    let mut value = unfold(written);
    if memchr::memmem::find(&value, b"=?").is_none() {
        return charset::octets(&value).into_owned();
    }
    value.extend_from_slice(b"\r\n");
    match MessageStream::new(&value).parse_unstructured() {
        mail_parser::HeaderValue::Text(text) => text.into_owned(),
        _ => charset::octets(&value).trim_end().to_owned(),
    }
}
