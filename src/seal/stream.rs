//! Strata on disk: ChaCha20-Poly1305 (RFC 8439) in the STREAM construction (Hoang, Reyhanitabar,
//! Rogaway, Vizár, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance"), with
//! the nonces and chunks of the age specification's payload, so that any range reads alone.
//!
//! Every stratum has a key of its own, used once; so no salt, and no associated data.

use std::ops::Range;

use super::UnsealError;
use super::container::SealedStratum;
use crate::keyring::aead::{Cipher, TAG};
use crate::keyring::secret::secret_bytes;
use crate::wipe::Wiped;

secret_bytes! {
    /// Seals one stratum of one message.
    StratumKey, 32
}

impl<C> minicbor::Encode<C> for StratumKey {
    fn encode<W: minicbor::encode::Write>(
        &self,
        out: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        out.bytes(self.expose())?.ok()
    }
}

impl<C> minicbor::CborLen<C> for StratumKey {
    fn cbor_len(&self, context: &mut C) -> usize {
        minicbor::bytes::CborLenBytes::cbor_len(self.expose(), context)
    }
}

impl<'b, C> minicbor::Decode<'b, C> for StratumKey {
    fn decode(input: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = input.bytes()?.try_into();
        bytes.map(Self::from_bytes).map_err(|_| minicbor::decode::Error::message("a key has 32 bytes"))
    }
}

/// How many bytes `plain` bytes become.
pub(super) fn sealed_length(plain: usize) -> usize {
    plain + plain.div_ceil(CHUNK) * TAG
}

/// How many bytes were sealed to `sealed` bytes, if that is a possible length.
pub(super) fn plain_length(sealed: usize) -> Option<usize> {
    let chunks = sealed.div_ceil(CHUNK + TAG);
    let plain = sealed.checked_sub(chunks * TAG)?;
    (plain > 0 && sealed_length(plain) == sealed).then_some(plain)
}

/// Fills a stratum's place with plaintext, leaving room for each chunk's tag.
pub(super) struct StratumWriter {
    base: usize,
    written: usize,
}

impl StratumWriter {
    /// The stratum begins at `base`.
    pub(super) fn at(base: usize) -> Self {
        Self { base, written: 0 }
    }

    /// Adds `bytes`; the caller made room of [`sealed_length`].
    pub(super) fn append(&mut self, out: &mut [u8], mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let start = self.base + self.written + self.written / CHUNK * TAG;
            let room = CHUNK - self.written % CHUNK;
            let (now, rest) = bytes.split_at(bytes.len().min(room));
            out[start..start + now.len()].copy_from_slice(now);
            self.written += now.len();
            bytes = rest;
        }
    }
}

/// Encrypts a stratum in place, its plaintext laid out by [`StratumWriter`].
pub(super) fn encrypt(key: &StratumKey, stratum: &mut [u8]) {
    let cipher = Cipher::new(key.expose());
    let chunks = stratum.len().div_ceil(CHUNK + TAG);
    for (index, chunk) in stratum.chunks_mut(CHUNK + TAG).enumerate() {
        cipher.seal(nonce(index as u64, index + 1 == chunks), b"", chunk);
    }
}

/// 11 bytes of counter, big-endian, and 1 for the last chunk (C2SP age.md, "Payload").
fn nonce(index: u64, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&index.to_be_bytes());
    nonce[11] = u8::from(last);
    nonce
}

/// Reads ranges of one stratum, decrypting only the chunks they touch.
pub struct StratumReader<'a> {
    sealed: SealedStratum<'a>,
    cipher: Cipher,
    length: usize,
}

impl<'a> StratumReader<'a> {
    /// A reader of a stratum's sealed bytes, `length` when opened.
    pub(super) fn new(
        sealed: impl Into<SealedStratum<'a>>,
        key: &StratumKey,
        length: u64,
    ) -> Result<Self, UnsealError> {
        let sealed = sealed.into();
        let plain = plain_length(sealed.len()).ok_or(UnsealError::Layout)?;
        if u64::try_from(plain) != Ok(length) {
            return Err(UnsealError::Layout);
        }
        Ok(Self { sealed, cipher: Cipher::new(key.expose()), length: plain })
    }

    /// Its length when opened, in octets.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Never: an empty stratum is not stored.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes of `range`.
    pub fn read(&self, range: Range<usize>) -> Result<Wiped, UnsealError> {
        if range.start > range.end || range.end > self.length {
            return Err(UnsealError::Range);
        }
        let mut bytes = Wiped::with_capacity(range.len());
        let mut at = range.start;
        while at < range.end {
            let chunk = self.chunk(at / CHUNK)?;
            let start = at % CHUNK;
            let end = chunk.len().min(start + range.end - at);
            bytes.append(&chunk[start..end]);
            at += end - start;
        }
        Ok(bytes)
    }

