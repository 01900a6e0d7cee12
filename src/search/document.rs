//! From a whole message to what the index takes of it: decoded header fields, the text that people
//! read, names of attachments, links to other messages.
//!
//! The message is hostile: what it may cost is bounded before mail-parser sees it, and a parser that
//! gives up leaves a document with less in it. Nothing is shown from here but text.

use std::panic::catch_unwind;
use std::sync::LazyLock;

use mail_parser::{
    Addr, Address, HeaderName, HeaderValue, Message, MessageParser, MessagePart, MimeHeaders, PartType,
};
use memchr::memchr_iter;

use super::{Document, Link, html};
use crate::names::MessageId;

/// What the index takes of the message `octets`, which was received at `received`, in seconds since
/// 1970.
pub fn document(uid: u32, message: MessageId, received: i64, octets: &[u8]) -> Document {
    let mut document = Document {
        uid,
        message,
        received,
        octets: octets.len() as u64,
        from: String::new(),
        to: String::new(),
        subject: String::new(),
        body: String::new(),
        attachments: Vec::new(),
        links: Vec::new(),
    };
    // 0.11.9 panics at some malformed messages when debug assertions are on.
    if let Some(parsed) = catch_unwind(|| parse(octets)).ok().flatten() {
        document.take_header(&parsed);
        document.take_parts(&parsed, 0);
    }
    document
}

/// The header alone, where parts are nested or many: mail-parser nests messages on the stack, and
/// looks for every boundary to the end of the message.
fn parse(octets: &[u8]) -> Option<Message<'_>> {
    if entities(octets) > MOST_ENTITIES { PARSER.parse_headers(octets) } else { PARSER.parse(octets) }
}

/// How many parts the message can have, which it may also have in parts that it quotes.
fn entities(octets: &[u8]) -> usize {
    let names = memchr_iter(b'-', octets).filter(|at| {
        let name = at.checked_sub(7).and_then(|start| octets.get(start..at + 5));
        name.is_some_and(|name| name.eq_ignore_ascii_case(b"content-type"))
    });
    names.take(MOST_ENTITIES + 1).count()
}

impl Document {
    fn take_header(&mut self, message: &Message<'_>) {
        self.from = people([message.from(), message.sender().filter(|_| message.from().is_none())]);
        self.to = people([message.to(), message.cc()]);
        self.subject = one_line(message.subject().unwrap_or_default(), LONGEST_SUBJECT);
        let own = message.message_id().map(Link::of);
        let parents = ids(message.in_reply_to()).chain(ids(message.references()));
        // The first reference is the root of the conversation, the last ones are the nearest.
        let mut named: Vec<_> = parents.map(Link::of).collect();
        if named.len() > MOST_LINKS {
            named.drain(1..=named.len() - MOST_LINKS);
        }
        self.links = own.into_iter().chain(named).collect();
        self.links.sort_unstable();
        self.links.dedup();
    }

    fn take_parts(&mut self, message: &Message<'_>, depth: usize) {
        let start = self.body.len();
        message.text_body.iter().filter_map(|id| message.part(*id)).for_each(|part| self.take_text(part));
        // "Your client shows no HTML": the text that people read is the other one.
        if self.body.len() - start < SHORTEST_TEXT {
            let other = message.html_body.iter().filter(|id| !message.text_body.contains(id));
            other.filter_map(|id| message.part(*id)).for_each(|part| self.take_text(part));
        }
        for part in message.attachments() {
            self.take_attachment(part, depth);
        }
    }

    fn take_text(&mut self, part: &MessagePart<'_>) {
        match &part.body {
            PartType::Html(html) => {
                let html = &html[..html.floor_char_boundary(LONGEST_HTML)];
                squeeze(&html::text(html), LONGEST_BODY, &mut self.body);
            }
            PartType::Text(text) => squeeze(text, LONGEST_BODY, &mut self.body),
            _ => {}
        }
    }

    fn take_attachment(&mut self, part: &MessagePart<'_>, depth: usize) {
        let name = one_line(part.attachment_name().unwrap_or_default(), LONGEST_NAME);
        if !is_within_html(part) && self.attachments.len() < MOST_ATTACHMENTS {
            self.attachments.push(name);
        }
        if let PartType::Message(inner) = &part.body
            && depth < DEEPEST
        {
            squeeze(&people([inner.from(), inner.to()]), LONGEST_BODY, &mut self.body);
            squeeze(inner.subject().unwrap_or_default(), LONGEST_BODY, &mut self.body);
            self.take_parts(inner, depth + 1);
        }
    }
}

