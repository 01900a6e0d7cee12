//! One file of an index on disk: chunks of ChaCha20-Poly1305 (RFC 8439) in the STREAM construction,
//! so that any range reads alone and a file that was cut off is refused. Refuses to know what is in
//! it. Format: `docs/format.md`, "The search index".

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use zeroize::Zeroize;

use crate::keyring::IndexKey;
use crate::keyring::aead::{Cipher, TAG};
use crate::wipe::{Wiped, wipe};

/// Reads any chunk of a sealed file.
pub(super) struct SealedFile {
    file: File,
    cipher: Cipher,
    /// Octets of the content.
    length: usize,
}

impl SealedFile {
    /// Opens a file that was written under `name`. The last chunk is authenticated at once, so a
    /// file that was cut off, swapped or sealed under another key is refused here.
    pub(super) fn open(file: File, key: &IndexKey, name: &str) -> io::Result<Self> {
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => refused(),
            _ => error,
        })?;
        let (version, salt) = header.split_first_chunk::<1>().ok_or_else(refused)?;
        if *version != [VERSION] {
            return Err(refused());
        }
        let salt = salt.try_into().map_err(|_| refused())?;
        let octets = usize::try_from(file.metadata()?.len()).map_err(|_| refused())?;
        let length = octets.checked_sub(HEADER).and_then(plain_length).ok_or_else(refused)?;
        let opened = Self { file, cipher: key.file_cipher(salt, name.as_bytes()), length };
        opened.chunk(opened.last())?;
        Ok(opened)
    }

    /// Octets of the content.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Decrypts one chunk: [`CHUNK`] octets, the last one fewer.
    pub(super) fn chunk(&self, index: usize) -> io::Result<Wiped> {
        let start = index * CHUNK;
        let plain = self.length.checked_sub(start).ok_or_else(refused)?.min(CHUNK);
        let mut sealed = vec![0; plain + TAG];
        self.file.read_exact_at(&mut sealed, (HEADER + index * (CHUNK + TAG)) as u64)?;
        self.cipher.open(nonce(index, index == self.last()), b"", &sealed).ok_or_else(refused)
    }

    /// The whole content, of files that are small.
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        let mut content = Vec::with_capacity(self.length);
        for index in 0..=self.last() {
            content.extend_from_slice(&self.chunk(index)?);
        }
        Ok(content)
    }

    fn last(&self) -> usize {
        self.length.saturating_sub(1) / CHUNK
    }
}

/// Writes a sealed file from its beginning to its end.
pub(super) struct SealingWriter {
    file: File,
    cipher: Cipher,
    /// The chunk that is being filled: it is sealed when more comes, for until then it may be the last.
    chunk: Vec<u8>,
    sealed: Vec<u8>,
    index: usize,
}

impl SealingWriter {
    /// Begins an empty `file` under `name` and a new salt.
    pub(super) fn begin(mut file: File, key: &IndexKey, name: &str) -> io::Result<Self> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(io::Error::other)?;
        file.write_all(&[VERSION])?;
        file.write_all(&salt)?;
        Ok(Self {
            file,
            cipher: key.file_cipher(&salt, name.as_bytes()),
            chunk: Vec::with_capacity(CHUNK),
            sealed: Vec::with_capacity(CHUNK + TAG),
            index: 0,
        })
    }

    /// Seals what is left as the last chunk and gives the file back, to be synced or not.
    pub(super) fn finish(&mut self) -> io::Result<&File> {
        self.seal(true)?;
        Ok(&self.file)
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        self.sealed.clear();
        self.sealed.extend_from_slice(&self.chunk);
        self.sealed.extend_from_slice(&[0; TAG]);
        self.cipher.seal(nonce(self.index, last), b"", &mut self.sealed);
        wipe(&mut self.chunk);
        self.chunk.clear();
        self.index += 1;
        self.file.write_all(&self.sealed)
    }
}

impl Write for SealingWriter {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK && !octets.is_empty() {
            self.seal(false)?;
        }
        let taken = octets.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&octets[..taken]);
        Ok(taken)
    }

    /// Nothing: a chunk is written when it is full, and the file is read when it is finished.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SealingWriter {
    fn drop(&mut self) {
        self.chunk.zeroize();
    }
}

