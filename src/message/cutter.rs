//! The one pass that cuts a message: header by header, delimiter by delimiter, with a stack of open
//! multiparts in place of recursion. Bodies are searched for line starts with `--` only, so a large
//! attachment costs little more than reading it.

use super::anatomy::{Anatomy, Atom, AtomKind};
use super::anomaly::{Anomalies, Anomaly};
use super::content_type::{self, Media};
use super::lines::{Ending, is_blank, line_at};
use super::part::{Content, Part, PartId, TransferEncoding};
use memchr::memmem;

pub(super) fn cut(bytes: &[u8]) -> Anatomy {
    let mut cutter = Cutter {
        bytes,
        at: 0,
        anatomy: Anatomy { atoms: Vec::with_capacity(64), fields: Vec::with_capacity(48), parts: Vec::new() },
        open: Vec::new(),
        closed: Vec::new(),
        line_dashes: memmem::Finder::new(b"\n--"),
        exhausted: false,
    };
    cutter.run();
    cutter.glue_to(bytes.len(), ROOT);
    cutter.anatomy
}

pub(super) struct Cutter<'a> {
    pub(super) bytes: &'a [u8],
    /// Everything before this is in atoms.
    pub(super) at: usize,
    pub(super) anatomy: Anatomy,
    /// Multiparts whose closing delimiter is still to come, outermost first.
    open: Vec<OpenMultipart>,
    /// Boundaries of multiparts that are closed.
    closed: Vec<Vec<u8>>,
    line_dashes: memmem::Finder<'static>,
    /// Whether a limit was passed; the rest is glue.
    pub(super) exhausted: bool,
}

struct OpenMultipart {
    part: PartId,
    boundary: Vec<u8>,
}

struct Delimiter {
    start: usize,
    end: usize,
    level: usize,
    closes: bool,
}

