//! Messages to seal in tests: arbitrary bytes cut into arbitrary atoms, two views, random plans that
//! keep to what each view may read. Holds every reader's identity, so tests can play all of them.

use std::ops::Range;
use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::clock::Timestamp;
use crate::keyring::{Identity, KeyringError};
use crate::names::{MessageId, Reader, TenantId, ViewId};

/// A message with its plans and its readers.
pub(super) struct Sample {
    pub(super) tenant: TenantId,
    pub(super) message: MessageId,
    pub(super) bytes: Vec<u8>,
    pub(super) atoms: Vec<AtomSpan>,
    pub(super) strata: Vec<Vec<ViewId>>,
    pub(super) views: Vec<SampleView>,
    pub(super) owner: Identity,
}

/// A view of a sample.
pub(super) struct SampleView {
    pub(super) view: ViewId,
    pub(super) identity: Identity,
    pub(super) pieces: Vec<SamplePiece>,
}

/// A piece of a sample's plan.
#[derive(Clone, Debug)]
pub(super) enum SamplePiece {
    Literal(Vec<u8>),
    Source(Range<usize>),
}

/// A literal or not, its text, and the two ends of a source.
type PieceRecipe = (bool, Vec<u8>, prop::sample::Index, prop::sample::Index);

/// What a sample is made from.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    bytes: Vec<u8>,
    cuts: Vec<(prop::sample::Index, u8)>,
    plans: [Vec<PieceRecipe>; 2],
}

/// Recipes with messages of up to `longest` bytes.
pub(super) fn recipes(longest: usize) -> impl Strategy<Value = Recipe> {
    let plan = || prop::collection::vec(any::<PieceRecipe>(), 0..8);
    let cuts = prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..12);
    (prop::collection::vec(any::<u8>(), 0..=longest), cuts, [plan(), plan()])
        .prop_map(|(bytes, cuts, plans)| Recipe { bytes, cuts, plans })
}

impl Recipe {
    /// Strata: the owner's alone, the first view's, the second view's, both views'.
    pub(super) fn sample(&self) -> Sample {
        let views = [ViewId::random(), ViewId::random()];
        let strata = vec![vec![], vec![views[0]], vec![views[1]], views.to_vec()];
        let mut ends: Vec<_> =
            self.cuts.iter().map(|(at, set)| (at.index(self.bytes.len() + 1), *set % 4)).collect();
        ends.push((self.bytes.len(), 0));
        ends.sort_unstable();
        let atoms: Vec<_> = ends
            .iter()
            .map(|(end, set)| AtomSpan { end: *end, kind: *set, stratum: u16::from(*set) })
            .collect();
        let plan = |view: ViewId, plan: &[PieceRecipe]| SampleView {
            view,
            identity: Identity::generate(),
            pieces: plan
                .iter()
                .map(|(literal, text, from, to)| match literal {
                    true => SamplePiece::Literal(text.repeat(1 + text.len() % 20)),
                    false => SamplePiece::Source(permitted(&self.bytes, &atoms, &strata, view, from, to)),
                })
                .collect(),
        };
        let views = vec![plan(views[0], &self.plans[0]), plan(views[1], &self.plans[1])];
        Sample {
            tenant: TenantId::random(),
            message: MessageId::random(),
            bytes: self.bytes.clone(),
            atoms,
            strata,
            views,
            owner: Identity::generate(),
        }
    }
}

/// The longest part from `from` on, at most to `to`, that the view may read.
fn permitted(
    bytes: &[u8],
    atoms: &[AtomSpan],
    strata: &[Vec<ViewId>],
    view: ViewId,
    from: &prop::sample::Index,
    to: &prop::sample::Index,
) -> Range<usize> {
    let (from, to) = (from.index(bytes.len() + 1), to.index(bytes.len() + 1));
    let (from, to) = (from.min(to), from.max(to));
    let mut start = 0;
    for atom in atoms {
        let hidden = !strata[usize::from(atom.stratum)].contains(&view);
        if hidden && atom.end > from && start < to {
            return from..start.max(from);
        }
        start = atom.end;
    }
    from..to
}

impl Sample {
    /// A small fixed sample in which every view shows something.
    pub(super) fn small() -> Self {
        let bytes = b"From: a@b.example\r\nSubject: secret\r\n\r\nhidden text\r\n".to_vec();
        let views = [ViewId::random(), ViewId::random()];
        let atom = |end, stratum| AtomSpan { end, kind: 1, stratum };
        let plan = |view, pieces| SampleView { view, identity: Identity::generate(), pieces };
        Self {
            tenant: TenantId::random(),
            message: MessageId::random(),
            atoms: vec![atom(19, 1), atom(36, 2), atom(38, 1), atom(bytes.len(), 0)],
            bytes,
            strata: vec![vec![], views.to_vec(), vec![views[1]]],
            views: vec![
                plan(views[0], vec![SamplePiece::Source(0..19), SamplePiece::Literal(vec![b'x'; 600])]),
                plan(
                    views[1],
                    vec![SamplePiece::Source(0..38), SamplePiece::Literal(b"sealed\r\n".to_vec())],
                ),
            ],
            owner: Identity::generate(),
        }
    }

