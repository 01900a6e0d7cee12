//! App passwords: generated, 160 random bits, shown once. Because nobody chose them, HKDF and no
//! slow hash stands between them and a key, so a login costs microseconds.

use zeroize::Zeroizing;

use super::secret::secret_bytes;
use super::{KeyringError, SlotKey, hkdf, printed};

secret_bytes! {
    /// The password of one device for one view.
    AppPassword, 20
}

impl AppPassword {
    /// As shown once: eight groups of four letters of lower-case base32, with dashes.
    pub fn reveal(&self) -> Zeroizing<String> {
        printed::print(self.expose())
    }

    /// Reads it as typed: dashes, blanks and case do not count.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        Ok(Self::from_bytes(&*printed::parse(text)?))
    }

    /// The ledger's name for the credential; tells nothing about the slot key.
    pub fn lookup_id(&self) -> [u8; 32] {
        *hkdf(self.expose(), "veilpost/v1/app-password/lookup", &[])
    }

    /// The key of its keyslot.
    pub fn slot_key(&self) -> SlotKey {
        SlotKey::from_derived(&hkdf(self.expose(), "veilpost/v1/app-password/slot", &[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::secret::assert_secret;

    assert_secret!(AppPassword);

    #[test]
    fn survives_being_typed() {
        let password = AppPassword::generate();
        let typed = password.reveal().to_uppercase().replace('-', " ");
        assert_eq!(AppPassword::parse(&typed).unwrap().lookup_id(), password.lookup_id());
    }

    #[test]
    fn lookup_and_slot_are_unrelated() {
        let password = AppPassword::from_bytes(&[7; 20]);
        assert_ne!(&password.lookup_id(), password.slot_key().expose());
        assert_ne!(password.lookup_id(), AppPassword::generate().lookup_id());
    }
}
