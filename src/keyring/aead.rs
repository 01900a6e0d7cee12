//! ChaCha20-Poly1305 (RFC 8439) as all our formats use it: ciphertext, then the tag, in one place.
//!
//! By AWS-LC, which TLS brings along anyway: measured twice as fast per byte and per record as the
//! portable implementation. It wipes a key's state when freed.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use crate::wipe::Wiped;

/// A key, ready for use.
pub(crate) struct Cipher(LessSafeKey);

impl Cipher {
    /// Sets up `key`.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has the algorithm's 32 bytes");
        Self(LessSafeKey::new(key))
    }

    /// Encrypts in place; the last [`TAG`] bytes are the tag's room.
    pub(crate) fn seal(&self, nonce: [u8; 12], associated: &[u8], place: &mut [u8]) {
        let (body, room) = place.split_at_mut(place.len() - TAG);
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated), body)
            .expect("chunks and manifests are shorter than ChaCha20's 256 GiB");
        room.copy_from_slice(tag.as_ref());
    }

    /// Decrypts; none where the tag does not fit.
    pub(crate) fn open(&self, nonce: [u8; 12], associated: &[u8], sealed: &[u8]) -> Option<Wiped> {
        let (body, tag) = sealed.split_last_chunk::<TAG>()?;
        let mut plain = Wiped::zeroed(body.len());
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.open_separate_gather(nonce, Aad::from(associated), body, tag, plain.as_mut_slice()).ok()?;
        Some(plain)
    }
}

/// Octets of a tag.
pub(crate) const TAG: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_rfc_8439_section_2_8_2() {
        let key: [u8; 32] = std::array::from_fn(|at| 0x80 + at as u8);
        let nonce = [7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
        let associated = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let text = b"Ladies and Gentlemen of the class of '99: \
            If I could offer you only one tip for the future, sunscreen would be it.";
        let mut place = [text.as_slice(), &[0; TAG]].concat();
        Cipher::new(&key).seal(nonce, &associated, &mut place);
        assert_eq!(&place[..4], [0xd3, 0x1a, 0x8d, 0x34]);
        let tag = data_encoding::HEXLOWER.encode(&place[text.len()..]);
        assert_eq!(tag, "1ae10b594f09e26a7e902ecbd0600691");
        let opened = Cipher::new(&key).open(nonce, &associated, &place).unwrap();
        assert_eq!(&*opened, text);
        assert!(Cipher::new(&key).open(nonce, b"other", &place).is_none());
        assert!(Cipher::new(&key).open(nonce, &associated, &place[..TAG - 1]).is_none());
    }
}
