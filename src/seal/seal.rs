//! Sealing: a message, the plans of its views, and one message key for each reader become a
//! container. Holds no key that opens anything afterwards.
//!
//! The container is built in one buffer and encrypted there; `docs/format.md` has its layout.

use std::ops::Range;

use sha2::{Digest, Sha256};

use super::container::{self, MANIFEST_NONCE, MAX_COUNT, ManifestRef};
use super::layout::{Composition, Layout};
use super::manifest::{EnvelopeFacts, Listing, OwnerManifest, StratumGrant, ViewManifest};
use super::stream::{self, StratumWriter};
use super::{MessageKey, MessageKeyGrant, SealError, SealedSeed, StratumKey};
use crate::clock::Timestamp;
use crate::keyring::aead::{Cipher, TAG};
use crate::names::{MessageId, Reader, ViewId};

/// What is sealed.
pub struct SealInput<'a> {
    /// The message's identifier.
    pub message: MessageId,
    /// The message as received.
    pub bytes: &'a [u8],
    /// Its atoms, which tile it (law 1).
    pub atoms: &'a [AtomSpan],
    /// The sets of readers; the owner reads every stratum and is named in none.
    pub strata: &'a [&'a [ViewId]],
    /// The views that get it.
    pub views: &'a [ViewInput<'a>],
    /// When it was received.
    pub received: Timestamp,
    /// What the envelope said, for the owner.
    pub envelope: EnvelopeFacts,
}

/// An atom of the message: it begins where the one before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtomSpan {
    /// Where it ends in the message.
    pub end: usize,
    /// What it is, in the caller's numbering; for the owner's manifest.
    pub kind: u8,
    /// Its set of readers, an index into [`SealInput::strata`].
    pub stratum: u16,
}

/// What one view gets.
pub struct ViewInput<'a> {
    /// The view.
    pub view: ViewId,
    /// The masked message, in order.
    pub pieces: &'a [InputPiece<'a>],
    /// The generation of the policy that composed it.
    pub policy_generation: u64,
    /// What IMAP listings need, in the composer's form; empty if nothing.
    pub structure: &'a [u8],
}

/// A piece of a masked message.
pub enum InputPiece<'a> {
    /// These bytes.
    Literal(&'a [u8]),
    /// These bytes of the message, all in strata that the view may read.
    Source(Range<usize>),
}

/// A sealed message, ready to be stored.
pub struct SealedMessage {
    /// The container.
    pub bytes: Vec<u8>,
    /// SHA-256 of its table and manifests, [`Container::digest`](super::Container::digest).
    pub digest: [u8; 32],
    /// Whose manifests it has, and under which message keys.
    pub manifests: Vec<ManifestRef>,
    /// Seeds of epochs that are not known to be durable yet: store them first.
    pub seeds: Vec<SealedSeed>,
}

/// Seals a message. `grants` has one message key for the owner and one for each view, in any order,
/// and is consumed: a key seals one manifest.
pub fn seal(input: &SealInput<'_>, grants: Vec<MessageKeyGrant>) -> Result<SealedMessage, SealError> {
    let grants = in_order(input, grants)?;
    let mut layout = Layout::of(input)?;
    let views = input.views.iter().map(|view| layout.compose(view)).collect::<Result<Vec<_>, _>>()?;
    let keys: Vec<StratumKey> = layout.strata.iter().map(|_| StratumKey::generate()).collect();
    let mut draft = Draft::with_strata(input, &layout, &keys, grants.len());
    let owner = owner_manifest(input, &layout, &keys);
    let views: Vec<_> = input
        .views
        .iter()
        .zip(views)
        .map(|(view, composition)| view_manifest(input, view, composition, &layout, &keys))
        .collect();
    draft.reserve(minicbor::len(&owner) + views.iter().map(minicbor::len).sum::<usize>());
    draft.add_manifest(&owner, &grants[0])?;
    for (view, grant) in views.iter().zip(&grants[1..]) {
        draft.add_manifest(view, grant)?;
    }
    let (table, strata) = (draft.table, draft.strata.iter().sum());
    let bytes = draft.finish(input.message, grants.iter().map(|grant| &grant.key));
    let digest = container::digest(&bytes, table, strata);
    let manifests = grants.iter().map(about).collect();
    let seeds = grants.into_iter().filter_map(|grant| grant.new_seed).collect();
    Ok(SealedMessage { bytes, digest, manifests, seeds })
}

/// The owner's grant first, then each view's; each reader exactly once.
fn in_order(
    input: &SealInput<'_>,
    mut grants: Vec<MessageKeyGrant>,
) -> Result<Vec<MessageKeyGrant>, SealError> {
    let rank = |grant: &MessageKeyGrant| match grant.reader {
        Reader::Owner(_) => Some(0),
        Reader::View(id) => input.views.iter().position(|view| view.view == id).map(|at| at + 1),
    };
    grants.sort_by_key(rank);
    let fits = grants.iter().map(rank).eq((0..=input.views.len()).map(Some));
    if grants.len() > MAX_COUNT {
        return Err(SealError::TooMany);
    }
    fits.then_some(grants).ok_or(SealError::Grants)
}

