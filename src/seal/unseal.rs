//! Unsealing: a manifest with its message key, then strata with the manifest's keys, chunk by chunk.
//!
//! Nothing is given out that did not authenticate; memory stays within a few chunks whatever the
//! message. Who may ask, and the audit entry before the first byte, are the caller's.

use std::ops::Range;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::container::MANIFEST_NONCE;
use super::manifest::{self, OwnerManifest, Piece, StratumGrant, ViewManifest};
use super::stream::CHUNK;
use super::{Container, MessageKey, StratumReader, UnsealError};
use crate::keyring::aead::Cipher;
use crate::names::{MessageId, Reader, TenantId, ViewId};
use crate::wipe::Wiped;

/// A message as one view may read it.
pub struct OpenedView {
    container: Container,
    manifest: ViewManifest,
}

impl OpenedView {
    /// Opens the view's manifest of a container that must be this tenant's and this message's.
    pub fn open(
        container: Container,
        tenant: TenantId,
        message: MessageId,
        view: ViewId,
        key: &MessageKey,
    ) -> Result<Self, UnsealError> {
        let bytes = open_manifest(&container, tenant, message, Reader::View(view), key)?;
        let manifest = manifest::decode_view(&bytes)?;
        let size = check(&container, &manifest.strata, &manifest.pieces)?;
        if size != manifest.listing.size {
            return Err(UnsealError::ManifestForm);
        }
        Ok(Self { container, manifest })
    }

    /// The manifest: listing data and composition.
    pub fn manifest(&self) -> &ViewManifest {
        &self.manifest
    }

    /// The masked message's exact size, in octets.
    pub fn size(&self) -> u64 {
        self.manifest.listing.size
    }

    /// Whether rendering reads from memory alone.
    pub fn is_in_memory(&self) -> bool {
        self.container.is_in_memory()
    }

    /// Renders a range of the masked message, in octets.
    pub fn render(&self, range: Range<u64>) -> Result<Rendering<'_>, UnsealError> {
        let strata = readers(&self.container, &self.manifest.strata)?;
        Rendering::new(strata, PieceList::Borrowed(&self.manifest.pieces), self.size(), range)
    }
}

/// A message as its owner may read it: all of it.
pub struct OpenedOriginal {
    container: Container,
    manifest: OwnerManifest,
}

impl OpenedOriginal {
    /// Opens the owner's manifest of a container that must be this tenant's and this message's.
    pub fn open(
        container: Container,
        tenant: TenantId,
        message: MessageId,
        key: &MessageKey,
    ) -> Result<Self, UnsealError> {
        let bytes = open_manifest(&container, tenant, message, Reader::Owner(tenant), key)?;
        let manifest = manifest::decode_owner(&bytes)?;
        let size = check(&container, &manifest.strata, &manifest.pieces()?)?;
        let numbered = manifest.strata.iter().zip(0..).all(|(grant, number)| grant.stratum == number);
        if size != manifest.size || !numbered {
            return Err(UnsealError::ManifestForm);
        }
        Ok(Self { container, manifest })
    }

    /// The manifest: atoms, envelope, digest.
    pub fn manifest(&self) -> &OwnerManifest {
        &self.manifest
    }

    /// The message's size, in octets.
    pub fn size(&self) -> u64 {
        self.manifest.size
    }

    /// The whole message as received. Its SHA-256 is checked at the end: a difference is the last
    /// chunk's error.
    pub fn render(&self) -> Result<Rendering<'_>, UnsealError> {
        let mut rendering = self.render_range(0..self.size())?;
        rendering.digest = Some((Sha256::new(), self.manifest.digest));
        Ok(rendering)
    }

    /// A range of the message as received: an atom, a part. Authentic by its chunks alone.
    pub fn render_range(&self, range: Range<u64>) -> Result<Rendering<'_>, UnsealError> {
        let strata = readers(&self.container, &self.manifest.strata)?;
        Rendering::new(strata, PieceList::Owned(self.manifest.pieces()?), self.size(), range)
    }
}

/// A message on its way out, in chunks of at most 64 KiB.
pub struct Rendering<'a> {
    strata: Vec<(u16, StratumReader<'a>)>,
    pieces: PieceList<'a>,
    /// The piece that is next, and how much of it is already out.
    next: (usize, u64),
    remaining: u64,
    cache: Vec<OpenChunk>,
    digest: Option<(Sha256, [u8; 32])>,
}

enum PieceList<'a> {
    Borrowed(&'a [Piece]),
    Owned(Vec<Piece>),
}

/// A chunk kept open, for pieces that take turns between strata.
struct OpenChunk {
    stratum: u16,
    index: usize,
    plain: Wiped,
}

