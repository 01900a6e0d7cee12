//! Cutting the atoms of a message into strata: atoms with the same set of readers lie together.
//!
//! A [`Plan`] can only be made here, so whoever holds one knows that every atom is in exactly one
//! stratum. The owner reads all of them; atoms in no view form a stratum of the owner's alone.

use super::composition::{Composition, Piece, span};
use crate::message::Anatomy;
use crate::names::ViewId;
use std::ops::Range;

/// How a message is sealed: its strata, and the compositions of its views.
#[derive(Debug)]
pub struct Plan {
    strata: Vec<StratumPlan>,
    views: Vec<(ViewId, Composition)>,
    segments: Vec<Segment>,
}

/// One stratum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StratumPlan {
    /// The views that read it, besides the owner; sorted.
    pub views: Vec<ViewId>,
    /// Its atoms, in message order.
    pub atoms: Vec<Range<u32>>,
    /// The same as ranges of the message's bytes.
    pub bytes: Vec<Range<usize>>,
    /// Its size in octets.
    pub size: u64,
}

/// A run of bytes inside one stratum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The index of the stratum.
    pub stratum: u32,
    /// Where the run begins in the stratum, in octets.
    pub offset: u64,
    /// Its length in octets.
    pub length: u64,
}

/// Neighbouring atoms with the same readers. No view's piece begins or ends inside one.
#[derive(Debug)]
struct Segment {
    atoms: Range<u32>,
    span: Span,
}

/// Makes the plan of a message from the compositions of its views.
pub fn plan(anatomy: &Anatomy, views: Vec<(ViewId, Composition)>) -> Plan {
    let mut plan = Plan { strata: Vec::new(), views, segments: Vec::new() };
    let cuts = cuts(anatomy, &plan.views);
    for pair in cuts.windows(2) {
        plan.add(anatomy, pair[0]..pair[1]);
    }
    plan
}

impl Plan {
    /// The strata, in the order of their first atoms.
    pub fn strata(&self) -> &[StratumPlan] {
        &self.strata
    }

    /// The views and what each shows.
    pub fn views(&self) -> &[(ViewId, Composition)] {
        &self.views
    }

    /// Where the bytes of a piece lie in the strata, in order; none for a literal. The piece must
    /// be one of this plan's views.
    pub fn spans(&self, piece: &Piece) -> Vec<Span> {
        match piece {
            Piece::Literal(_) => Vec::new(),
            Piece::Atoms(range) => self.spans_of(range).collect(),
        }
    }

    /// Where the whole message lies in the strata, in message order: what the owner needs.
    pub fn whole(&self) -> Vec<Span> {
        self.segments.iter().map(|segment| segment.span).collect()
    }

    fn spans_of(&self, range: &Range<u32>) -> impl Iterator<Item = Span> {
        let first = self.segments.partition_point(|segment| segment.atoms.start < range.start);
        let end = range.end;
        self.segments[first..]
            .iter()
            .take_while(move |segment| segment.atoms.start < end)
            .map(|segment| segment.span)
    }

    fn add(&mut self, anatomy: &Anatomy, atoms: Range<u32>) {
        let mut readers: Vec<ViewId> = self
            .views
            .iter()
            .filter(|(_, composition)| shows(composition, &atoms))
            .map(|(view, _)| *view)
            .collect();
        readers.sort_unstable();
        readers.dedup();
        let bytes = span(anatomy, &atoms);
        let stratum = self.stratum(readers);
        let own = &mut self.strata[stratum];
        let length = bytes.len() as u64;
        let span = Span { stratum: stratum as u32, offset: own.size, length };
        own.size += length;
        own.atoms.push(atoms.clone());
        own.bytes.push(bytes);
        self.segments.push(Segment { atoms, span });
    }

    /// The stratum with exactly these readers.
    fn stratum(&mut self, views: Vec<ViewId>) -> usize {
        if let Some(found) = self.strata.iter().position(|stratum| stratum.views == views) {
            return found;
        }
        self.strata.push(StratumPlan { views, atoms: Vec::new(), bytes: Vec::new(), size: 0 });
        self.strata.len() - 1
    }
}