/// Whether it is a picture that the HTML shows (RFC 2392), which is no attachment to people.
fn is_within_html(part: &MessagePart<'_>) -> bool {
    let image = part.content_type().is_some_and(|media| media.ctype().eq_ignore_ascii_case("image"));
    let apart = part.content_disposition().is_some_and(|disposition| disposition.is_attachment());
    image && !apart && part.content_id().is_some()
}

/// Names and addresses, as people write them.
fn people<'x, 'm: 'x>(fields: impl IntoIterator<Item = Option<&'x Address<'m>>>) -> String {
    let mut text = String::new();
    for person in fields.into_iter().flatten().flat_map(all).take(MOST_PEOPLE) {
        let (name, address) = (person.name.as_deref(), person.address.as_deref());
        if !text.is_empty() {
            text.push_str(", ");
        }
        match (name, address) {
            (Some(name), Some(address)) => text.push_str(&format!("{name} <{address}>")),
            (one, other) => text.push_str(one.or(other).unwrap_or_default()),
        }
    }
    one_line(&text, LONGEST_PEOPLE)
}

fn all<'x, 'm>(address: &'x Address<'m>) -> Box<dyn Iterator<Item = &'x Addr<'m>> + 'x> {
    match address {
        Address::List(people) => Box::new(people.iter()),
        Address::Group(groups) => Box::new(groups.iter().flat_map(|group| &group.addresses)),
    }
}

fn ids<'x>(value: &'x HeaderValue<'_>) -> impl Iterator<Item = &'x str> {
    let (one, many) = match value {
        HeaderValue::Text(id) => (Some(id.as_ref()), [].as_slice()),
        HeaderValue::TextList(ids) => (None, ids.as_slice()),
        _ => (None, [].as_slice()),
    };
    one.into_iter().chain(many.iter().map(AsRef::as_ref))
}

fn one_line(text: &str, longest: usize) -> String {
    let mut line = String::new();
    squeeze(text, longest, &mut line);
    line
}

/// Adds text, its blanks made one each and its control characters left out, up to `longest` octets
/// in all.
fn squeeze(text: &str, longest: usize, out: &mut String) {
    for word in text.split(is_blank).filter(|word| !word.is_empty()) {
        if !out.is_empty() && out.len() < longest {
            out.push(' ');
        }
        let room = longest.saturating_sub(out.len());
        out.push_str(&word[..word.floor_char_boundary(room)]);
        if word.len() > room {
            return;
        }
    }
}

fn is_blank(letter: char) -> bool {
    match letter {
        '\0'..=' ' | '\x7f' => true,
        '!'..='~' => false,
        _ => letter.is_whitespace() || letter.is_control(),
    }
}

static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .with_mime_headers()
        .with_message_ids()
        .header_address(HeaderName::From)
        .header_address(HeaderName::Sender)
        .header_address(HeaderName::To)
        .header_address(HeaderName::Cc)
        .header_text(HeaderName::Subject)
        .default_header_ignore()
});

