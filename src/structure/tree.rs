//! The walk over a view's octets: header, body, delimiter (RFC 2046 §5.1), part in part.

use std::borrow::Cow;

use memchr::memmem;

use super::field::{self, Field, unfold};
use super::model::{Envelope, Octets, Parameter, Part, SentDate, Structure};
use super::{address, date, mime, preview, thread};

impl Structure<'_> {
    /// The structure of a rendered view. Total: any octets are some message.
    pub fn of(octets: &[u8]) -> Structure<'static> {
        let mut walk = Walk {
            octets,
            at: 0,
            parts: Vec::new(),
            open: Vec::new(),
            line_dashes: memmem::Finder::new(b"\n--"),
        };
        let header = walk.header();
        let envelope = envelope(octets, &header);
        let references = thread::references(octets, &header);
        let sent = sent(octets, &header);
        // With no boundary open, nothing ends the message but its end.
        let _ = walk.body(0, Part::default(), 0, header);
        let preview = Cow::Owned(preview::of(octets, &walk.parts));
        Structure { envelope, parts: walk.parts, sent, references, preview, subject_is_made: None }
    }
}

struct Walk<'o> {
    octets: &'o [u8],
    /// Everything before this has been walked over; a line begins here.
    at: usize,
    parts: Vec<Part<'static>>,
    /// Boundaries of the multiparts we are in, outermost first.
    open: Vec<Vec<u8>>,
    line_dashes: memmem::Finder<'static>,
}

/// A line that is a delimiter of an open multipart.
struct Delimiter {
    /// Where the line begins.
    start: usize,
    /// Which of the open ones.
    level: usize,
    closes: bool,
}

