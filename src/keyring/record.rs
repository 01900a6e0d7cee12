//! Small values sealed in the ledger and the queue: XChaCha20-Poly1305 (RFC 8439 with the 24-byte
//! nonce of draft-irtf-cfrg-xchacha), random nonce, the record's key name as associated data so
//! that values cannot be moved between keys.
//!
//! Sealed form: version (1 byte) ‖ nonce (24) ‖ ciphertext ‖ tag (16).

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};
use zeroize::Zeroizing;

use super::KeyringError;
use super::secret::secret_bytes;

secret_bytes! {
    /// Seals records.
    RecordKey, 32
}

impl RecordKey {
    /// Seals `value` under the record's key name.
    pub fn seal(&self, key_name: &[u8], value: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(OVERHEAD + value.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&[0; NONCE]);
        // The kernel's generator does not fail once it is seeded, and boot waits for that.
        getrandom::fill(&mut sealed[1..]).expect("the operating system gives randomness");
        sealed.extend_from_slice(value);
        let (head, body) = sealed.split_at_mut(1 + NONCE);
        let nonce = head[1..].try_into().expect("NONCE bytes follow the version");
        let tag = self
            .cipher()
            .encrypt_inout_detached(nonce, &associated(key_name), InOutBuf::from(body))
            .expect("a record is shorter than ChaCha20's 256 GiB");
        sealed.extend_from_slice(&tag);
        sealed
    }

    /// Opens what [`RecordKey::seal`] made for the same key name.
    pub fn open(&self, key_name: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let (&version, rest) = sealed.split_first().ok_or(KeyringError::Sealed)?;
        if version != VERSION {
            return Err(KeyringError::Version);
        }
        let (nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or(KeyringError::Sealed)?;
        let (body, tag) = rest.split_last_chunk::<TAG>().ok_or(KeyringError::Sealed)?;
        let mut value = Zeroizing::new(body.to_vec());
        let buffer = InOutBuf::from(value.as_mut_slice());
        self.cipher()
            .decrypt_inout_detached(nonce.into(), &associated(key_name), buffer, tag.into())
            .map_err(|_| KeyringError::Sealed)?;
        Ok(value)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.expose().into())
    }
}

/// The version byte is authenticated too.
fn associated(key_name: &[u8]) -> Vec<u8> {
    [&[VERSION], key_name].concat()
}

const VERSION: u8 = 1;
const NONCE: usize = 24;
const TAG: usize = 16;
/// Octets that sealing adds to a value.
pub const OVERHEAD: usize = 1 + NONCE + TAG;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keyring::secret::assert_secret;

    assert_secret!(RecordKey);

    proptest! {
        #[test]
        fn opens_what_it_sealed(name: Vec<u8>, value: Vec<u8>) {
            let key = RecordKey::generate();
            let sealed = key.seal(&name, &value);
            prop_assert_eq!(sealed.len(), value.len() + OVERHEAD);
            let opened = key.open(&name, &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), value);
        }

        #[test]
        fn foreign_bytes_are_refused(sealed: Vec<u8>) {
            prop_assert!(RecordKey::generate().open(b"name", &sealed).is_err());
        }
    }

    #[test]
    fn every_changed_bit_is_refused() {
        let key = RecordKey::generate();
        let sealed = key.seal(b"name", b"value");
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open(b"name", &damaged).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(key.open(b"name", &sealed[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn other_names_and_keys_are_refused() {
        let key = RecordKey::generate();
        let sealed = key.seal(b"name", b"value");
        assert!(matches!(key.open(b"names", &sealed), Err(KeyringError::Sealed)));
        assert!(matches!(RecordKey::generate().open(b"name", &sealed), Err(KeyringError::Sealed)));
        assert_ne!(key.seal(b"name", b"value"), sealed);
    }
}
