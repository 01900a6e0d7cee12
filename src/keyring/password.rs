//! Passwords that people choose: Argon2id (RFC 9106) once, then HKDF for each keyslot that the
//! password opens. There is no verifier beside it: opening the slot is the authentication.
//!
//! What is hashed is the password as RFC 8265 prepares it (OpaqueString), so that another keyboard
//! or system, which composes an umlaut in another way, opens the same slot.

use argon2::{Algorithm, Argon2, Params, Version};
use icu_normalizer::ComposingNormalizerBorrowed;
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use super::secret::secret_bytes;
use super::{KeyringError, SlotKey, TotpShare, hkdf};

/// A password or passphrase as typed.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes it over; the caller keeps no copy.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Its text.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// As it is hashed: blanks of all scripts are one, and what can be composed is (RFC 8265 §4.2.2,
    /// NFC). Case and width stay.
    pub fn prepared(&self) -> Self {
        // NFC makes at most three octets of one (Unicode Standard Annex #15, table of expansion
        // factors), so the text does not move while it grows and leaves no copy behind.
        let mut text = Zeroizing::new(String::with_capacity(3 * self.0.len()));
        text.extend(ComposingNormalizerBorrowed::new_nfc().normalize_iter(self.0.chars().map(plain_blank)));
        Self(text)
    }

    /// Whether it was typed as it is hashed.
    pub fn is_prepared(&self) -> bool {
        *self.prepared().0 == *self.0
    }
}

/// Blanks other than the one of ASCII (general category Zs) become that one.
fn plain_blank(letter: char) -> char {
    match letter {
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => ' ',
        other => other,
    }
}

/// How a password becomes a key: Argon2id's parameters and the salt. Stored with each keyslot that
/// the password opens; slots that share it share one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PasswordHashing {
    /// KiB of memory.
    #[n(0)]
    memory: u32,
    /// Passes over it.
    #[n(1)]
    passes: u32,
    /// Lanes.
    #[n(2)]
    lanes: u32,
    /// Random.
    #[cbor(n(3), with = "minicbor::bytes")]
    salt: [u8; 16],
}

impl PasswordHashing {
    /// What new passwords get: 64 MiB, three passes, one lane (RFC 9106 §4, second choice, with one
    /// lane because a server hashes many at a time), and a fresh salt.
    pub fn fresh() -> Self {
        Self::with_cost(64 * 1024, 3)
    }

    /// Another cost, for tests and small machines: KiB of memory and passes.
    pub fn with_cost(memory: u32, passes: u32) -> Self {
        let mut salt = [0; 16];
        // The kernel's generator does not fail once it is seeded, and boot waits for that.
        getrandom::fill(&mut salt).expect("the operating system gives randomness");
        Self { memory, passes, lanes: 1, salt }
    }

    /// Whether a password set today would get more work.
    pub fn is_outdated(&self) -> bool {
        let today = Self::fresh();
        self.memory < today.memory || self.passes < today.passes
    }

    /// Refuses costs that would stall the server.
    fn params(&self) -> Result<Params, KeyringError> {
        if self.memory > MAX_MEMORY || self.passes > MAX_PASSES || self.lanes > MAX_LANES {
            return Err(KeyringError::Parameters);
        }
        Params::new(self.memory, self.passes, self.lanes, Some(32)).map_err(|_| KeyringError::Parameters)
    }
}

secret_bytes! {
    /// The output of Argon2id.
    Stretched, 32
}

/// What one run of Argon2id over a password yields; every slot of the password comes from it.
pub struct PasswordKey {
    stretched: Stretched,
    hashing: PasswordHashing,
}

impl PasswordKey {
    /// Runs Argon2id: about 0.15 s and 64 MiB with [`PasswordHashing::fresh`], so never on a thread
    /// that serves others.
    pub fn derive(password: &Passphrase, hashing: &PasswordHashing) -> Result<Self, KeyringError> {
        Self::derive_as_typed(&password.prepared(), hashing)
    }

    /// The same for the octets as they were typed, as slots of earlier versions were made.
    pub fn derive_as_typed(password: &Passphrase, hashing: &PasswordHashing) -> Result<Self, KeyringError> {
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, hashing.params()?);
        let mut stretched = Stretched([0; 32]);
        argon
            .hash_password_into(password.expose().as_bytes(), &hashing.salt, &mut stretched.0)
            .map_err(|_| KeyringError::Parameters)?;
        Ok(Self { stretched, hashing: *hashing })
    }

    /// How it was made: the slots that it opens say the same.
    pub fn hashing(&self) -> &PasswordHashing {
        &self.hashing
    }

    /// As a signed-in session keeps it, wrapped: the stretched octets, then the parameters.
    pub(crate) fn expose(&self) -> Zeroizing<Vec<u8>> {
        let mut octets = Zeroizing::new(Vec::with_capacity(128));
        octets.extend_from_slice(self.stretched.expose());
        // Writing CBOR to a Vec has no way to fail, and the parameters are no secret.
        octets.extend(minicbor::to_vec(self.hashing).unwrap_or_default());
        octets
    }

    /// Reads [`PasswordKey::expose`].
    pub(crate) fn from_exposed(octets: &[u8]) -> Result<Self, KeyringError> {
        let (stretched, hashing) = octets.split_first_chunk::<32>().ok_or(KeyringError::Form)?;
        let hashing = minicbor::decode(hashing).map_err(|_| KeyringError::Form)?;
        Ok(Self { stretched: Stretched(*stretched), hashing })
    }

    /// The key of the user's owner slot: needs the share that a TOTP code released.
    pub fn user_slot_key(&self, share: &TotpShare) -> SlotKey {
        self.joined(share.expose(), "veilpost/v1/password/user")
    }

    /// The key of a slot that needs a second half besides the password; `label` is its purpose.
    pub(super) fn joined(&self, half: &[u8; 32], label: &str) -> SlotKey {
        let mut secret = Zeroizing::new([0; 64]);
        secret[..32].copy_from_slice(self.stretched.expose());
        secret[32..].copy_from_slice(half);
        SlotKey::from_password(&hkdf(secret.as_ref(), label, &[]), self.hashing)
    }

    /// The key of the user's dashboard view slot: the password alone.
    pub fn dashboard_slot_key(&self) -> SlotKey {
        let key = hkdf(self.stretched.expose(), "veilpost/v1/password/dashboard", &[]);
        SlotKey::from_password(&key, self.hashing)
    }
}

