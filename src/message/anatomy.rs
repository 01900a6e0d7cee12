//! The anatomy of a message: every byte in exactly one atom, and the tree of parts over them.
//!
//! Law 1: the atoms concatenated are the input, whatever it is. What cannot be placed is glue, and
//! glue is never shown. The tree is that of our own strict, line-oriented reading (RFC 5322 §2.1,
//! RFC 2046 §5.1.1); wherever another reader could see another tree, an anomaly says so.

use super::anomaly::Anomalies;
use super::cutter;
use super::part::{Part, PartId};
use std::ops::Range;

/// The smallest thing a policy can veil.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Atom {
    /// Its bytes.
    pub span: Range<usize>,
    /// The part it belongs to.
    pub part: PartId,
    /// What it is.
    pub kind: AtomKind,
}

/// What an atom is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomKind {
    /// A header field with folding and line end.
    Field,
    /// The blank line after a header.
    Blank,
    /// The body of a leaf part.
    Body,
    /// Delimiter lines, preamble, epilogue, and whatever fits nowhere.
    Glue,
}

/// A header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its atom.
    pub atom: u32,
    /// Its name.
    pub name: Range<usize>,
    /// Its value: everything after the colon, folds and line end included.
    pub value: Range<usize>,
    /// What is in doubt about it.
    pub anomalies: Anomalies,
}

/// A message cut into atoms.
#[derive(Clone, Debug)]
pub struct Anatomy {
    pub(super) atoms: Vec<Atom>,
    pub(super) fields: Vec<Field>,
    pub(super) parts: Vec<Part>,
}

/// Cuts a message into atoms. Total: it accepts every input, and marks what is in doubt.
pub fn dissect(bytes: &[u8]) -> Anatomy {
    cutter::cut(bytes)
}

impl Anatomy {
    /// All atoms in message order, contiguous, covering every byte.
    pub fn atoms(&self) -> &[Atom] {
        &self.atoms
    }

    /// All parts; the root first, each before what it contains.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The root: the message itself.
    pub fn root(&self) -> &Part {
        // The cutter begins with the root, whatever the input.
        &self.parts[0]
    }

    /// One part.
    pub fn part(&self, id: PartId) -> &Part {
        &self.parts[id]
    }

    /// The header fields of a part, in order.
    pub fn fields(&self, part: PartId) -> &[Field] {
        &self.fields[self.parts[part].fields.clone()]
    }

    /// The fields of a part with this name, in order; names compare without case.
    pub fn named<'a>(
        &'a self,
        bytes: &'a [u8],
        part: PartId,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Field> {
        let wanted = name.as_bytes();
        self.fields(part).iter().filter(move |field| bytes[field.name.clone()].eq_ignore_ascii_case(wanted))
    }

    /// Whether nothing of the message may be shown: where its header ends is in doubt, or it is
    /// beyond the limits.
    pub fn is_sealed(&self) -> bool {
        self.root().anomalies.in_header()
    }

    /// Whether the header of a part is beyond doubt: its own, and the structure around it.
    pub fn header_is_clear(&self, part: PartId) -> bool {
        let own = !self.parts[part].anomalies.in_header();
        own && self.parts[part].parent.is_none_or(|parent| self.body_is_clear(parent))
    }

    /// Whether the structure of a part and of everything around it is beyond doubt.
    pub fn body_is_clear(&self, part: PartId) -> bool {
        let mut next = Some(part);
        while let Some(id) = next {
            if self.parts[id].anomalies.in_structure() {
                return false;
            }
            next = self.parts[id].parent;
        }
        true
    }