impl Cutter<'_> {
    fn run(&mut self) {
        let mut next = self.begin_part(None, true);
        while let Some(part) = next {
            self.read_header(part);
            self.describe(part);
            next = if self.exhausted { None } else { self.enter(part) };
        }
    }

    /// Goes into a part: the part to read next, or none at the end of the message.
    fn enter(&mut self, part: PartId) -> Option<PartId> {
        let own = &self.anatomy.parts[part];
        if own.media.kind == "message" && self.is_splittable(part) {
            let child = self.begin_part(Some(part), true)?;
            self.anatomy.parts[part].content = Content::Message(child);
            return Some(child);
        }
        if own.media.kind == "multipart" && !self.open_multipart(part) {
            return None;
        }
        self.next_part(part)
    }

    /// message/rfc822 and its kin in plain sight (RFC 2046 §5.2.1, RFC 6532 §3.7).
    fn is_splittable(&self, part: PartId) -> bool {
        let own = &self.anatomy.parts[part];
        matches!(own.media.subtype.as_str(), "rfc822" | "global" | "news") && own.encoding.is_identity()
    }

    /// Adds a multipart to the open ones if its boundary can be used. False past a limit.
    fn open_multipart(&mut self, part: PartId) -> bool {
        let boundary = match content_type::boundary(&self.anatomy.parts[part].media) {
            Ok(boundary) => boundary.as_bytes().to_vec(),
            Err(anomaly) => {
                self.doubt(part, anomaly);
                return true;
            }
        };
        self.anatomy.parts[part].content = Content::Multipart(Vec::new());
        let known = self.open.iter().map(|open| &open.boundary).chain(&self.closed);
        if known.into_iter().any(|other| other.starts_with(&boundary) || boundary.starts_with(other)) {
            self.doubt_tree(part, Anomaly::BoundaryClash);
        }
        if self.open.len() + self.closed.len() == MAX_MULTIPARTS {
            return self.exhaust().is_some();
        }
        self.open.push(OpenMultipart { part, boundary });
        true
    }

    /// Takes the body of `part`, then whatever stands before the header of the next part.
    fn next_part(&mut self, part: PartId) -> Option<PartId> {
        let leaf = matches!(self.anatomy.parts[part].content, Content::Leaf(_));
        let mut before_delimiter = if leaf { AtomKind::Body } else { AtomKind::Glue };
        loop {
            let Some(delimiter) = self.find_delimiter() else {
                self.take_until(self.bytes.len(), before_delimiter, part);
                self.close_all();
                return None;
            };
            self.take_until(self.before_line(delimiter.start), before_delimiter, part);
            self.glue_to(delimiter.end, part);
            before_delimiter = AtomKind::Glue;
            let parent = self.pop_to(delimiter.level);
            if !delimiter.closes {
                return self.begin_part(Some(parent), false);
            }
            self.close(parent);
        }
    }

    /// The next line that is a delimiter of an open multipart (RFC 2046 §5.1.1).
    fn find_delimiter(&mut self) -> Option<Delimiter> {
        if self.open.is_empty() && self.closed.is_empty() {
            return None;
        }
        let mut start = self.at;
        if !self.bytes[start..].starts_with(b"--") {
            start = self.next_dashes(start)?;
        }
        loop {
            if let Some(delimiter) = self.delimiter_at(start) {
                return Some(delimiter);
            }
            start = self.next_dashes(start)?;
        }
    }

    /// Where the next line after `from` begins that starts with two dashes.
    fn next_dashes(&self, from: usize) -> Option<usize> {
        self.line_dashes.find(&self.bytes[from..]).map(|found| from + found + 1)
    }

    fn delimiter_at(&mut self, start: usize) -> Option<Delimiter> {
        let line = line_at(self.bytes, start);
        let text = &self.bytes[start + 2..line.text.end];
        let mut suspect = None;
        let mut found = None;
        for (level, open) in self.open.iter().enumerate().rev() {
            let Some(tail) = text.strip_prefix(open.boundary.as_slice()) else { continue };
            let closes = tail.starts_with(b"--");
            let padding = if closes { &tail[2..] } else { tail };
            if !padding.iter().copied().all(is_blank) {
                suspect = Some((open.part, Anomaly::DelimiterLike));
                continue;
            }
            if !padding.is_empty() {
                suspect = Some((open.part, Anomaly::DelimiterLike));
            }
            found = Some(Delimiter { start, end: line.end, level, closes });
            break;
        }
        if let Some((part, anomaly)) = suspect {
            self.doubt_tree(part, anomaly);
        }
        match &found {
            Some(delimiter) => self.check_ends(delimiter, line.ending),
            None if self.closed.iter().any(|boundary| text.starts_with(boundary)) => {
                self.doubt(ROOT, Anomaly::DelimiterAfterClose);
            }
            None => {}
        }
        found
    }

    /// A delimiter begins and ends with CRLF; only a closing one may end the message.
    fn check_ends(&mut self, delimiter: &Delimiter, ending: Ending) {
        let begins = delimiter.start < 2 || self.bytes[..delimiter.start].ends_with(b"\r\n");
        let ends = ending == Ending::Crlf || (ending == Ending::None && delimiter.closes);
        if !begins || !ends {
            self.doubt_tree(self.open[delimiter.level].part, Anomaly::BareLineEndAtDelimiter);
        }
    }

    /// The line end before a delimiter belongs to the delimiter.
    fn before_line(&self, start: usize) -> usize {
        let body = &self.bytes[self.at..start];
        let line_end = if body.ends_with(b"\r\n") { 2 } else { usize::from(body.ends_with(b"\n")) };
        start - line_end
    }

    /// Drops multiparts deeper than `level` as unclosed; gives the part at `level`.
    fn pop_to(&mut self, level: usize) -> PartId {
        while self.open.len() > level + 1 {
            self.pop_unclosed();
        }
        self.open[level].part
    }

    fn close_all(&mut self) {
        while !self.open.is_empty() {
            self.pop_unclosed();
        }
    }

    fn pop_unclosed(&mut self) {
        if let Some(open) = self.open.pop() {
            self.doubt_tree(open.part, Anomaly::UnclosedMultipart);
            self.closed.push(open.boundary);
        }
    }

    /// Closes the innermost multipart.
    fn close(&mut self, part: PartId) {
        if matches!(&self.anatomy.parts[part].content, Content::Multipart(parts) if parts.is_empty()) {
            self.doubt_tree(part, Anomaly::EmptyMultipart);
        }
        if let Some(open) = self.open.pop() {
            self.closed.push(open.boundary);
        }
    }

    /// Whether the line at `start` is a delimiter of an open multipart, for headers that run into one.
    pub(super) fn is_delimiter(&self, start: usize) -> bool {
        let Some(text) = self.bytes[start..].strip_prefix(b"--") else { return false };
        self.open.iter().any(|open| text.starts_with(&open.boundary))
    }

    fn begin_part(&mut self, parent: Option<PartId>, is_message: bool) -> Option<PartId> {
        let depth = parent.map_or(0, |parent| self.anatomy.parts[parent].depth + 1);
        if depth > MAX_DEPTH || self.anatomy.parts.len() == MAX_PARTS {
            return self.exhaust();
        }
        let id = self.anatomy.parts.len();
        let digest = parent.is_some_and(|parent| self.anatomy.parts[parent].media.is("multipart", "digest"));
        // RFC 2046 §5.1.5: the default inside a digest.
        let media =
            if digest && !is_message { Media::new("message", "rfc822") } else { Media::new("text", "plain") };
        let fields = self.anatomy.fields.len();
        self.anatomy.parts.push(Part {
            parent,
            depth,
            is_message,
            fields: fields..fields,
            media,
            encoding: TransferEncoding::default(),
            disposition: None,
            has_name: false,
            file_name: None,
            content_id: None,
            content: Content::Leaf(None),
            anomalies: Anomalies::default(),
        });
        if let Some(parent) = parent
            && let Content::Multipart(parts) = &mut self.anatomy.parts[parent].content
        {
            parts.push(id);
        }
        Some(id)
    }

    /// Past a limit: nothing of the message is shown, and the rest is glue.
    pub(super) fn exhaust(&mut self) -> Option<PartId> {
        self.doubt(ROOT, Anomaly::LimitExceeded);
        self.exhausted = true;
        None
    }

    pub(super) fn doubt(&mut self, part: PartId, anomaly: Anomaly) {
        self.anatomy.parts[part].anomalies.insert(anomaly);
    }

    /// Marks a part and the root: with a boundary in doubt, so is every part of the message.
    fn doubt_tree(&mut self, part: PartId, anomaly: Anomaly) {
        self.doubt(part, anomaly);
        self.doubt(ROOT, anomaly);
    }

    fn take_until(&mut self, end: usize, kind: AtomKind, part: PartId) {
        if let Some(atom) = self.atom_to(end, kind, part)
            && kind == AtomKind::Body
        {
            self.anatomy.parts[part].content = Content::Leaf(Some(atom));
        }
    }

    pub(super) fn glue_to(&mut self, end: usize, part: PartId) {
        self.atom_to(end, AtomKind::Glue, part);
    }

    /// Everything from where we are to `end` becomes an atom, unless that is nothing.
    pub(super) fn atom_to(&mut self, end: usize, kind: AtomKind, part: PartId) -> Option<u32> {
        if end <= self.at {
            return None;
        }
        // A message has fewer atoms than 2^32: each costs at least a byte, and sizes are limited long before.
        let index = self.anatomy.atoms.len() as u32;
        self.anatomy.atoms.push(Atom { span: self.at..end, part, kind });
        self.at = end;
        Some(index)
    }
}

const ROOT: PartId = 0;
/// Levels of parts; real mail has fewer than ten.
const MAX_DEPTH: usize = 100;
/// Parts of a message.
const MAX_PARTS: usize = 600;
/// Multiparts of a message; each line with dashes is compared with all their boundaries.
const MAX_MULTIPARTS: usize = 100;
