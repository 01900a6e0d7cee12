//! Reading the header of one part: field by field into atoms, then what its MIME fields say.
//!
//! RFC 5322 §2.2 and §3.6, RFC 2045 §3 to §6. Real parsers disagree about where a header with
//! malformed lines ends, so each kind of malformed line is an anomaly.

use super::anatomy::{AtomKind, Field};
use super::anomaly::{Anomalies, Anomaly};
use super::content_type;
use super::cutter::Cutter;
use super::lines::{Ending, Line, is_blank, line_at};
use super::part::{PartId, TransferEncoding};
use std::ops::Range;

impl Cutter<'_> {
    /// Cuts the header of `part` into field atoms and the blank line.
    pub(super) fn read_header(&mut self, part: PartId) {
        self.skip_mbox_line(part);
        while self.at < self.bytes.len() {
            let line = line_at(self.bytes, self.at);
            if line.text.is_empty() {
                self.blank_line(&line, part);
                break;
            }
            if self.is_delimiter(self.at) {
                self.doubt(part, Anomaly::TruncatedHeader);
                break;
            }
            if self.anatomy.fields.len() == MAX_FIELDS {
                self.exhaust();
                return;
            }
            self.field(line, part);
        }
        let fields = self.anatomy.parts[part].fields.start..self.anatomy.fields.len();
        if self.anatomy.parts[part].is_message && fields.is_empty() {
            self.doubt(part, Anomaly::NoHeader);
        }
        self.anatomy.parts[part].fields = fields;
        self.mark_duplicates(part);
    }

    /// Reads the MIME fields of `part`.
    pub(super) fn describe(&mut self, part: PartId) {
        let mut mime = Mime::default();
        for index in self.anatomy.parts[part].fields.clone() {
            let field = &self.anatomy.fields[index];
            let Some(slot) = mime.slot(&self.bytes[field.name.clone()]) else { continue };
            let (value, odd) = (field.value.clone(), !field.anomalies.is_empty());
            if slot.replace(value).is_some() {
                self.doubt(part, Anomaly::DuplicateMimeField);
            }
            if odd {
                self.doubt(part, Anomaly::OddMimeField);
            }
        }
        self.check_version(part, &mime);
        self.describe_media(part, &mime);
        self.describe_encoding(part, &mime);
        self.describe_disposition(part, &mime);
        self.describe_id(part, &mime);
    }

    fn skip_mbox_line(&mut self, part: PartId) {
        let rest = &self.bytes[self.at..];
        if self.anatomy.parts[part].is_message && (rest.starts_with(b"From ") || rest.starts_with(b">From "))
        {
            self.doubt(part, Anomaly::MboxFromLine);
            self.glue_to(line_at(self.bytes, self.at).end, part);
        }
    }

    fn blank_line(&mut self, line: &Line, part: PartId) {
        if line.ending != Ending::Crlf {
            self.doubt(part, Anomaly::BareLineEndInHeader);
        }
        self.atom_to(line.end, AtomKind::Blank, part);
    }

    /// Takes one field with its continuation lines; a line that begins no field becomes glue.
    fn field(&mut self, first: Line, part: PartId) {
        let start = first.text.start;
        let name = self.field_name(&first, part);
        let mut anomalies = self.check_line(&first, part);
        let mut end = first.end;
        while self.bytes.get(end).copied().is_some_and(is_blank) {
            let line = line_at(self.bytes, end);
            if self.bytes[line.text.clone()].iter().copied().all(is_blank) {
                self.doubt(part, Anomaly::BlankContinuation);
            }
            let more = self.check_line(&line, part);
            anomalies = anomalies.union(more);
            end = line.end;
        }
        let Some(name) = name else { return self.glue_to(end, part) };
        let value = name.end + 1..end;
        if let Some(atom) = self.atom_to(end, AtomKind::Field, part) {
            debug_assert_eq!(self.anatomy.atoms[atom as usize].span.start, start);
            self.anatomy.fields.push(Field { atom, name, value, anomalies });
        }
    }

    /// The name before the colon (RFC 5322 §2.2), or none and an anomaly.
    fn field_name(&mut self, line: &Line, part: PartId) -> Option<Range<usize>> {
        let text = &self.bytes[line.text.clone()];
        if text.first().copied().is_some_and(is_blank) {
            self.doubt(part, Anomaly::StrayContinuation);
            return None;
        }
        let length = text.iter().take_while(|byte| byte.is_ascii_graphic() && **byte != b':').count();
        match text.get(length) {
            Some(b':') if length > 0 => Some(line.text.start..line.text.start + length),
            Some(byte) if is_blank(*byte) && text[length..].trim_ascii_start().starts_with(b":") => {
                self.doubt(part, Anomaly::BlankBeforeColon);
                None
            }
            _ => {
                self.doubt(part, Anomaly::MalformedHeaderLine);
                None
            }
        }
    }

    /// Looks at every octet of a header line; gives what touches only its field.
    fn check_line(&mut self, line: &Line, part: PartId) -> Anomalies {
        let text = &self.bytes[line.text.clone()];
        let mut anomalies = Anomalies::default();
        if line.ending != Ending::Crlf || memchr::memchr(b'\r', text).is_some() {
            self.doubt(part, Anomaly::BareLineEndInHeader);
        }
        // A fold without early exit, so that the compiler can take many octets at once.
        if text.iter().fold(false, |found, byte| found | (*byte < b' ' && *byte != b'\t') | (*byte == DELETE))
        {
            self.doubt(part, Anomaly::ControlInHeader);
        }
        if !text.is_ascii() {
            anomalies.insert(Anomaly::EightBitValue);
        }
        if text.len() > MAX_LINE {
            anomalies.insert(Anomaly::LongHeaderLine);
        }
        anomalies
    }

    /// Marks all fields of a name that RFC 5322 §3.6 allows once and that is there twice.
    fn mark_duplicates(&mut self, part: PartId) {
        let mut first: [Option<usize>; SINGLETONS.len()] = [None; SINGLETONS.len()];
        for index in self.anatomy.parts[part].fields.clone() {
            let name = &self.bytes[self.anatomy.fields[index].name.clone()];
            let Some(slot) = singleton(name) else { continue };
            if let Some(earlier) = first[slot] {
                self.anatomy.fields[earlier].anomalies.insert(Anomaly::DuplicateSingleton);
                self.anatomy.fields[index].anomalies.insert(Anomaly::DuplicateSingleton);
            }
            first[slot] = Some(index);
        }
    }

    /// RFC 2045 §4: a message with MIME fields says `MIME-Version: 1.0`.
    fn check_version(&mut self, part: PartId, mime: &Mime) {
        if !self.anatomy.parts[part].is_message {
            return;
        }
        let plain = match &mime.version {
            Some(version) => self.bytes[version.clone()].trim_ascii() == b"1.0",
            None => mime.media.is_none() && mime.encoding.is_none() && mime.disposition.is_none(),
        };
        if !plain {
            self.doubt(part, Anomaly::MimeVersion);
        }
    }

    fn describe_media(&mut self, part: PartId, mime: &Mime) {
        let Some(value) = mime.media.clone() else { return };
        match content_type::parse_media(&self.bytes[value]) {
            Ok(media) => self.anatomy.parts[part].media = media,
            Err(anomaly) => {
                self.doubt(part, anomaly);
                self.anatomy.parts[part].media = content_type::Media::new("application", "octet-stream");
            }
        }
    }

    fn describe_encoding(&mut self, part: PartId, mime: &Mime) {
        let Some(value) = mime.encoding.clone() else { return };
        let Some(encoding) = encoding(self.bytes[value].trim_ascii()) else {
            return self.doubt(part, Anomaly::UnknownEncoding);
        };
        let own = &mut self.anatomy.parts[part];
        own.encoding = encoding;
        let composite = matches!(own.media.kind.as_str(), "multipart" | "message");
        if composite && !encoding.is_identity() {
            self.doubt(part, Anomaly::EncodedComposite);
        }
    }

    fn describe_disposition(&mut self, part: PartId, mime: &Mime) {
        let mut names = vec![content_type::file_name(&self.anatomy.parts[part].media.parameters, "name")];
        let mut has_name = has_parameter(&self.anatomy.parts[part].media.parameters, "name");
        if let Some(value) = mime.disposition.clone() {
            match content_type::parse_disposition(&self.bytes[value]) {
                Ok(disposition) => {
                    self.anatomy.parts[part].disposition = Some(disposition.kind);
                    has_name |= has_parameter(&disposition.parameters, "filename");
                    names.push(content_type::file_name(&disposition.parameters, "filename"));
                }
                Err(anomaly) => self.doubt(part, anomaly),
            }
        }
        let own = &mut self.anatomy.parts[part];
        own.has_name = has_name;
        own.file_name = agreed(names);
    }

    fn describe_id(&mut self, part: PartId, mime: &Mime) {
        let Some(value) = mime.id.clone() else { return };
        let value = self.bytes[value].trim_ascii();
        let id = value.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">"));
        let plain = id.filter(|id| id.iter().all(|byte| byte.is_ascii_graphic() && !b"<>".contains(byte)));
        self.anatomy.parts[part].content_id = plain.map(|id| String::from_utf8_lossy(id).into_owned());
    }
}