    /// The bytes of a leaf's body; empty for other parts.
    pub fn body<'a>(&self, bytes: &'a [u8], part: PartId) -> &'a [u8] {
        self.body_atom(part).map_or(&[], |atom| &bytes[self.atoms[atom as usize].span.clone()])
    }

    /// The size of everything inside a part, without its own header.
    pub fn size_inside(&self, part: PartId) -> usize {
        let inside = |mut id: PartId| {
            while let Some(parent) = self.parts[id].parent {
                if parent == part {
                    return true;
                }
                id = parent;
            }
            false
        };
        self.atoms.iter().filter(|atom| inside(atom.part)).map(|atom| atom.span.len()).sum()
    }

    /// The atom of a leaf's body, unless it is empty.
    pub fn body_atom(&self, part: PartId) -> Option<u32> {
        match self.parts[part].content {
            super::Content::Leaf(atom) => atom,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Anomaly, Content, samples};
    use proptest::prelude::*;

    fn reassemble(bytes: &[u8]) -> Anatomy {
        let anatomy = dissect(bytes);
        let mut at = 0;
        for atom in anatomy.atoms() {
            assert_eq!(atom.span.start, at, "atoms are contiguous");
            assert!(atom.span.end > at, "atoms are not empty");
            assert!(atom.part < anatomy.parts().len());
            at = atom.span.end;
        }
        assert_eq!(at, bytes.len(), "atoms cover the input");
        for field in &anatomy.fields {
            let span = &anatomy.atoms()[field.atom as usize].span;
            assert!(span.start == field.name.start && span.end == field.value.end);
        }
        anatomy
    }

    proptest! {
        #[test]
        fn law_1_holds_for_random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            reassemble(&bytes);
        }

        #[test]
        fn law_1_holds_for_mime_like_garbage(bytes in samples::garbage()) {
            reassemble(&bytes);
        }
    }

    #[test]
    fn law_1_holds_for_every_sample() {
        for sample in samples::all() {
            reassemble(&sample.bytes);
        }
    }

    #[test]
    fn a_plain_message_has_the_expected_atoms() {
        let bytes = b"From: a@b.example\r\nSubject: one\r\n two\r\n\r\nbody\r\n";
        let anatomy = reassemble(bytes);
        let kinds: Vec<AtomKind> = anatomy.atoms().iter().map(|atom| atom.kind).collect();
        assert_eq!(kinds, [AtomKind::Field, AtomKind::Field, AtomKind::Blank, AtomKind::Body]);
        assert!(anatomy.root().anomalies.is_empty());
        assert_eq!(anatomy.body(bytes, 0), b"body\r\n");
        let subject = anatomy.named(bytes, 0, "SUBJECT").next().unwrap();
        assert_eq!(&bytes[subject.value.clone()], b" one\r\n two\r\n");
    }

    #[test]
    fn a_tree_of_parts_is_found() {
        let bytes = samples::edge_case("nested-rfc822-3-deep.eml");
        let anatomy = reassemble(&bytes);
        let messages = anatomy.parts().iter().filter(|part| part.is_message).count();
        assert!(messages >= 3, "{messages}");
        assert!(anatomy.parts().iter().any(|part| matches!(part.content, Content::Message(_))));
    }

    /// Each edge case and the anomaly it was written for.
    #[test]
    fn edge_cases_have_their_anomalies() {
        let mut missed = Vec::new();
        for (name, anomaly) in [
            ("bare-cr-in-header", Anomaly::BareLineEndInHeader),
            ("bare-cr-line-ends", Anomaly::BareLineEndInHeader),
            ("bare-lf-everywhere", Anomaly::BareLineEndInHeader),
            ("boundary-empty-missing", Anomaly::BadBoundary),
            ("boundary-odd-chars-and-trailing-space", Anomaly::BadBoundary),
            ("boundary-plain-and-2231", Anomaly::ParameterConflict),
            ("boundary-prefix-of-inner", Anomaly::BoundaryClash),
            ("boundary-same-at-two-levels", Anomaly::BoundaryClash),
            ("boundary-with-encoded-word", Anomaly::BadBoundary),
            ("content-type-broken-syntax", Anomaly::BadContentType),
            ("content-type-comments", Anomaly::BadContentType),
            ("control-chars-in-header", Anomaly::ControlInHeader),
            ("cte-on-multipart", Anomaly::EncodedComposite),
            ("cte-unknown", Anomaly::UnknownEncoding),
            ("duplicate-boundary-param", Anomaly::ParameterConflict),
            ("duplicate-content-type", Anomaly::DuplicateMimeField),
            ("duplicate-content-type-multipart", Anomaly::DuplicateMimeField),
            ("duplicate-cte", Anomaly::DuplicateMimeField),
            ("duplicate-from", Anomaly::DuplicateSingleton),
            ("duplicate-part-disposition", Anomaly::DuplicateMimeField),
            ("duplicate-subject", Anomaly::DuplicateSingleton),
            ("eightbit-headers-latin1", Anomaly::EightBitValue),
            ("empty-multipart", Anomaly::EmptyMultipart),
            ("epilogue-with-fake-part", Anomaly::DelimiterAfterClose),
            ("header-broken-utf8-overlong", Anomaly::EightBitValue),
            ("header-empty-name-and-odd-chars", Anomaly::MalformedHeaderLine),
            ("header-line-without-colon", Anomaly::MalformedHeaderLine),
            ("header-nul", Anomaly::ControlInHeader),
            ("header-space-before-colon", Anomaly::BlankBeforeColon),
            ("header-starts-with-continuation", Anomaly::StrayContinuation),
            ("header-whitespace-only-line", Anomaly::BlankContinuation),
            ("headers-2000", Anomaly::LimitExceeded),
            ("many-parts-600", Anomaly::LimitExceeded),
            ("long-header-line-998-plus", Anomaly::LongHeaderLine),
            ("mbox-from-line", Anomaly::MboxFromLine),
            ("missing-final-boundary", Anomaly::UnclosedMultipart),
            ("missing-inner-final-boundary", Anomaly::UnclosedMultipart),
            ("nested-rfc822-base64", Anomaly::EncodedComposite),
            ("no-headers", Anomaly::NoHeader),
            ("no-mime-version", Anomaly::MimeVersion),
            ("nul-in-header-name-and-body", Anomaly::ControlInHeader),
            ("uuencode-cte", Anomaly::UnknownEncoding),
        ] {
            let bytes = samples::edge_case(&format!("{name}.eml"));
            let anatomy = reassemble(&bytes);
            let parts = anatomy.parts().iter().map(|part| part.anomalies);
            let all = parts.chain(anatomy.fields.iter().map(|field| field.anomalies));
            if !all.fold(Anomalies::default(), Anomalies::union).contains(anomaly) {
                missed.push(format!("{name}: {anomaly:?}"));
            }
        }
        assert!(missed.is_empty(), "{missed:#?}");
    }

    #[test]
    fn ordinary_edge_cases_have_none() {
        for name in [
            "alternative",
            "calendar-invite",
            "charset-iso-2022-jp",
            "dot-lines",
            "empty-body",
            "format-flowed",
            "html-cid-images",
            "html-only",
            "list-and-vendor-headers",
            "nested-rfc822-3-deep",
            "plain-ascii",
            "preamble",
            "related-alternative-mixed",
            "text-plain-attachment",
            "zero-byte-attachments",
        ] {
            let bytes = samples::edge_case(&format!("{name}.eml"));
            let anatomy = reassemble(&bytes);
            for part in anatomy.parts() {
                assert!(part.anomalies.is_empty(), "{name}: {:?}", part.anomalies);
            }
            assert!(anatomy.fields.iter().all(|field| field.anomalies.is_empty()), "{name}");
        }
    }
}
