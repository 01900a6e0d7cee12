//! Manifests: what one reader gets of one message. CBOR (RFC 8949) maps with fixed indices, so that
//! later versions add fields that earlier ones skip; the CDDL is in `docs/format.md`, "Manifests".
//!
//! The types here hold keys and text: no `Debug`, no `Clone`. Decodes authentic and foreign bytes
//! alike without panic.

use std::ops::Range;

use minicbor::{CborLen, Decode, Encode};

use super::{StratumKey, UnsealError};
use crate::clock::Timestamp;

/// A view's manifest: how the masked message is composed, and the keys of what it is composed of.
#[derive(Encode, Decode, CborLen)]
#[cbor(map)]
pub struct ViewManifest {
    /// What listings need.
    #[n(0)]
    pub listing: Listing,
    /// The generation of the policy that composed it.
    #[n(1)]
    pub policy_generation: u64,
    /// The strata that the pieces refer to, by rising number.
    #[n(2)]
    pub strata: Vec<StratumGrant>,
    /// The masked message, in order.
    #[n(3)]
    pub pieces: Vec<Piece>,
}

/// What a listing tells of a message without opening more than its manifest.
#[derive(Encode, Decode, CborLen)]
#[cbor(map)]
pub struct Listing {
    /// The masked message's exact size, in octets.
    #[n(0)]
    pub size: u64,
    /// When the message was received, in seconds since the Unix epoch.
    #[n(1)]
    pub received: i64,
    /// What IMAP listings need, in the form of whoever composed it; empty if nothing.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub structure: Vec<u8>,
}

/// The right to open one stratum.
#[derive(Encode, Decode, CborLen)]
#[cbor(array)]
pub struct StratumGrant {
    /// Its number in the container.
    #[n(0)]
    pub stratum: u16,
    /// Its length when opened, in octets.
    #[n(1)]
    pub length: u64,
    /// Its key.
    #[n(2)]
    pub key: StratumKey,
}

/// A piece of a message.
#[derive(Encode, Decode, CborLen)]
#[cbor(flat)]
pub enum Piece {
    /// These bytes.
    #[n(0)]
    Literal(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// Bytes of a stratum.
    #[n(1)]
    Span {
        /// Its number in the container.
        #[n(0)]
        stratum: u16,
        /// Where they begin.
        #[n(1)]
        offset: u64,
        /// How many they are.
        #[n(2)]
        length: u64,
    },
}

/// The owner's manifest: the whole message, and what is known of its arrival.
#[derive(Encode, Decode, CborLen)]
#[cbor(map)]
pub struct OwnerManifest {
    /// SHA-256 of the message as received.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub digest: [u8; 32],
    /// Its size, in octets.
    #[n(1)]
    pub size: u64,
    /// When it was received, in seconds since the Unix epoch.
    #[n(2)]
    pub received: i64,
    /// The envelope.
    #[n(3)]
    pub envelope: EnvelopeFacts,
    /// Every stratum of the container, by rising number.
    #[n(4)]
    pub strata: Vec<StratumGrant>,
    /// The atoms, which concatenated are the message.
    #[n(5)]
    pub atoms: Vec<AtomRun>,
}

/// What the envelope said, for the owner's eyes.
#[derive(Encode, Decode, CborLen)]
#[cbor(map)]
pub struct EnvelopeFacts {
    /// The reverse path without angle brackets; empty for `<>`.
    #[n(0)]
    pub reverse_path: String,
    /// The addressee that brought it here.
    #[n(1)]
    pub addressee: String,
    /// How it came (RFC 3848 keyword, `HTTP`, `IMPORT`).
    #[n(2)]
    pub protocol: String,
}

/// One atom: it begins where the one before it ends, in the message and in its stratum.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(array)]
pub struct AtomRun {
    /// Octets.
    #[n(0)]
    pub length: u64,
    /// What it is, in the sealer's numbering of kinds.
    #[n(1)]
    pub kind: u8,
    /// Its stratum's number in the container.
    #[n(2)]
    pub stratum: u16,
}

impl Listing {
    /// When the message was received.
    pub fn received(&self) -> Timestamp {
        Timestamp::from_unix(self.received)
    }
}

impl Piece {
    /// Octets.
    pub fn length(&self) -> u64 {
        match self {
            Self::Literal(bytes) => bytes.len() as u64,
            Self::Span { length, .. } => *length,
        }
    }
}

impl OwnerManifest {
    /// When the message was received.
    pub fn received(&self) -> Timestamp {
        Timestamp::from_unix(self.received)
    }

    /// Where each atom lies in the message, in order.
    pub fn spans(&self) -> impl Iterator<Item = (Range<u64>, AtomRun)> {
        self.atoms.iter().scan(0_u64, |at, atom| {
            let start = *at;
            *at = start.saturating_add(atom.length);
            Some((start..*at, *atom))
        })
    }

