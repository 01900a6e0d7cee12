//! Passkeys (WebAuthn level 3): what one adds to a password, and the slot key that comes of both.
//!
//! Without the PRF extension the passkey's half is a share that the server keeps and releases for a
//! verified assertion, as it does for a TOTP code. With it (§10.1.4) the half is computed by the
//! authenticator, comes with the assertion and never rests on the server. Verifies no assertion.

use zeroize::Zeroizing;

use super::secret::secret_bytes;
use super::{KeyringError, PasswordKey, SlotKey};

secret_bytes! {
    /// Half of a passkey slot's key; released for a verified assertion.
    PasskeyShare, 32
}
secret_bytes! {
    /// What a passkey's pseudo-random function yields for its salt.
    PrfOutput, 32
}

impl PrfOutput {
    /// Reads what the browser sends: 32 octets in base64url.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let octets = data_encoding::BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| KeyringError::Form)?;
        octets.as_slice().try_into().map(Self::from_bytes).map_err(|_| KeyringError::Form)
    }
}

/// A passkey's half of its slot's key.
pub enum PasskeyHalf {
    /// Kept by the server.
    Share(PasskeyShare),
    /// Computed by the authenticator.
    Prf(PrfOutput),
}

impl PasswordKey {
    /// The key of a passkey's owner slot: needs the passkey's half.
    pub fn passkey_slot_key(&self, half: &PasskeyHalf) -> SlotKey {
        match half {
            PasskeyHalf::Share(share) => self.joined(share.expose(), "veilpost/v1/password/passkey"),
            PasskeyHalf::Prf(output) => self.joined(output.expose(), "veilpost/v1/password/passkey-prf"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::secret::assert_secret;
    use crate::keyring::{Passphrase, PasswordHashing, TotpShare};

    assert_secret!(PasskeyShare, PrfOutput, PasskeyHalf);

    fn key(password: &str, hashing: &PasswordHashing) -> PasswordKey {
        PasswordKey::derive(&Passphrase::new(password.to_owned()), hashing).unwrap()
    }

    #[test]
    fn password_half_and_kind_all_count() {
        let hashing = PasswordHashing::with_cost(64, 1);
        let (one, other) = (key("a", &hashing), key("b", &hashing));
        let share = |octet| PasskeyHalf::Share(PasskeyShare::from_bytes(&[octet; 32]));
        let prf = PasskeyHalf::Prf(PrfOutput::from_bytes(&[1; 32]));
        let known = *one.passkey_slot_key(&share(1)).expose();
        assert_eq!(one.passkey_slot_key(&share(1)).expose(), &known);
        assert_ne!(one.passkey_slot_key(&share(2)).expose(), &known);
        assert_ne!(other.passkey_slot_key(&share(1)).expose(), &known);
        assert_ne!(one.passkey_slot_key(&prf).expose(), &known);
        assert_ne!(one.user_slot_key(&TotpShare::from_bytes(&[1; 32])).expose(), &known);
        assert_ne!(one.dashboard_slot_key().expose(), &known);
    }

    #[test]
    fn an_output_has_32_octets() {
        let text = data_encoding::BASE64URL_NOPAD.encode(&[0xfb; 32]);
        assert_eq!(PrfOutput::parse(&text).map(|output| *output.expose()).ok(), Some([0xfb; 32]));
        for bad in ["", "AAAA", &text[..42], &format!("{text}AA"), &text.replace('-', "+")] {
            assert!(matches!(PrfOutput::parse(bad), Err(KeyringError::Form)), "{bad}");
        }
    }
}