impl Walk<'_> {
    /// The fields of the next header that say something to us.
    fn header(&mut self) -> Vec<Field> {
        let mut header = field::read(self.octets, self.at);
        let mut known = Vec::new();
        while let Some(field) = header.next_unless(|start| self.delimiter_at(start).is_some()) {
            if known.len() < MAX_FIELDS && is_known(&self.octets[field.name.clone()]) {
                known.push(field);
            }
        }
        self.at = header.end;
        known
    }

    /// A part with its header, in a multipart or as the message in another one.
    fn part(&mut self, level: u16, default: Part<'static>) -> Option<Delimiter> {
        let start = self.at;
        let fields = self.header();
        self.body(level, default, start, fields)
    }

    /// Walks over a body whose header has been read; the delimiter of an outer multipart that ended it.
    fn body(
        &mut self,
        level: u16,
        mut part: Part<'static>,
        start: usize,
        fields: Vec<Field>,
    ) -> Option<Delimiter> {
        if part.kind.0.is_empty() {
            (part.kind, part.subtype) = ("text".into(), "plain".into());
        }
        mime::describe(self.octets, &fields, &mut part);
        drop(fields);
        part.level = level;
        (part.start, part.middle) = (start as u64, self.at as u64);
        let inside = self.inside(&mut part);
        let (index, middle) = (self.parts.len(), self.at);
        self.parts.push(part);
        let stop = match inside {
            Inside::Nothing => self.next_delimiter(),
            Inside::Message => self.message(index),
            Inside::Parts(boundary) => self.multipart(index, boundary),
        };
        let end = stop.as_ref().map_or(self.octets.len(), |stop| self.before_line(stop.start, middle));
        self.finish(index, end);
        stop
    }

    /// What is in the part, if that is beyond doubt; else makes it opaque.
    fn inside(&self, part: &mut Part<'static>) -> Inside {
        let room = usize::from(part.level) < MAX_DEPTH && self.parts.len() + 1 < MAX_PARTS;
        if part.kind.is("multipart") {
            let boundary = part.parameter("boundary").filter(|boundary| !boundary.is_empty());
            if let Some(boundary) = boundary.filter(|_| room) {
                return Inside::Parts(boundary[..boundary.len().min(MAX_BOUNDARY)].to_vec());
            }
            mime::opaque(part);
        } else if part.is("message", "rfc822") {
            if room && is_identity(part.encoding.as_ref()) {
                (part.kind, part.subtype) = ("message".into(), "rfc822".into());
                return Inside::Message;
            }
            mime::opaque(part);
        } else if part.kind.is("text") && part.parameter("charset").is_none() {
            // RFC 2046 §4.1.2; listings name the default, as clients are used to.
            let parameter = Parameter { name: "charset".into(), value: "us-ascii".into() };
            part.parameters.push(parameter);
        }
        Inside::Nothing
    }

    fn message(&mut self, index: usize) -> Option<Delimiter> {
        let (level, start) = (self.parts[index].level, self.at);
        let fields = self.header();
        self.parts[index].envelope = Some(envelope(self.octets, &fields));
        self.body(level + 1, Part::default(), start, fields)
    }

    fn multipart(&mut self, index: usize, boundary: Vec<u8>) -> Option<Delimiter> {
        let depth = self.open.len();
        self.open.push(boundary);
        let mut next = self.next_delimiter();
        while let Some(stop) = next.take_if(|stop| stop.level >= depth) {
            self.open.truncate(depth + 1);
            self.at = self.line_end(stop.start);
            if stop.closes {
                self.open.truncate(depth);
            }
            let room = self.parts.len() < MAX_PARTS;
            next = if stop.closes || !room { self.next_delimiter() } else { self.child(index) };
        }
        self.open.truncate(depth);
        next
    }

    fn child(&mut self, multipart: usize) -> Option<Delimiter> {
        let (level, digest) = {
            let outer = &self.parts[multipart];
            (outer.level + 1, outer.subtype.is("digest"))
        };
        let mut default = Part::default();
        if digest {
            // RFC 2046 §5.1.5.
            (default.kind, default.subtype) = ("message".into(), "rfc822".into());
        }
        self.part(level, default)
    }

    /// Sets where a part ends, and what follows from that.
    fn finish(&mut self, index: usize, end: usize) {
        let childless = self.parts.len() == index + 1;
        // A part inside that ends with its own empty line goes up to the delimiter.
        let inside = self.parts[index + 1..].last().map_or(0, |last| last.end as usize);
        let end = end.max(inside);
        let part = &mut self.parts[index];
        part.end = end as u64;
        if part.kind.is("text") || part.envelope.is_some() {
            let body = &self.octets[part.middle as usize..end];
            part.lines = memchr::memchr_iter(b'\n', body).count() as u64;
        }
        if childless && part.kind.is("multipart") {
            let empty = empty_part(part);
            self.parts.push(empty);
        }
    }

    /// The next delimiter from where we are, and goes there; at the end, none.
    fn next_delimiter(&mut self) -> Option<Delimiter> {
        let found = self.find_delimiter();
        self.at = found.as_ref().map_or(self.octets.len(), |found| found.start);
        found
    }

    fn find_delimiter(&self) -> Option<Delimiter> {
        if self.open.is_empty() {
            return None;
        }
        let mut start = self.at;
        loop {
            if let Some(found) = self.delimiter_at(start) {
                return Some(found);
            }
            start = self.line_dashes.find(&self.octets[start..]).map(|found| start + found + 1)?;
        }
    }

    /// A line counts that begins with a boundary, the longest one if several do, the innermost of those.
    fn delimiter_at(&self, start: usize) -> Option<Delimiter> {
        let text = self.octets[start..].strip_prefix(b"--")?;
        let matching = self.open.iter().enumerate().filter(|(_, boundary)| text.starts_with(boundary));
        let (level, boundary) = matching.max_by_key(|(_, boundary)| boundary.len())?;
        Some(Delimiter { start, level, closes: text[boundary.len()..].starts_with(b"--") })
    }

    fn line_end(&self, start: usize) -> usize {
        memchr::memchr(b'\n', &self.octets[start..]).map_or(self.octets.len(), |length| start + length + 1)
    }

    /// The line end before a delimiter belongs to the delimiter.
    fn before_line(&self, start: usize, floor: usize) -> usize {
        let body = &self.octets[floor..start];
        start - if body.ends_with(b"\r\n") { 2 } else { usize::from(body.ends_with(b"\n")) }
    }
}

