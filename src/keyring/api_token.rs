//! Tokens for the HTTP API: generated, 256 random bits, shown once, as `vp_` and 43 letters. Like app
//! passwords they need no slow hash. A token opens no keyslot; it only wraps, for the program that
//! carries it, the unlock session that a person's password and code have opened.

use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::secret::secret_bytes;
use super::{KeyringError, RecordKey, hkdf};

secret_bytes! {
    /// The token of one program.
    ApiToken, 32
}

impl ApiToken {
    /// As shown once.
    pub fn reveal(&self) -> Zeroizing<String> {
        let letters = Zeroizing::new(BASE64URL_NOPAD.encode(self.expose()));
        Zeroizing::new(format!("{PREFIX}{}", letters.as_str()))
    }

    /// Reads it as shown, and in no other form.
    ///
    /// # Errors
    /// [`KeyringError::Form`] for anything else.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let letters = text.strip_prefix(PREFIX).ok_or(KeyringError::Form)?;
        let octets = BASE64URL_NOPAD.decode(letters.as_bytes()).map_err(|_| KeyringError::Form)?;
        let octets = Zeroizing::new(octets);
        Ok(Self::from_bytes(octets.as_slice().try_into().map_err(|_| KeyringError::Form)?))
    }

    /// The ledger's name for the token; tells nothing of it.
    pub fn lookup_id(&self) -> [u8; 32] {
        *hkdf(self.expose(), "veilpost/v1/api-token/lookup", &[])
    }

    /// Wraps the unlock sessions that are opened with this token, so that no other token is of use
    /// with them.
    pub fn session_key(&self) -> RecordKey {
        RecordKey::from_bytes(&hkdf(self.expose(), "veilpost/v1/api-token/session", &[]))
    }
}

/// By which secret scanners, and people, know it.
const PREFIX: &str = "vp_";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::secret::assert_secret;

    assert_secret!(ApiToken);

    #[test]
    fn is_read_as_it_is_shown_and_in_no_other_form() {
        let token = ApiToken::generate();
        let shown = token.reveal();
        assert_eq!(ApiToken::parse(&shown).unwrap().lookup_id(), token.lookup_id());
        assert_eq!(shown.len(), 46);
        for refused in ["", "vp_", &shown[3..], &shown[..45], &format!("{}A", &*shown), &shown.to_uppercase()]
        {
            assert!(ApiToken::parse(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_session_wrapped_for_one_token_is_nothing_to_another() {
        let (one, other) = (ApiToken::from_bytes(&[7; 32]), ApiToken::generate());
        let wrapped = one.session_key().seal(b"x", b"session");
        assert_eq!(&*one.session_key().open(b"x", &wrapped).unwrap(), b"session");
        assert!(other.session_key().open(b"x", &wrapped).is_err());
        assert_ne!(one.lookup_id(), other.lookup_id());
    }
}
