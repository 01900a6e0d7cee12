//! A view's bytes for one message: literals and references to atoms.

use crate::message::Anatomy;
use std::ops::Range;

/// A part of a view's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes of our making.
    Literal(Vec<u8>),
    /// Atoms carried as they are: a range of indices into the anatomy's atoms.
    Atoms(Range<u32>),
}

/// What one view shows of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composition {
    /// The pieces, in order; no two literals are neighbours.
    pub pieces: Vec<Piece>,
    /// What listings need.
    pub listing: Listing,
}

/// What a client learns of a masked message without fetching it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The exact size of the rendered view, in octets.
    pub size: u64,
    /// Whether the view has a placeholder of the text at most.
    pub text_sealed: bool,
    /// Whether the rules wrote the subject, or hid it: it says nothing of this message alone. A function of
    /// the rules, not of what they hide (law 2).
    pub subject_is_made: bool,
}

impl Composition {
    /// The original, byte for byte.
    pub fn original(anatomy: &Anatomy) -> Self {
        let mut pieces = Pieces::default();
        pieces.atoms(anatomy, 0..anatomy.atoms().len() as u32);
        pieces.finish()
    }

    /// The same, with a word about its text.
    pub(super) fn text_sealed(mut self, sealed: bool) -> Self {
        self.listing.text_sealed = sealed;
        self
    }

    /// The same, with a word about its subject.
    pub(super) fn with_made_subject(mut self, is_made: bool) -> Self {
        self.listing.subject_is_made = is_made;
        self
    }

    /// The exact size of the rendered view, in octets.
    pub fn size(&self) -> u64 {
        self.listing.size
    }

    /// The atoms it carries as they are.
    pub fn shown_atoms(&self) -> impl Iterator<Item = Range<u32>> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Atoms(range) => Some(range.clone()),
            Piece::Literal(_) => None,
        })
    }

    /// The bytes of the message that it carries as they are, if that is all it does: the original, for one.
    pub fn verbatim<'b>(&self, bytes: &'b [u8], anatomy: &Anatomy) -> Option<&'b [u8]> {
        match self.pieces.as_slice() {
            [Piece::Atoms(range)] => Some(&bytes[span(anatomy, range)]),
            _ => None,
        }
    }

    /// The view's bytes, from the message it was composed for.
    pub fn render(&self, bytes: &[u8], anatomy: &Anatomy) -> Vec<u8> {
        let mut out = Vec::with_capacity(usize::try_from(self.listing.size).unwrap_or_default());
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => out.extend_from_slice(literal),
                Piece::Atoms(range) => out.extend_from_slice(&bytes[span(anatomy, range)]),
            }
        }
        out
    }
}

/// Pieces being put together.
#[derive(Default)]
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    size: u64,
}

impl Pieces {
    /// Adds bytes of our making.
    pub(super) fn literal(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        match self.pieces.last_mut() {
            Some(Piece::Literal(before)) => before.extend_from_slice(bytes),
            _ => self.pieces.push(Piece::Literal(bytes.to_vec())),
        }
    }

    /// Adds atoms as they are.
    pub(super) fn atoms(&mut self, anatomy: &Anatomy, range: Range<u32>) {
        if range.is_empty() {
            return;
        }
        self.size += span(anatomy, &range).len() as u64;
        self.pieces.push(Piece::Atoms(range));
    }

    pub(super) fn finish(self) -> Composition {
        let listing = Listing { size: self.size, ..Listing::default() };
        Composition { pieces: self.pieces, listing }
    }
}

/// The bytes of a range of atoms that is not empty; atoms are contiguous.
pub(super) fn span(anatomy: &Anatomy, range: &Range<u32>) -> Range<usize> {
    let atoms = &anatomy.atoms()[range.start as usize..range.end as usize];
    match (atoms.first(), atoms.last()) {
        (Some(first), Some(last)) => first.span.start..last.span.end,
        _ => 0..0,
    }
}