/// The one name that all forms agree on.
fn agreed(names: Vec<Result<Option<String>, Anomaly>>) -> Option<String> {
    let mut agreed = None;
    for name in names {
        match (name.ok()?, &agreed) {
            (Some(name), None) => agreed = Some(name),
            (Some(name), Some(other)) if name != *other => return None,
            _ => {}
        }
    }
    agreed
}

fn has_parameter(parameters: &[(String, String)], base: &str) -> bool {
    parameters.iter().any(|(name, _)| name.split('*').next() == Some(base))
}

fn encoding(value: &[u8]) -> Option<TransferEncoding> {
    let known = [
        ("7bit", TransferEncoding::SevenBit),
        ("8bit", TransferEncoding::EightBit),
        ("binary", TransferEncoding::Binary),
        ("quoted-printable", TransferEncoding::QuotedPrintable),
        ("base64", TransferEncoding::Base64),
    ];
    known
        .into_iter()
        .find(|(name, _)| value.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, encoding)| encoding)
}

/// Where the values of the MIME fields of one part are.
#[derive(Default)]
struct Mime {
    version: Option<Range<usize>>,
    media: Option<Range<usize>>,
    encoding: Option<Range<usize>>,
    disposition: Option<Range<usize>>,
    id: Option<Range<usize>>,
}