/// Every place where the set of readers can change, the message's ends included; sorted.
fn cuts(anatomy: &Anatomy, views: &[(ViewId, Composition)]) -> Vec<u32> {
    let mut cuts = vec![0, anatomy.atoms().len() as u32];
    for range in views.iter().flat_map(|(_, composition)| composition.shown_atoms()) {
        cuts.extend([range.start, range.end]);
    }
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

/// Whether a composition carries these atoms; they lie wholly inside or outside each piece.
fn shows(composition: &Composition, atoms: &Range<u32>) -> bool {
    composition.shown_atoms().any(|range| range.start <= atoms.start && atoms.end <= range.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::dissect;
    use proptest::prelude::*;
    use static_assertions::assert_not_impl_any;

    assert_not_impl_any!(Plan: Clone);

    const MESSAGE: &[u8] = b"A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\nbody\r\n";

    fn view(ranges: &[Range<u32>]) -> Composition {
        let pieces = ranges.iter().map(|range| Piece::Atoms(range.clone())).collect();
        Composition { pieces, listing: Default::default() }
    }

    #[test]
    fn a_message_shown_whole_is_one_stratum() {
        let anatomy = dissect(MESSAGE);
        let (one, two) = (ViewId::from_bytes([2; 16]), ViewId::from_bytes([1; 16]));
        let whole = Composition::original(&anatomy);
        let plan = plan(&anatomy, vec![(one, whole.clone()), (two, whole.clone())]);
        assert_eq!(plan.strata().len(), 1);
        assert_eq!(plan.strata()[0].views, [two, one]);
        assert_eq!(
            plan.spans(&whole.pieces[0]),
            [Span { stratum: 0, offset: 0, length: MESSAGE.len() as u64 }]
        );
    }

    #[test]
    fn without_views_all_is_the_owners() {
        let anatomy = dissect(MESSAGE);
        let plan = plan(&anatomy, Vec::new());
        assert_eq!(plan.strata().len(), 1);
        assert!(plan.strata()[0].views.is_empty());
        assert!(plan_of_nothing().strata().is_empty());
    }

    fn plan_of_nothing() -> Plan {
        plan(&dissect(b""), Vec::new())
    }

    proptest! {
        #[test]
        fn every_atom_is_in_exactly_one_stratum(views in proptest::collection::vec(
            proptest::collection::vec((0u32..6, 1u32..4), 0..3), 0..4,
        )) {
            let anatomy = dissect(MESSAGE);
            let count = anatomy.atoms().len() as u32;
            let ranges = |view: &[(u32, u32)]| -> Vec<Range<u32>> {
                view.iter().map(|(start, length)| *start..(start + length).min(count)).collect()
            };
            let views: Vec<(ViewId, Composition)> = views
                .iter()
                .enumerate()
                .map(|(id, ranges_of)| (ViewId::from_bytes([id as u8; 16]), view(&ranges(ranges_of))))
                .collect();
            let plan = plan(&anatomy, views.clone());
            for atom in 0..count {
                let holders: Vec<_> = plan
                    .strata()
                    .iter()
                    .filter(|stratum| stratum.atoms.iter().any(|range| range.contains(&atom)))
                    .collect();
                prop_assert_eq!(holders.len(), 1);
                let readers: Vec<ViewId> = views
                    .iter()
                    .filter(|(_, view)| view.shown_atoms().any(|range| range.contains(&atom)))
                    .map(|(id, _)| *id)
                    .collect();
                prop_assert_eq!(&holders[0].views, &readers);
            }
            let strata: Vec<Vec<u8>> = plan
                .strata()
                .iter()
                .map(|stratum| stratum.bytes.iter().flat_map(|range| &MESSAGE[range.clone()]).copied().collect())
                .collect();
            let read = |spans: Vec<Span>| -> Vec<u8> {
                let slice = |span: Span| {
                    let start = span.offset as usize;
                    &strata[span.stratum as usize][start..start + span.length as usize]
                };
                spans.into_iter().flat_map(slice).copied().collect()
            };
            prop_assert_eq!(read(plan.whole()), MESSAGE);
            for (_, view) in plan.views() {
                for piece in &view.pieces {
                    let Piece::Atoms(range) = piece else { continue };
                    prop_assert_eq!(read(plan.spans(piece)), &MESSAGE[span(&anatomy, range)]);
                }
            }
        }
    }
}