/// What every refusal looks like: it tells nothing of the content, nor why.
pub(super) fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a file of the search index is damaged or not ours")
}

/// How many octets were sealed to `sealed` octets, if that is a possible length. Nothing is one
/// chunk of nothing.
fn plain_length(sealed: usize) -> Option<usize> {
    let chunks = sealed.div_ceil(CHUNK + TAG).max(1);
    let plain = sealed.checked_sub(chunks * TAG)?;
    (plain > (chunks - 1) * CHUNK || chunks == 1).then_some(plain)
}

/// 11 octets of counter, big-endian, and 1 for the last chunk, as in the age format's payload.
fn nonce(index: usize, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&(index as u64).to_be_bytes());
    nonce[11] = u8::from(last);
    nonce
}

/// Octets of a chunk's content: a query reads a few postings here and there, so chunks are smaller
/// than those of messages.
pub(super) const CHUNK: usize = 16 * 1024;
const VERSION: u8 = 1;
const SALT: usize = 16;
const HEADER: usize = 1 + SALT;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(key: &IndexKey, name: &str, content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let mut writer = SealingWriter::begin(file.reopen().expect("opens"), key, name).expect("begins");
        // In pieces of odd sizes, so that chunks are filled across them.
        content.chunks(7001).for_each(|piece| writer.write_all(piece).expect("writes"));
        writer.finish().expect("finishes");
        file
    }

    fn read(key: &IndexKey, name: &str, sealed: &[u8]) -> io::Result<Vec<u8>> {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(sealed).expect("writes");
        SealedFile::open(file, key, name)?.read()
    }

    fn bytes(file: &tempfile::NamedTempFile) -> Vec<u8> {
        std::fs::read(file.path()).expect("reads")
    }

    #[test]
    fn any_length_is_read_as_it_was_written() {
        let key = IndexKey::generate();
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 5 * CHUNK + 77] {
            let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let file = written(&key, "a.store", &content);
            let opened = SealedFile::open(file.reopen().unwrap(), &key, "a.store").unwrap();
            assert_eq!((opened.length(), opened.read().unwrap()), (length, content), "{length}");
        }
    }

    #[test]
    fn another_key_or_name_or_cut_is_refused() {
        let key = IndexKey::generate();
        let sealed = bytes(&written(&key, "a.idx", &[5; 3 * CHUNK]));
        assert!(read(&key, "a.idx", &sealed).is_ok());
        assert!(read(&key, "b.idx", &sealed).is_err());
        assert!(read(&IndexKey::generate(), "a.idx", &sealed).is_err());
        let chunk = CHUNK + TAG;
        for length in [0, 1, HEADER, HEADER + TAG, HEADER + chunk, HEADER + 2 * chunk, sealed.len() - 1] {
            let error = read(&key, "a.idx", &sealed[..length]).expect_err("a file that was cut off");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{length}");
        }
        let longer = [sealed.as_slice(), &sealed[HEADER..HEADER + chunk]].concat();
        assert!(read(&key, "a.idx", &longer).is_err());
    }

    #[test]
    fn chunks_do_not_change_places() {
        let key = IndexKey::generate();
        let mut sealed = bytes(&written(&key, "a.idx", &[5; 3 * CHUNK]));
        let (one, two) = sealed[HEADER..].split_at_mut(CHUNK + TAG);
        one.swap_with_slice(&mut two[..CHUNK + TAG]);
        assert!(read(&key, "a.idx", &sealed).is_err());
    }

    #[test]
    fn the_same_content_is_never_sealed_alike() {
        let key = IndexKey::generate();
        let [one, two] = [(), ()].map(|()| bytes(&written(&key, "meta.json", b"{}")));
        assert_ne!(one[HEADER..], two[HEADER..]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_flipped_bit_is_refused(at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let key = IndexKey::generate();
            let mut sealed = bytes(&written(&key, "a.pos", &[9; CHUNK + 100]));
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(read(&key, "a.pos", &sealed).is_err(), "byte {}", at);
        }

        #[test]
        fn foreign_octets_are_refused(sealed in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&IndexKey::generate(), "a", &sealed).is_err());
        }
    }
}