    /// What the view must show.
    pub(super) fn expected(&self, view: &SampleView) -> Vec<u8> {
        let pieces = view.pieces.iter().flat_map(|piece| match piece {
            SamplePiece::Literal(bytes) => bytes.clone(),
            SamplePiece::Source(span) => self.bytes[span.clone()].to_vec(),
        });
        pieces.collect()
    }

    /// Message keys for all readers.
    pub(super) fn grants(&self, epochs: &Epochs) -> Vec<MessageKeyGrant> {
        let views = self.views.iter().map(|view| (Reader::View(view.view), &view.identity));
        std::iter::once((Reader::Owner(self.tenant), &self.owner))
            .chain(views)
            .map(|(reader, identity)| {
                let recipient = || Ok::<_, KeyringError>(identity.recipient());
                epochs.next(reader, recipient, Instant::now()).unwrap()
            })
            .collect()
    }

    /// Seals the sample with these message keys.
    pub(super) fn seal(&self, grants: Vec<MessageKeyGrant>) -> Result<SealedMessage, SealError> {
        let plans: Vec<Vec<_>> =
            self.views.iter().map(|view| view.pieces.iter().map(borrowed).collect()).collect();
        let views: Vec<_> = self
            .views
            .iter()
            .zip(&plans)
            .map(|(view, pieces)| ViewInput {
                view: view.view,
                pieces,
                policy_generation: 4,
                structure: b"s",
            })
            .collect();
        let strata: Vec<_> = self.strata.iter().map(Vec::as_slice).collect();
        let envelope = EnvelopeFacts {
            reverse_path: "a@b.example".to_owned(),
            addressee: "ann@vault.example".to_owned(),
            protocol: "ESMTPS".to_owned(),
        };
        let input = SealInput {
            message: self.message,
            bytes: &self.bytes,
            atoms: &self.atoms,
            strata: &strata,
            views: &views,
            received: Timestamp::from_unix(1_800_000_000),
            envelope,
        };
        seal(&input, grants)
    }

    /// The keys of every reader's epoch: the owner's, then each view's.
    pub(super) fn keys(&self, sealed: &SealedMessage) -> Vec<EpochKeys> {
        let views = self.views.iter().map(|view| keys(sealed, Reader::View(view.view), &view.identity));
        std::iter::once(keys(sealed, Reader::Owner(self.tenant), &self.owner)).chain(views).collect()
    }

    /// Opens the original with the owner's identity.
    pub(super) fn original(
        &self,
        sealed: &SealedMessage,
        bytes: &[u8],
    ) -> Result<OpenedOriginal, UnsealError> {
        self.original_with(&mut keys(sealed, Reader::Owner(self.tenant), &self.owner), bytes)
    }

    /// Opens the original with the first key of its epoch.
    pub(super) fn original_with(
        &self,
        keys: &mut EpochKeys,
        bytes: &[u8],
    ) -> Result<OpenedOriginal, UnsealError> {
        let container = Container::decode(bytes.to_vec().into())?;
        OpenedOriginal::open(container, self.tenant, self.message, keys.message_key(0)?)
    }

    /// Opens a view with its identity.
    pub(super) fn view(
        &self,
        sealed: &SealedMessage,
        bytes: &[u8],
        at: usize,
    ) -> Result<OpenedView, UnsealError> {
        let view = &self.views[at];
        self.view_with(&mut keys(sealed, Reader::View(view.view), &view.identity), bytes, at)
    }

    /// Opens a view with the first key of its epoch.
    pub(super) fn view_with(
        &self,
        keys: &mut EpochKeys,
        bytes: &[u8],
        at: usize,
    ) -> Result<OpenedView, UnsealError> {
        let container = Container::decode(bytes.to_vec().into())?;
        OpenedView::open(container, self.tenant, self.message, self.views[at].view, keys.message_key(0)?)
    }
}

/// The keys of the epoch whose seed came with the message.
pub(super) fn keys(sealed: &SealedMessage, reader: Reader, identity: &Identity) -> EpochKeys {
    let seed = sealed.seeds.iter().find(|seed| seed.reader == reader).unwrap();
    EpochKeys::open(identity, &seed.age_file).unwrap()
}

fn borrowed(piece: &SamplePiece) -> InputPiece<'_> {
    match piece {
        SamplePiece::Literal(bytes) => InputPiece::Literal(bytes),
        SamplePiece::Source(span) => InputPiece::Source(span.clone()),
    }
}
