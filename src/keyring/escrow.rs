//! Escrow: an organisation's offline age recipients, each of which gets a tenant's owner identity.
//! One file for each recipient, because age mixes no post-quantum recipients with classical ones.

use std::str::FromStr;

use zeroize::Zeroizing;

use super::{Identity, KeyringError, Recipient, age_file};
use crate::names::TenantId;

/// A public key held offline, of either kind that age knows natively.
pub struct EscrowRecipient(Box<dyn age::Recipient + Send + Sync>);

impl EscrowRecipient {
    /// Seals the owner identity of a tenant, as an age identity file inside an age file.
    pub fn seal(&self, tenant: TenantId, owner: &Identity) -> Result<Vec<u8>, KeyringError> {
        let identity = owner.reveal();
        let text =
            Zeroizing::new(format!("# Veilpost, owner key of tenant {tenant}\n{}\n", identity.as_str()));
        age_file::seal(std::iter::once(&*self.0 as _), text.as_bytes())
    }
}

impl FromStr for EscrowRecipient {
    type Err = KeyringError;

    /// Reads `age1pq1…` or `age1…`.
    fn from_str(text: &str) -> Result<Self, KeyringError> {
        // It is often the line of a file.
        let text = text.trim_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}');
        if text.starts_with("age1pq1") {
            return Ok(Self(Box::new(text.parse::<Recipient>()?)));
        }
        let recipient = text.parse::<age::x25519::Recipient>().map_err(|_| KeyringError::Form)?;
        Ok(Self(Box::new(recipient)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_quantum_escrow_opens() {
        let (escrow, owner) = (Identity::generate(), Identity::generate());
        let line = format!("\u{feff}{}\r\n", escrow.recipient());
        let recipient: EscrowRecipient = line.parse().unwrap();
        let file = recipient.seal(TenantId::random(), &owner).unwrap();
        let text = age_file::open(&escrow, &file).unwrap();
        assert!(String::from_utf8_lossy(&text).contains(owner.reveal().as_str()));
    }

    #[test]
    fn a_classical_escrow_opens() {
        let (escrow, owner) = (age::x25519::Identity::generate(), Identity::generate());
        let recipient: EscrowRecipient = escrow.to_public().to_string().parse().unwrap();
        let file = recipient.seal(TenantId::random(), &owner).unwrap();
        let text = age_file::open(&escrow, &file).unwrap();
        assert!(String::from_utf8_lossy(&text).contains(owner.reveal().as_str()));
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "age1", "age1pq1", "ssh-ed25519 AAAA", "age1yubikey1qqqq"] {
            assert!(matches!(text.parse::<EscrowRecipient>(), Err(KeyringError::Form)), "{text}");
        }
    }
}