fn about(grant: &MessageKeyGrant) -> ManifestRef {
    ManifestRef { reader: grant.reader, epoch: grant.epoch, counter: grant.counter }
}

fn owner_manifest(input: &SealInput<'_>, layout: &Layout<'_>, keys: &[StratumKey]) -> OwnerManifest {
    OwnerManifest {
        digest: Sha256::digest(input.bytes).into(),
        size: input.bytes.len() as u64,
        received: input.received.unix(),
        envelope: EnvelopeFacts {
            reverse_path: input.envelope.reverse_path.clone(),
            addressee: input.envelope.addressee.clone(),
            protocol: input.envelope.protocol.clone(),
        },
        strata: (0..layout.strata.len() as u16).map(|stratum| stratum_grant(stratum, layout, keys)).collect(),
        atoms: layout.atoms.clone(),
    }
}

fn view_manifest(
    input: &SealInput<'_>,
    view: &ViewInput<'_>,
    composition: Composition,
    layout: &Layout<'_>,
    keys: &[StratumKey],
) -> ViewManifest {
    let listing = Listing {
        size: composition.size,
        received: input.received.unix(),
        structure: view.structure.to_vec(),
    };
    let strata = composition.strata.into_iter().map(|stratum| stratum_grant(stratum, layout, keys)).collect();
    let policy_generation = view.policy_generation;
    ViewManifest { listing, policy_generation, strata, pieces: composition.pieces }
}

fn stratum_grant(stratum: u16, layout: &Layout<'_>, keys: &[StratumKey]) -> StratumGrant {
    let index = usize::from(stratum);
    let key = StratumKey::from_bytes(keys[index].expose());
    StratumGrant { stratum, length: layout.strata[index].length as u64, key }
}

/// A container being built: room for the table, sealed strata, manifests still in clear.
struct Draft {
    bytes: Vec<u8>,
    table: usize,
    strata: Vec<usize>,
    manifests: Vec<(ManifestRef, u32)>,
}

impl Draft {
    fn with_strata(input: &SealInput<'_>, layout: &Layout<'_>, keys: &[StratumKey], readers: usize) -> Self {
        let strata: Vec<_> =
            layout.strata.iter().map(|stratum| stream::sealed_length(stratum.length)).collect();
        let table = container::table_length(strata.len(), readers);
        let length = table + strata.iter().sum::<usize>();
        let mut bytes = Vec::with_capacity(length + typical_manifests(input, readers));
        bytes.resize(length, 0);
        let mut start = table;
        for ((stratum, key), length) in layout.strata.iter().zip(keys).zip(&strata) {
            let mut writer = StratumWriter::at(start);
            stratum.parts.iter().for_each(|part| writer.append(&mut bytes, part));
            stream::encrypt(key, &mut bytes[start..start + length]);
            start += length;
        }
        Self { bytes, table, strata, manifests: Vec::with_capacity(readers) }
    }

    /// Makes room for manifests of together `length` bytes, so that none is ever moved in clear.
    fn reserve(&mut self, length: usize) {
        self.bytes.reserve_exact(length + self.manifests.capacity() * TAG);
    }

    fn add_manifest<T: minicbor::Encode<()>>(
        &mut self,
        manifest: &T,
        grant: &MessageKeyGrant,
    ) -> Result<(), SealError> {
        let start = self.bytes.len();
        let Ok(()) = minicbor::encode(manifest, &mut self.bytes).map_err(drop) else {
            unreachable!("a Vec takes every byte, and manifests hold nothing that CBOR lacks");
        };
        self.bytes.resize(self.bytes.len() + TAG, 0);
        let length = u32::try_from(self.bytes.len() - start).map_err(|_| SealError::TooMany)?;
        self.manifests.push((about(grant), length));
        Ok(())
    }

    /// Writes the table, which every manifest's tag covers, and encrypts the manifests.
    fn finish<'k>(mut self, message: MessageId, keys: impl Iterator<Item = &'k MessageKey>) -> Vec<u8> {
        let table = container::encode(message, &self.strata, &self.manifests);
        self.bytes[..self.table].copy_from_slice(&table);
        let mut start = self.table + self.strata.iter().sum::<usize>();
        for (index, (key, (_, length))) in keys.zip(&self.manifests).enumerate() {
            let end = start + *length as usize;
            let associated = container::associated(&table, index);
            Cipher::new(key.expose()).seal(MANIFEST_NONCE, &associated, &mut self.bytes[start..end]);
            start = end;
        }
        self.bytes
    }
}

/// A guess at the manifests' octets, so that the strata are rarely moved when they are added.
fn typical_manifests(input: &SealInput<'_>, readers: usize) -> usize {
    let literals = input.views.iter().flat_map(|view| view.pieces).map(|piece| match piece {
        InputPiece::Literal(bytes) => bytes.len().min(512) + 16,
        InputPiece::Source(_) => 24,
    });
    input.atoms.len() * 8 + readers * 512 + literals.sum::<usize>()
}