impl<'a> Rendering<'a> {
    fn new(
        strata: Vec<(u16, StratumReader<'a>)>,
        pieces: PieceList<'a>,
        size: u64,
        range: Range<u64>,
    ) -> Result<Self, UnsealError> {
        if range.start > range.end || range.end > size {
            return Err(UnsealError::Range);
        }
        let next = seek(pieces.as_slice(), range.start);
        let remaining = range.end - range.start;
        Ok(Self { strata, pieces, next, remaining, cache: Vec::new(), digest: None })
    }

    /// The next bytes, at most 64 KiB, or none at the end. After an error nothing more comes.
    pub fn next_chunk(&mut self) -> Result<Option<&[u8]>, UnsealError> {
        self.skip_finished();
        if self.remaining == 0 {
            return self.check_digest().map(|()| None);
        }
        let (index, done) = self.next;
        let source = match self.pieces.as_slice().get(index).ok_or(UnsealError::ManifestForm)? {
            Piece::Literal(bytes) => (None, done as usize, bytes.len() - done as usize),
            Piece::Span { stratum, offset, length } => {
                let at = offset + done;
                let within = (at % CHUNK as u64) as usize;
                let place = (*stratum, (at / CHUNK as u64) as usize);
                (Some(place), within, (CHUNK - within).min(clamp(length - done)))
            }
        };
        let (place, start, available) = source;
        let length = available.min(clamp(self.remaining)).min(CHUNK);
        let cached = place.map(|(stratum, chunk)| self.chunk(stratum, chunk)).transpose();
        let cached = cached.inspect_err(|_| self.remaining = 0)?;
        self.next.1 += length as u64;
        self.remaining -= length as u64;
        let from: &[u8] = match (cached, self.pieces.as_slice().get(index)) {
            (Some(at), _) => &self.cache[at].plain,
            (None, Some(Piece::Literal(bytes))) => bytes,
            (None, _) => return Err(UnsealError::ManifestForm),
        };
        let bytes = from.get(start..start + length).ok_or(UnsealError::Layout)?;
        if let Some((hash, _)) = &mut self.digest {
            hash.update(bytes);
        }
        Ok(Some(bytes))
    }

    /// All that is left, for messages known to be small and for tests.
    pub fn collect(mut self) -> Result<Wiped, UnsealError> {
        let mut bytes = Wiped::with_capacity(clamp(self.remaining));
        while let Some(chunk) = self.next_chunk()? {
            bytes.append(chunk);
        }
        Ok(bytes)
    }

    fn skip_finished(&mut self) {
        while let Some(piece) = self.pieces.as_slice().get(self.next.0)
            && piece.length() == self.next.1
        {
            self.next = (self.next.0 + 1, 0);
        }
    }

    fn check_digest(&mut self) -> Result<(), UnsealError> {
        let Some((hash, expected)) = self.digest.take() else { return Ok(()) };
        let equal = bool::from(hash.finalize().as_slice().ct_eq(&expected));
        equal.then_some(()).ok_or(UnsealError::Digest)
    }

    /// Where in the cache a chunk is, opened if it was not; the latest used is last.
    fn chunk(&mut self, stratum: u16, index: usize) -> Result<usize, UnsealError> {
        let held = self.cache.iter().position(|open| (open.stratum, open.index) == (stratum, index));
        if let Some(at) = held {
            self.cache[at..].rotate_left(1);
            return Ok(self.cache.len() - 1);
        }
        let reader = self.strata.iter().find(|(number, _)| *number == stratum);
        let (_, reader) = reader.ok_or(UnsealError::ManifestForm)?;
        let plain = reader.chunk(index)?;
        if self.cache.len() == CACHED {
            self.cache.remove(0);
        }
        self.cache.push(OpenChunk { stratum, index, plain });
        Ok(self.cache.len() - 1)
    }
}

impl PieceList<'_> {
    fn as_slice(&self) -> &[Piece] {
        match self {
            Self::Borrowed(pieces) => pieces,
            Self::Owned(pieces) => pieces,
        }
    }
}

/// The piece at `offset`, and how much of it lies before.
fn seek(pieces: &[Piece], mut offset: u64) -> (usize, u64) {
    for (index, piece) in pieces.iter().enumerate() {
        match offset.checked_sub(piece.length()) {
            Some(rest) => offset = rest,
            None => return (index, offset),
        }
    }
    (pieces.len(), 0)
}

fn clamp(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn open_manifest(
    container: &Container,
    tenant: TenantId,
    message: MessageId,
    reader: Reader,
    key: &MessageKey,
) -> Result<Wiped, UnsealError> {
    if (container.tenant(), container.message()) != (tenant, message) {
        return Err(UnsealError::Foreign);
    }
    let (sealed, associated) = container.sealed_manifest(reader).ok_or(UnsealError::NoManifest)?;
    Cipher::new(key.expose()).open(MANIFEST_NONCE, &associated, sealed).ok_or(UnsealError::Manifest)
}

/// Checks that grants and pieces fit the container; gives the sum of the pieces' lengths.
fn check(container: &Container, grants: &[StratumGrant], pieces: &[Piece]) -> Result<u64, UnsealError> {
    readers(container, grants)?;
    let mut size = 0_u64;
    for piece in pieces {
        if let Piece::Span { stratum, offset, length } = piece {
            let grant = grants.iter().find(|grant| grant.stratum == *stratum);
            let end = offset.checked_add(*length);
            let fits = grant.zip(end).is_some_and(|(grant, end)| end <= grant.length);
            fits.then_some(()).ok_or(UnsealError::ManifestForm)?;
        }
        size = size.checked_add(piece.length()).ok_or(UnsealError::ManifestForm)?;
    }
    Ok(size)
}

fn readers<'a>(
    container: &'a Container,
    grants: &[StratumGrant],
) -> Result<Vec<(u16, StratumReader<'a>)>, UnsealError> {
    grants
        .iter()
        .map(|grant| {
            let sealed = container.sealed_stratum(grant.stratum).ok_or(UnsealError::ManifestForm)?;
            Ok((grant.stratum, StratumReader::new(sealed, &grant.key, grant.length)?))
        })
        .collect()
}

/// Chunks kept open: half a megabyte bounds a session's memory, and strata that take turns in a
/// message are seldom more.
const CACHED: usize = 8;