/// Parts that mail-parser is trusted with: each may lie within the one before it.
const MOST_ENTITIES: usize = 300;
/// Messages within messages whose text is read.
const DEEPEST: usize = 8;
/// Octets of text that are indexed: more than a book's chapter, less than a log file.
const LONGEST_BODY: usize = 256 * 1024;
const LONGEST_HTML: usize = 4 * 1024 * 1024;
/// Octets of plain text below which the HTML beside it is read, too.
const SHORTEST_TEXT: usize = 200;
const LONGEST_SUBJECT: usize = 1000;
const LONGEST_NAME: usize = 255;
const LONGEST_PEOPLE: usize = 16 * 1024;
const MOST_PEOPLE: usize = 500;
const MOST_ATTACHMENTS: usize = 200;
/// Message-IDs that a message refers to.
const MOST_LINKS: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(message: &str) -> Document {
        document(1, MessageId::from_bytes([1; 16]), 0, message.replace('\n', "\r\n").as_bytes())
    }

    #[test]
    fn header_fields_are_decoded() {
        let document = of("From: =?iso-8859-1?Q?J=F6rg?= <joerg@a.example>\n\
             To: friends: a@x.example, \"B, C\" <b@x.example>;\nCc: =?utf-8?B?w4k=?= <e@x.example>\n\
             Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\n =?utf-8?Q?_aus_K=C3=B6ln?=\n\nx\n");
        assert_eq!(document.from, "Jörg <joerg@a.example>");
        assert_eq!(document.to, "a@x.example, B, C <b@x.example>, É <e@x.example>");
        assert_eq!(document.subject, "Grüße aus Köln");
        assert_eq!((document.body.as_str(), document.attachments.len()), ("x", 0));
        assert_eq!(of("Sender: s@x.example\n\n").from, "s@x.example");
    }

    #[test]
    fn links_are_the_own_and_the_named_identifiers() {
        let document = of("Message-ID: <me@x>\nIn-Reply-To: <p@x>\nReferences: <r@x>\n <p@x>\n\n");
        let mut expected = ["me@x", "p@x", "r@x"].map(Link::of);
        expected.sort_unstable();
        assert_eq!(document.links, expected);
        let many: String = (0..500).map(|at| format!(" <{at}@x>\n")).collect();
        let document = of(&format!("References:{many}\n"));
        assert_eq!(document.links.len(), MOST_LINKS);
        assert!(document.links.contains(&Link::of("0@x")) && document.links.contains(&Link::of("499@x")));
        assert!(of("In-Reply-To: your message of Tuesday\n\n").links.len() <= 1);
    }

    #[test]
    fn the_text_is_what_people_read() {
        let alternative = |plain: &str, html: &str| {
            format!(
                "Content-Type: multipart/alternative; boundary=b\n\n\
                 --b\nContent-Type: text/plain; charset=utf-8\n\n{plain}\n\
                 --b\nContent-Type: text/html; charset=utf-8\n\n{html}\n--b--\n"
            )
        };
        let stub = of(&alternative("See HTML", "<style>p{}</style><p>The whole <i>st</i>ory</p>"));
        assert_eq!(stub.body, "See HTML The whole story");
        let long = "plain words ".repeat(30);
        assert_eq!(of(&alternative(&long, "<p>html</p>")).body, long.trim());
        assert_eq!(of("Content-Type: text/html\n\n<p>a</p><p>b&amp;c</p>\n").body, "a b&c");
    }

    #[test]
    fn attachments_are_named_and_nested_messages_read() {
        let document = of("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n\
             --b\nContent-Type: application/pdf; name*=utf-8''%C3%84rger.pdf\n\nx\n\
             --b\nContent-Disposition: attachment\nContent-Type: application/zip\n\nx\n\
             --b\nContent-Type: message/rfc822\n\nFrom: in@x.example\nSubject: inner\n\ninner text\n--b--\n");
        assert_eq!(document.attachments, ["Ärger.pdf", "", ""]);
        assert_eq!(document.body, "hello in@x.example inner inner text");
    }

    #[test]
    fn pictures_within_html_are_no_attachments() {
        let document = of("Content-Type: multipart/related; boundary=b\n\n\
             --b\nContent-Type: text/html\n\n<img src=\"cid:p\">\n\
             --b\nContent-Type: image/png\nContent-ID: <p>\n\nx\n--b--\n");
        assert_eq!(document.attachments.len(), 0);
    }

    #[test]
    fn everything_is_bounded() {
        let document = of(&format!(
            "From: {}\nSubject: {}\n\n{}\n",
            "a@x.example, ".repeat(5000),
            "s".repeat(5000),
            "word ".repeat(200_000)
        ));
        assert!(document.from.len() <= LONGEST_PEOPLE && document.subject.len() <= LONGEST_SUBJECT);
        assert!(document.body.len() <= LONGEST_BODY && document.body.len() > LONGEST_BODY - 10);
    }

    #[test]
    fn hostile_nesting_costs_neither_the_stack_nor_time() {
        let nested = "Content-Type: message/rfc822\n\n".repeat(200_000);
        assert_eq!(of(&format!("Subject: deep\n{nested}")).subject, "deep");
        let digests = "Content-Type: multipart/digest; boundary=b\n\n--b\n\n".repeat(100_000);
        of(&digests);
        let parts = "--b\nContent-Type: multipart/mixed; boundary=never\n\n".repeat(20_000);
        of(&format!("Subject: wide\nContent-Type: multipart/mixed; boundary=b\n\n{parts}"));
        // Just within the bound, on a thread with little stack.
        let within = "Content-Type: message/rfc822\n\n".repeat(MOST_ENTITIES - 1);
        let thread = std::thread::Builder::new().stack_size(1024 * 1024);
        thread.spawn(move || of(&within)).unwrap().join().unwrap();
    }

    proptest! {
        #[test]
        fn any_octets_are_a_document(octets in prop::collection::vec(any::<u8>(), 0..400)) {
            document(1, MessageId::from_bytes([1; 16]), 0, &octets);
        }

        #[test]
        fn any_lines_are_a_document(
            lines in prop::collection::vec(prop::sample::select(vec![
                "Content-Type: multipart/mixed; boundary=b", "Content-Type: message/rfc822", "--b", "--b--", "",
                "Content-Transfer-Encoding: base64", "Content-Type: text/html", "<p>x", "References: <a> <", "To: a, b: c;",
            ]), 0..40)
        ) {
            of(&lines.join("\n"));
        }
    }
}