/// KiB: 1 GiB, sixteen times today's cost.
const MAX_MEMORY: u32 = 1024 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::secret::assert_secret;

    assert_secret!(Passphrase, PasswordKey, Stretched);

    fn password(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned())
    }

    #[test]
    fn password_share_and_salt_all_count() {
        let hashing = PasswordHashing::with_cost(64, 1);
        let (share, other) = (TotpShare::generate(), TotpShare::generate());
        let key = PasswordKey::derive(&password("a"), &hashing).unwrap();
        let same = PasswordKey::derive(&password("a"), &hashing).unwrap();
        assert_eq!(key.user_slot_key(&share).expose(), same.user_slot_key(&share).expose());
        assert_eq!(key.dashboard_slot_key().expose(), same.dashboard_slot_key().expose());
        assert_ne!(key.user_slot_key(&share).expose(), key.user_slot_key(&other).expose());
        assert_ne!(key.user_slot_key(&share).expose(), key.dashboard_slot_key().expose());
        let salted = PasswordKey::derive(&password("a"), &PasswordHashing::with_cost(64, 1)).unwrap();
        assert_ne!(key.dashboard_slot_key().expose(), salted.dashboard_slot_key().expose());
        let wrong = PasswordKey::derive(&password("b"), &hashing).unwrap();
        assert_ne!(key.dashboard_slot_key().expose(), wrong.dashboard_slot_key().expose());
    }

    #[test]
    fn is_argon2id_version_19() {
        // argon2-cffi: hash_secret_raw(b"password", b"somesaltsomesalt", 2, 64, 1, 32, Type.ID)
        let hashing = PasswordHashing { memory: 64, passes: 2, lanes: 1, salt: *b"somesaltsomesalt" };
        let key = PasswordKey::derive(&password("password"), &hashing).unwrap();
        assert_eq!(data_encoding::HEXLOWER.encode(key.stretched.expose()), KNOWN_ANSWER);
    }

    #[test]
    fn one_password_in_two_unicode_forms_is_one() {
        let hashing = PasswordHashing::with_cost(64, 1);
        let derived = |text: &str| {
            let key = PasswordKey::derive(&password(text), &hashing).unwrap();
            *key.dashboard_slot_key().expose()
        };
        // NFD, a no-break space and an ideographic one, Hangul jamo, a singleton (angstrom sign).
        for (one, other) in [
            ("Ka\u{308}se und Bro\u{308}tchen", "K\u{e4}se und Br\u{f6}tchen"),
            ("four\u{a0}words\u{3000}of mine", "four words of mine"),
            ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"),
            ("\u{212b}ngstrom", "\u{c5}ngstrom"),
        ] {
            assert_eq!(derived(one), derived(other), "{other}");
            assert!(!password(one).is_prepared() && password(other).is_prepared());
        }
        // Case and width are the person's (RFC 8265 §4.2.2).
        assert_ne!(derived("Abc"), derived("abc"));
        assert_ne!(derived("\u{ff21}bc"), derived("Abc"));
        let typed = PasswordKey::derive_as_typed(&password("a\u{308}"), &hashing).unwrap();
        assert_ne!(*typed.dashboard_slot_key().expose(), derived("a\u{308}"));
    }

    #[test]
    fn excessive_costs_are_refused() {
        for hashing in [
            PasswordHashing::with_cost(MAX_MEMORY + 1, 1),
            PasswordHashing::with_cost(64, MAX_PASSES + 1),
            PasswordHashing::with_cost(0, 1),
            PasswordHashing { lanes: 9, ..PasswordHashing::with_cost(64, 1) },
        ] {
            assert!(matches!(PasswordKey::derive(&password("a"), &hashing), Err(KeyringError::Parameters)));
        }
    }

    #[test]
    fn old_costs_show() {
        assert!(!PasswordHashing::fresh().is_outdated());
        assert!(PasswordHashing::with_cost(19 * 1024, 2).is_outdated());
    }

    const KNOWN_ANSWER: &str = "1a98fba8e6394425c9bdc333a9c750aaf811df070f5fb4a5788e1cf4db5793a1";
}