    /// How the message is put together again: its atoms, those of one stratum that adjoin as one.
    pub(super) fn pieces(&self) -> Result<Vec<Piece>, UnsealError> {
        let mut ends = vec![0_u64; self.strata.len()];
        let mut pieces: Vec<Piece> = Vec::new();
        for atom in &self.atoms {
            let end = ends.get_mut(usize::from(atom.stratum)).ok_or(UnsealError::ManifestForm)?;
            match pieces.last_mut() {
                Some(Piece::Span { stratum, length, .. }) if *stratum == atom.stratum => {
                    *length = length.checked_add(atom.length).ok_or(UnsealError::ManifestForm)?;
                }
                _ => pieces.push(Piece::Span { stratum: atom.stratum, offset: *end, length: atom.length }),
            }
            *end = end.checked_add(atom.length).ok_or(UnsealError::ManifestForm)?;
        }
        Ok(pieces)
    }
}

/// Reads a view's manifest; refuses anything after it.
pub fn decode_view(bytes: &[u8]) -> Result<ViewManifest, UnsealError> {
    decode(bytes)
}

/// Reads an owner's manifest; refuses anything after it.
pub fn decode_owner(bytes: &[u8]) -> Result<OwnerManifest, UnsealError> {
    decode(bytes)
}

fn decode<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, UnsealError> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let manifest = decoder.decode().map_err(|_| UnsealError::ManifestForm)?;
    if decoder.position() != bytes.len() {
        return Err(UnsealError::ManifestForm);
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keyring::secret::assert_secret;

    assert_secret!(ViewManifest, StratumGrant);
    static_assertions::assert_not_impl_any!(OwnerManifest: std::fmt::Debug, Clone, PartialEq);

    fn view() -> ViewManifest {
        ViewManifest {
            listing: Listing { size: 5, received: -1, structure: vec![1, 2] },
            policy_generation: 3,
            strata: vec![StratumGrant { stratum: 1, length: 9, key: StratumKey::from_bytes(&[7; 32]) }],
            pieces: vec![Piece::Literal(b"ab".to_vec()), Piece::Span { stratum: 1, offset: 6, length: 3 }],
        }
    }

    #[test]
    fn a_view_manifest_is_encoded_as_documented() {
        let bytes = minicbor::to_vec(view()).unwrap();
        let expected = [
            "a4",                       // map of 4
            "00a30005012002420102",     // 0: {0: 5, 1: -1, 2: h'0102'}
            "0103",                     // 1: 3
            "02818301095820",           // 2: [[1, 9, h'
            &"07".repeat(32),           //      07…07']]
            "038282004261628401010603", // 3: [[0, h'6162'], [1, 1, 6, 3]]
        ];
        assert_eq!(data_encoding::HEXLOWER.encode(&bytes), expected.concat());
        assert_eq!(minicbor::len(view()), bytes.len());
        let read = decode_view(&bytes).unwrap();
        assert_eq!(minicbor::to_vec(read).unwrap(), bytes);
    }

    #[test]
    fn unknown_fields_are_skipped_and_remains_refused() {
        let mut bytes = minicbor::to_vec(view()).unwrap();
        bytes[0] = 0xa5;
        bytes.extend_from_slice(&[0x18, 0x63, 0x82, 0xa0, 0x61, b'x']); // 99: [{}, "x"]
        assert!(decode_view(&bytes).is_ok());
        bytes.push(0);
        assert!(matches!(decode_view(&bytes), Err(UnsealError::ManifestForm)));
    }

    #[test]
    fn adjoining_atoms_become_one_piece() {
        let grant = |stratum| StratumGrant { stratum, length: 9, key: StratumKey::generate() };
        let atom = |length, stratum| AtomRun { length, kind: 0, stratum };
        let envelope =
            EnvelopeFacts { reverse_path: String::new(), addressee: String::new(), protocol: String::new() };
        let mut manifest = OwnerManifest {
            digest: [0; 32],
            size: 10,
            received: 0,
            envelope,
            strata: vec![grant(0), grant(1)],
            atoms: vec![atom(1, 0), atom(2, 0), atom(3, 1), atom(4, 0)],
        };
        let pieces = manifest.pieces().unwrap();
        let spans: Vec<_> = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Span { stratum, offset, length } => (*stratum, *offset, *length),
                Piece::Literal(_) => unreachable!("an owner's pieces are spans"),
            })
            .collect();
        assert_eq!(spans, [(0, 0, 3), (1, 0, 3), (0, 3, 4)]);
        assert_eq!(manifest.spans().map(|(span, _)| span).last(), Some(6..10));
        manifest.atoms.push(atom(1, 2));
        assert!(matches!(manifest.pieces(), Err(UnsealError::ManifestForm)));
        manifest.atoms = vec![atom(u64::MAX, 0), atom(1, 0)];
        assert!(matches!(manifest.pieces(), Err(UnsealError::ManifestForm)));
        manifest.atoms = vec![atom(u64::MAX, 0), atom(1, 1), atom(u64::MAX, 0)];
        assert!(matches!(manifest.pieces(), Err(UnsealError::ManifestForm)));
    }

    proptest! {
        #[test]
        fn foreign_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = decode_view(&bytes);
            let _ = decode_owner(&bytes);
        }

        #[test]
        fn damaged_manifests_do_not_panic(at: prop::sample::Index, byte: u8) {
            let mut bytes = minicbor::to_vec(view()).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = decode_view(&bytes);
        }
    }
}