fn is_known(name: &[u8]) -> bool {
    mime::is_mime(name) || KNOWN.iter().chain(&[REFERENCES]).any(|known| known.eq_ignore_ascii_case(name))
}

enum Inside {
    Nothing,
    Message,
    Parts(Vec<u8>),
}

/// RFC 2046 §5.2.1: a message has no encoding of its own.
fn is_identity(encoding: Option<&Octets<'_>>) -> bool {
    encoding.is_none_or(|encoding| ["7bit", "8bit", "binary"].iter().any(|known| encoding.is(known)))
}

/// What stands in a multipart without parts, which the grammar has no place for.
fn empty_part(multipart: &Part<'_>) -> Part<'static> {
    Part {
        level: multipart.level + 1,
        kind: "text".into(),
        subtype: "plain".into(),
        parameters: vec![Parameter { name: "charset".into(), value: "us-ascii".into() }],
        start: multipart.end,
        middle: multipart.end,
        end: multipart.end,
        ..Part::default()
    }
}

/// Of a field that occurs twice the last one counts; of addresses, all together.
fn envelope(octets: &[u8], fields: &[Field]) -> Envelope<'static> {
    let mut envelope = Envelope::default();
    for field in fields {
        let name = &octets[field.name.clone()];
        let known = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(name));
        let Some(known) = known else { continue };
        let value = unfold(&octets[field.value.clone()]);
        let addresses = match *known {
            b"From" => &mut envelope.from,
            b"Sender" => &mut envelope.sender,
            b"Reply-To" => &mut envelope.reply_to,
            b"To" => &mut envelope.to,
            b"Cc" => &mut envelope.cc,
            b"Bcc" => &mut envelope.bcc,
            _ => {
                *text(&mut envelope, known) = Some(value.into());
                continue;
            }
        };
        addresses.append(&mut address::list(&value));
    }
    envelope
}

fn text<'e>(envelope: &'e mut Envelope<'static>, name: &[u8]) -> &'e mut Option<Octets<'static>> {
    match name {
        b"Date" => &mut envelope.date,
        b"Subject" => &mut envelope.subject,
        b"In-Reply-To" => &mut envelope.in_reply_to,
        _ => &mut envelope.message_id,
    }
}

/// The Date field as a point in time.
fn sent(octets: &[u8], fields: &[Field]) -> Option<SentDate> {
    let field = fields.iter().rfind(|field| octets[field.name.clone()].eq_ignore_ascii_case(b"Date"))?;
    let mut value = unfold(&octets[field.value.clone()]);
    if let Some(sent) = std::str::from_utf8(&value).ok().and_then(date::parse) {
        return Some(sent);
    }
    value.extend_from_slice(b"\r\n");
    let date = match mail_parser::parsers::MessageStream::new(&value).parse_date() {
        mail_parser::HeaderValue::DateTime(date) if date.is_valid() => date,
        _ => return None,
    };
    let unix = date.to_timestamp();
    let east = i64::from(date.tz_hour) * 3600 + i64::from(date.tz_minute) * 60;
    let local = unix + if date.tz_before_gmt { -east } else { east };
    Some(SentDate { unix, day: local.div_euclid(86_400) })
}

const KNOWN: [&[u8]; 10] = [
    b"Date",
    b"Subject",
    b"From",
    b"Sender",
    b"Reply-To",
    b"To",
    b"Cc",
    b"Bcc",
    b"In-Reply-To",
    b"Message-ID",
];
const REFERENCES: &[u8] = b"References";
/// Fields of one header that are looked at. The anatomy has the same limit, for all there are.
const MAX_FIELDS: usize = 2000;
/// Levels of parts below the message; the anatomy's limit.
pub(super) const MAX_DEPTH: usize = 100;
/// Parts of a message; twice the anatomy's limit, since empty multiparts are given a part.
pub(super) const MAX_PARTS: usize = 1200;
/// Octets of a boundary that are compared; RFC 2046 §5.1.1 allows 70.
const MAX_BOUNDARY: usize = 80;
