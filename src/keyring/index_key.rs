//! The key of one mailbox's search index. Refuses to know what an index is: it gives each of the
//! index's files a cipher of its own.

use super::aead::Cipher;
use super::hkdf;
use super::secret::secret_bytes;

secret_bytes! {
    /// Opens the files of one search index.
    IndexKey, 32
}

impl IndexKey {
    /// The cipher of the file `name`, as it was written under `salt`: a file that is written again
    /// has a new salt, so no key meets two contents.
    pub(crate) fn file_cipher(&self, salt: &[u8; 16], name: &[u8]) -> Cipher {
        let context = [salt.as_slice(), name].concat();
        Cipher::new(&hkdf(self.expose(), "veilpost/v1/index/file", &context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::secret::assert_secret;

    assert_secret!(IndexKey);

    #[test]
    fn a_files_cipher_is_its_own() {
        let key = IndexKey::generate();
        let mut sealed = [7; 40];
        key.file_cipher(&[1; 16], b"meta.json").seal([0; 12], b"", &mut sealed);
        let opens = |key: &IndexKey, salt, name: &[u8]| {
            key.file_cipher(&salt, name).open([0; 12], b"", &sealed).is_some()
        };
        assert!(opens(&key, [1; 16], b"meta.json"));
        assert!(!opens(&key, [2; 16], b"meta.json"));
        assert!(!opens(&key, [1; 16], b"other"));
        assert!(!opens(&IndexKey::generate(), [1; 16], b"meta.json"));
    }
}
