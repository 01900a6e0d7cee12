//! The unique-id of a message (RFC 1939 §7, UIDL). Sixteen opaque bytes in memory, 26 characters on
//! the wire; whoever makes them answers for their being unique and stable.

use data_encoding::BASE32_DNSSEC;

/// A message's unique-id within a maildrop. Printed in lower-case digits and letters, so that it
/// survives clients that keep it as a file name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueId([u8; 16]);

impl UniqueId {
    /// The unique-id with these bytes. They must be the same in every session for one rendering of a
    /// message, another for any other (RFC 1939 §7), and tell nothing: a keyed hash does.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Appends the 26 characters; RFC 1939 §7 allows 1 to 70 from 0x21 to 0x7E.
    pub fn put(self, out: &mut Vec<u8>) {
        let mut text = [0; LENGTH];
        BASE32_DNSSEC.encode_mut(&self.0, &mut text);
        out.extend_from_slice(&text);
    }
}

/// 128 bits in base32.
const LENGTH: usize = 26;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_known_answer() {
        let mut out = Vec::new();
        UniqueId::from_bytes(*b"sixteen octets!!").put(&mut out);
        // RFC 4648 §7, in lower case, without padding.
        assert_eq!(out, b"edkngt35cln20rr3ehin8sp144");
    }

    proptest! {
        #[test]
        fn the_text_is_what_rfc_1939_allows_and_inverts(bytes: [u8; 16]) {
            let mut out = Vec::new();
            UniqueId::from_bytes(bytes).put(&mut out);
            prop_assert!((1..=70).contains(&out.len()) && out.iter().all(|b| (0x21..=0x7e).contains(b)));
            prop_assert_eq!(BASE32_DNSSEC.decode(&out).ok(), Some(bytes.to_vec()));
        }
    }
}