    /// One chunk, opened: [`CHUNK`] bytes, the last one fewer.
    pub(super) fn chunk(&self, index: usize) -> Result<Wiped, UnsealError> {
        let start = index.checked_mul(CHUNK + TAG).ok_or(UnsealError::Range)?;
        let end = start.saturating_add(CHUNK + TAG).min(self.sealed.len());
        let chunk = self.sealed.get(start..end)?;
        let last = end == self.sealed.len();
        self.cipher.open(nonce(index as u64, last), b"", &chunk).ok_or(UnsealError::Chunk)
    }
}

/// Octets of plaintext in a chunk.
pub(super) const CHUNK: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keyring::secret::assert_secret;

    assert_secret!(StratumKey);

    fn sealed(key: &StratumKey, plain: &[u8], cuts: &[usize]) -> Vec<u8> {
        let mut out = vec![0; 5 + sealed_length(plain.len())];
        let mut writer = StratumWriter::at(5);
        let mut from = 0;
        for cut in cuts {
            let to = (*cut).clamp(from, plain.len());
            writer.append(&mut out, &plain[from..to]);
            from = to;
        }
        writer.append(&mut out, &plain[from..]);
        encrypt(key, &mut out[5..]);
        out.split_off(5)
    }

    fn sample(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 31 % 251) as u8).collect()
    }

    #[test]
    fn lengths_around_chunk_borders() {
        for plain in [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1] {
            assert_eq!(plain_length(sealed_length(plain)), Some(plain));
            let (key, bytes) = (StratumKey::generate(), sample(plain));
            let stratum = sealed(&key, &bytes, &[1, plain / 2, CHUNK]);
            let reader = StratumReader::new(&stratum[..], &key, plain as u64).unwrap();
            assert!(reader.read(0..plain).unwrap().as_slice() == bytes, "{plain}");
        }
        for impossible in [0, 1, TAG, CHUNK + TAG + 1, CHUNK + 2 * TAG] {
            assert_eq!(plain_length(impossible), None, "{impossible}");
        }
    }

    #[test]
    fn chunks_cannot_be_cut_swapped_or_continued() {
        let (key, bytes) = (StratumKey::generate(), sample(3 * CHUNK));
        let stratum = sealed(&key, &bytes, &[]);
        let cut = &stratum[..2 * (CHUNK + TAG)];
        let reader = StratumReader::new(cut, &key, 2 * CHUNK as u64).unwrap();
        assert!(matches!(reader.read(0..2 * CHUNK), Err(UnsealError::Chunk)));
        let mut swapped = stratum.clone();
        swapped[..2 * (CHUNK + TAG)].rotate_left(CHUNK + TAG);
        let reader = StratumReader::new(&swapped[..], &key, 3 * CHUNK as u64).unwrap();
        assert!(matches!(reader.read(0..1), Err(UnsealError::Chunk)));
        let longer = [stratum.as_slice(), &stratum[..CHUNK + TAG]].concat();
        let reader = StratumReader::new(&longer[..], &key, 4 * CHUNK as u64).unwrap();
        assert!(matches!(reader.read(2 * CHUNK..3 * CHUNK), Err(UnsealError::Chunk)));
    }

    #[test]
    fn only_touched_chunks_are_opened() {
        let (key, bytes) = (StratumKey::generate(), sample(3 * CHUNK));
        let mut stratum = sealed(&key, &bytes, &[]);
        stratum[CHUNK + TAG] ^= 1;
        let reader = StratumReader::new(&stratum[..], &key, 3 * CHUNK as u64).unwrap();
        assert!(reader.read(0..CHUNK).unwrap().as_slice() == &bytes[..CHUNK]);
        assert!(reader.read(2 * CHUNK..3 * CHUNK).unwrap().as_slice() == &bytes[2 * CHUNK..]);
        assert!(matches!(reader.read(CHUNK - 1..CHUNK + 1), Err(UnsealError::Chunk)));
        assert!(matches!(reader.read(0..3 * CHUNK + 1), Err(UnsealError::Range)));
    }

    #[test]
    fn other_keys_are_refused() {
        let stratum = sealed(&StratumKey::generate(), b"text", &[]);
        let reader = StratumReader::new(&stratum[..], &StratumKey::generate(), 4).unwrap();
        assert!(matches!(reader.read(0..4), Err(UnsealError::Chunk)));
        assert!(StratumReader::new(&stratum[..], &StratumKey::generate(), 5).is_err());
    }

    proptest! {
        #[test]
        fn any_range_reads(length in 1..200_000_usize, from: prop::sample::Index, to: prop::sample::Index) {
            let (key, bytes) = (StratumKey::generate(), sample(length));
            let stratum = sealed(&key, &bytes, &[]);
            let reader = StratumReader::new(&stratum[..], &key, length as u64).unwrap();
            let (from, to) = (from.index(length + 1), to.index(length + 1));
            let range = from.min(to)..from.max(to);
            prop_assert!(reader.read(range.clone()).unwrap().as_slice() == &bytes[range]);
        }
    }
}
