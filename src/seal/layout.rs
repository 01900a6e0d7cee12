//! Where the bytes of a message go: atoms to strata, and a view's plan to pieces of them.
//!
//! Fails closed: atoms that do not tile the message, and plans that refer to what their view may
//! not read, seal nothing.

use std::collections::BTreeSet;
use std::ops::Range;

use super::container::MAX_COUNT;
use super::{AtomRun, InputPiece, Piece, SealError, SealInput, ViewInput};
use crate::names::ViewId;

/// The strata of one message. Those without bytes have no number.
pub(super) struct Layout<'a> {
    /// Atoms in the message's order, with their strata's numbers in the container.
    pub(super) atoms: Vec<AtomRun>,
    /// The strata in the container's order.
    pub(super) strata: Vec<Stratum<'a>>,
    /// Adjoining atoms of one stratum, in the message's order.
    segments: Vec<Segment>,
}

/// The content of one stratum.
pub(super) struct Stratum<'a> {
    /// The views that may read it, besides the owner.
    readers: &'a [ViewId],
    /// Octets.
    pub(super) length: usize,
    /// Its content in order.
    pub(super) parts: Vec<&'a [u8]>,
}

struct Segment {
    span: Range<usize>,
    stratum: u16,
    /// Where it begins in its stratum.
    offset: usize,
}

/// A view's plan in terms of the container.
pub(super) struct Composition {
    pub(super) pieces: Vec<Piece>,
    pub(super) size: u64,
    /// Numbers of the strata that the pieces refer to.
    pub(super) strata: BTreeSet<u16>,
}

impl<'a> Layout<'a> {
    /// Puts every atom into its stratum.
    pub(super) fn of(input: &SealInput<'a>) -> Result<Self, SealError> {
        let mut numbers = vec![None; input.strata.len()];
        let atoms = Vec::with_capacity(input.atoms.len());
        let mut layout = Self { atoms, strata: Vec::new(), segments: Vec::new() };
        let mut start = 0;
        for atom in input.atoms {
            let bytes = input.bytes.get(start..atom.end).ok_or(SealError::Tiling)?;
            if !bytes.is_empty() {
                let set = usize::from(atom.stratum);
                let number = numbers.get_mut(set).ok_or(SealError::Stratum)?;
                let number = match number {
                    Some(number) => *number,
                    None => *number.insert(layout.open_stratum(input.strata[set])?),
                };
                layout.place(start..atom.end, bytes, number);
                layout.atoms.push(AtomRun { length: bytes.len() as u64, kind: atom.kind, stratum: number });
            }
            start = atom.end;
        }
        (start == input.bytes.len()).then_some(layout).ok_or(SealError::Tiling)
    }

    /// Composes a view's plan. Long literals go to a stratum of the view's own, so that listing a
    /// mailbox opens small manifests.
    pub(super) fn compose(&mut self, view: &ViewInput<'a>) -> Result<Composition, SealError> {
        let mut composition =
            Composition { pieces: Vec::with_capacity(view.pieces.len()), size: 0, strata: BTreeSet::new() };
        let mut literals = None;
        for piece in view.pieces {
            match piece {
                InputPiece::Literal(bytes) if bytes.len() <= MAX_INLINE => composition.literal(bytes),
                InputPiece::Literal(bytes) => {
                    let number = match literals {
                        Some(number) => number,
                        None => *literals.insert(self.open_stratum(&[])?),
                    };
                    composition.span(number, self.append(number, bytes), bytes.len());
                }
                InputPiece::Source(span) => self.source(view.view, span, &mut composition)?,
            }
        }
        Ok(composition)
    }

    fn open_stratum(&mut self, readers: &'a [ViewId]) -> Result<u16, SealError> {
        if self.strata.len() >= MAX_COUNT {
            return Err(SealError::TooMany);
        }
        self.strata.push(Stratum { readers, length: 0, parts: Vec::new() });
        Ok((self.strata.len() - 1) as u16)
    }

    /// Adds content to a stratum and tells where it begins.
    fn append(&mut self, number: u16, bytes: &'a [u8]) -> usize {
        let stratum = &mut self.strata[usize::from(number)];
        let offset = stratum.length;
        stratum.length += bytes.len();
        stratum.parts.push(bytes);
        offset
    }

    fn place(&mut self, span: Range<usize>, bytes: &'a [u8], stratum: u16) {
        let offset = self.append(stratum, bytes);
        match self.segments.last_mut() {
            Some(last) if last.stratum == stratum => last.span.end = span.end,
            _ => self.segments.push(Segment { span, stratum, offset }),
        }
    }

    /// Refers to bytes of the message; all of them must be in strata that the view may read.
    fn source(&self, view: ViewId, span: &Range<usize>, to: &mut Composition) -> Result<(), SealError> {
        let end = self.segments.last().map_or(0, |last| last.span.end);
        if span.start > span.end || span.end > end {
            return Err(SealError::Range);
        }
        let mut at = span.start;
        let first = self.segments.partition_point(|segment| segment.span.end <= at);
        for segment in &self.segments[first..] {
            if at >= span.end {
                break;
            }
            if !self.strata[usize::from(segment.stratum)].readers.contains(&view) {
                return Err(SealError::Hidden);
            }
            let length = segment.span.end.min(span.end) - at;
            to.span(segment.stratum, segment.offset + (at - segment.span.start), length);
            at += length;
        }
        Ok(())
    }
}

impl Composition {
    fn literal(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        match self.pieces.last_mut() {
            Some(Piece::Literal(last)) => last.extend_from_slice(bytes),
            _ => self.pieces.push(Piece::Literal(bytes.to_vec())),
        }
    }

    /// Adds a span, joined to the last one where it continues it.
    fn span(&mut self, number: u16, begins: usize, octets: usize) {
        let (begins, octets) = (begins as u64, octets as u64);
        self.size += octets;
        self.strata.insert(number);
        match self.pieces.last_mut() {
            Some(Piece::Span { stratum, offset, length })
                if *stratum == number && *offset + *length == begins =>
            {
                *length += octets;
            }
            _ => self.pieces.push(Piece::Span { stratum: number, offset: begins, length: octets }),
        }
    }
}

/// Octets of a literal that stays in the manifest: composed header fields and MIME framing fit.
const MAX_INLINE: usize = 512;
