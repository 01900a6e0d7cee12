//! HKDF-SHA256 (RFC 5869), the one way a key comes from a key. Salt empty, output 32 bytes; the
//! `info` is a label of ours, unique per purpose and version, followed by fixed-length context.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// `HKDF-SHA256(ikm, salt = empty, info = label ‖ context, 32)`.
pub(crate) fn hkdf(ikm: &[u8], label: &str, context: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, ikm)
        .expand_multi_info(&[label.as_bytes(), context], key.as_mut())
        .expect("32 bytes are within HKDF's 255 blocks");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_rfc_5869_case_3() {
        let okm = hkdf(&[0x0b; 22], "", b"");
        assert_eq!(
            data_encoding::HEXLOWER.encode(okm.as_ref()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
        );
    }

    #[test]
    fn labels_separate() {
        assert_ne!(*hkdf(&[1; 32], "a", b""), *hkdf(&[1; 32], "b", b""));
        assert_ne!(*hkdf(&[1; 32], "a", &[0; 16]), *hkdf(&[1; 32], "a", b""));
    }
}