impl Mime {
    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<Range<usize>>> {
        if !matches!(name.first(), Some(b'c' | b'C' | b'm' | b'M')) {
            return None;
        }
        let slots = [
            ("Content-Type", &mut self.media),
            ("Content-Transfer-Encoding", &mut self.encoding),
            ("Content-Disposition", &mut self.disposition),
            ("Content-ID", &mut self.id),
            ("MIME-Version", &mut self.version),
        ];
        slots.into_iter().find(|(own, _)| name.eq_ignore_ascii_case(own.as_bytes())).map(|(_, slot)| slot)
    }
}

/// The place of a name in [`SINGLETONS`].
fn singleton(name: &[u8]) -> Option<usize> {
    SINGLETONS.iter().position(|own| name.eq_ignore_ascii_case(own.as_bytes()))
}

/// RFC 5322 §3.6: fields that occur at most once.
const SINGLETONS: [&str; 11] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Sender",
    "Reply-To",
    "Cc",
    "Bcc",
    "In-Reply-To",
    "References",
];
/// Header fields of a message, all parts together.
const MAX_FIELDS: usize = 2000;
/// RFC 5322 §2.1.1, without CRLF.
const MAX_LINE: usize = 998;
/// ASCII DEL.
const DELETE: u8 = 0x7f;
