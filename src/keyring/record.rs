//! Small values sealed in the ledger and the queue: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03),
//! random nonce, the record's key name as associated data so that values cannot be moved between keys.
//!
//! Sealed form: version (1 byte) ‖ nonce (24) ‖ ciphertext ‖ tag (16).

use chacha20::{R20, hchacha};
use zeroize::Zeroizing;

use crate::wipe::Wiped;

use super::KeyringError;
use super::aead::{Cipher, TAG};
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
        sealed.extend_from_slice(&[0; TAG]);
        let (head, place) = sealed.split_at_mut(1 + NONCE);
        let nonce = head.last_chunk().expect("the head ends with the nonce");
        let (cipher, nonce) = self.cipher(nonce);
        cipher.seal(nonce, &associated(key_name), place);
        sealed
    }

    /// Opens what [`RecordKey::seal`] made for the same key name.
    pub fn open(&self, key_name: &[u8], sealed: &[u8]) -> Result<Wiped, KeyringError> {
        let (&version, rest) = sealed.split_first().ok_or(KeyringError::Sealed)?;
        if version != VERSION {
            return Err(KeyringError::Version);
        }
        let (nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or(KeyringError::Sealed)?;
        let (cipher, nonce) = self.cipher(nonce);
        cipher.open(nonce, &associated(key_name), rest).ok_or(KeyringError::Sealed)
    }

    /// The draft's §2.3: HChaCha20 of the first 16 bytes of the nonce gives the key, four zero bytes
    /// and the rest of it the nonce of ChaCha20-Poly1305.
    fn cipher(&self, nonce: &[u8; NONCE]) -> (Cipher, [u8; 12]) {
        let (first, last) = nonce.split_at(16);
        let first = first.try_into().expect("cut at 16");
        let subkey = Zeroizing::new(<[u8; 32]>::from(hchacha::<R20>(self.expose().into(), first)));
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(last);
        (Cipher::new(&subkey), nonce)
    }
}

/// The version byte is authenticated too.
fn associated(key_name: &[u8]) -> Vec<u8> {
    [&[VERSION], key_name].concat()
}

const VERSION: u8 = 1;
const NONCE: usize = 24;
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
    fn agrees_with_draft_irtf_cfrg_xchacha_03_a_3_1() {
        let key = RecordKey::from_bytes(&std::array::from_fn(|at| 0x80 + at as u8));
        let (cipher, nonce) = key.cipher(&std::array::from_fn(|at| 0x40 + at as u8));
        let associated = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let text = b"Ladies and Gentlemen of the class of '99: \
            If I could offer you only one tip for the future, sunscreen would be it.";
        let mut place = [text.as_slice(), &[0; TAG]].concat();
        cipher.seal(nonce, &associated, &mut place);
        assert_eq!(&place[..4], [0xbd, 0x6d, 0x17, 0x9d]);
        let tag = data_encoding::HEXLOWER.encode(&place[text.len()..]);
        assert_eq!(tag, "c0875924c1c7987947deafd8780acf49");
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
