//! Hybrid post-quantum identities and recipients: the `mlkem768x25519` recipient type of the age
//! specification (C2SP age.md, "The MLKEM768-X25519 hybrid post-quantum recipient type"): HPKE
//! (RFC 9180) base mode with the X-Wing KEM, HKDF-SHA256 and ChaCha20-Poly1305.
//!
//! Identities print as `AGE-SECRET-KEY-PQ-1…`, recipients as `age1pq1…`. Beyond the specification,
//! X25519 points of low order are refused on both sides, so that the classical half always counts.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use age::secrecy::ExposeSecret;
use age::{DecryptError, EncryptError};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Checksum, Hrp};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem, XWing};
use hpke::{Deserializable, OpModeR, OpModeS, Serializable, single_shot_open, single_shot_seal};
use zeroize::{Zeroize, Zeroizing};

use super::secret::secret_bytes;
use super::{IndexKey, KeyringError, RecordKey, age_file, hkdf};
use crate::names::UserId;

secret_bytes! {
    /// The secret half of a key: the X-Wing seed.
    Identity, 32
}

impl Identity {
    /// The public half.
    pub fn recipient(&self) -> Recipient {
        Recipient(XWing::sk_to_pk(&self.private_key()))
    }

    /// Reads `AGE-SECRET-KEY-PQ-1…`.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let seed = Zeroizing::new(decode(IDENTITY_HRP, text)?);
        let seed = seed.as_slice().try_into().map_err(|_| KeyringError::Form)?;
        Ok(Self::from_bytes(seed))
    }

    /// The identity as text, `AGE-SECRET-KEY-PQ-1…`.
    pub fn reveal(&self) -> Zeroizing<String> {
        let hrp = Hrp::parse_unchecked(IDENTITY_HRP);
        Zeroizing::new(bech32::encode_upper::<LongBech32>(hrp, self.expose()).expect("it fits LongBech32"))
    }

    /// A symmetric key that only this identity yields: opened epoch seeds are cached under it.
    pub fn cache_key(&self) -> RecordKey {
        RecordKey::from_bytes(&hkdf(self.expose(), "veilpost/v1/identity/cache", &[]))
    }

    /// The key of the search index of `user`'s mailbox, which only this identity yields.
    pub fn index_key(&self, user: UserId) -> IndexKey {
        IndexKey::from_bytes(&hkdf(self.expose(), "veilpost/v1/identity/index", user.as_bytes()))
    }

    fn private_key(&self) -> <XWing as Kem>::PrivateKey {
        <XWing as Kem>::PrivateKey::from_bytes(self.expose()).expect("an X-Wing seed is any 32 bytes")
    }

    /// Opens one stanza: `None` where it is not ours.
    fn unwrap(&self, share: &[u8], body: &[u8]) -> Option<FileKey> {
        let share = <XWing as Kem>::EncappedKey::from_bytes(share).ok()?;
        let mut plain = single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeR::Base,
            &self.private_key(),
            &share,
            HPKE_INFO,
            body,
            b"",
        )
        .ok()?;
        let key = <&[u8; FILE_KEY_BYTES]>::try_from(plain.as_slice())
            .map(|bytes| FileKey::init_with_mut(|key| key.copy_from_slice(bytes)));
        plain.zeroize();
        key.ok()
    }
}

impl age::Identity for Identity {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        if stanza.tag != STANZA_TAG {
            return None;
        }
        let [share] = stanza.args.as_slice() else {
            return Some(Err(DecryptError::InvalidHeader));
        };
        match BASE64_STANDARD_NO_PAD.decode(share) {
            // The length of the body is checked first against partitioning oracles, as age.md demands.
            Ok(share) if share.len() == SHARE && stanza.body.len() == WRAPPED => {
                if is_low_order(&share[SHARE - POINT..]) {
                    return Some(Err(DecryptError::InvalidHeader));
                }
                self.unwrap(&share, &stanza.body).map(Ok)
            }
            _ => Some(Err(DecryptError::InvalidHeader)),
        }
    }
}

/// The public half of a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(<XWing as Kem>::PublicKey);

impl Recipient {
    /// Reads the 1,216 bytes of [`Recipient::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyringError> {
        let key = <XWing as Kem>::PublicKey::from_bytes(bytes).map_err(|_| KeyringError::Form)?;
        // The length was just checked; X-Wing's public key ends with the X25519 point.
        if is_low_order(&bytes[bytes.len() - POINT..]) {
            return Err(KeyringError::LowOrder);
        }
        Ok(Self(key))
    }

    /// Its bytes: the ML-KEM-768 encapsulation key and the X25519 point.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes().to_vec()
    }
}

impl FromStr for Recipient {
    type Err = KeyringError;

    fn from_str(text: &str) -> Result<Self, KeyringError> {
        Self::from_bytes(&decode(RECIPIENT_HRP, text)?)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hrp = Hrp::parse_unchecked(RECIPIENT_HRP);
        bech32::encode_lower_to_fmt::<LongBech32, _>(out, hrp, &self.to_bytes()).map_err(|_| fmt::Error)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Recipient(..)")
    }
}

impl age::Recipient for Recipient {
    fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let (share, body) = single_shot_seal::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeS::Base,
            &self.0,
            HPKE_INFO,
            key.expose_secret(),
            b"",
        )
        .map_err(|_| EncryptError::Io(std::io::Error::other("HPKE refused to seal a file key")))?;
        let share = BASE64_STANDARD_NO_PAD.encode(share.to_bytes());
        let stanza = Stanza { tag: STANZA_TAG.to_owned(), args: vec![share], body };
        Ok((vec![stanza], HashSet::from([LABEL.to_owned()])))
    }
}

/// Seals `plain` to all of `recipients`, as one age v1 file.
pub fn seal_to(recipients: &[&Recipient], plain: &[u8]) -> Result<Vec<u8>, KeyringError> {
    age_file::seal(recipients.iter().map(|recipient| *recipient as &dyn age::Recipient), plain)
}

/// Opens an age v1 file that was sealed to `identity`'s recipient, among others.
pub fn open(identity: &Identity, file: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    age_file::open(identity, file)
}

/// Whether an X25519 point has low order: then its product with any scalar, which X25519 makes a
/// multiple of the cofactor, is zero (RFC 7748 §6.1).
fn is_low_order(point: &[u8]) -> bool {
    let point = point.try_into().expect("callers cut POINT bytes");
    x25519_dalek::x25519([1; POINT], point) == [0; POINT]
}

fn decode(hrp: &str, text: &str) -> Result<Vec<u8>, KeyringError> {
    let checked = CheckedHrpstring::new::<LongBech32>(text).map_err(|_| KeyringError::Form)?;
    if checked.hrp() != Hrp::parse_unchecked(hrp) {
        return Err(KeyringError::Form);
    }
    let bytes: Vec<u8> = checked.byte_iter().collect();
    Ok(bytes)
}

/// Bech32 (BIP 173) without its limit on length, as age uses it.
enum LongBech32 {}

impl Checksum for LongBech32 {
    type MidstateRepr = <Bech32 as Checksum>::MidstateRepr;
    /// A recipient has 1,959 characters.
    const CODE_LENGTH: usize = 2048;
    const CHECKSUM_LENGTH: usize = Bech32::CHECKSUM_LENGTH;
    const GENERATOR_SH: [Self::MidstateRepr; 5] = Bech32::GENERATOR_SH;
    const TARGET_RESIDUE: Self::MidstateRepr = Bech32::TARGET_RESIDUE;
}

const STANZA_TAG: &str = "mlkem768x25519";
const HPKE_INFO: &[u8] = b"age-encryption.org/mlkem768x25519";
/// Keeps age from mixing in recipients that a quantum computer breaks.
const LABEL: &str = "postquantum";
const IDENTITY_HRP: &str = "age-secret-key-pq-";
const RECIPIENT_HRP: &str = "age1pq";
/// Octets of an X-Wing ciphertext: ML-KEM-768's 1,088 and an X25519 point.
const SHARE: usize = 1120;
const POINT: usize = 32;
/// Octets of a sealed file key: 16 and the tag.
const WRAPPED: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keyring::secret::assert_secret;

    assert_secret!(Identity);

    /// The pair that C2SP age.md prints.
    const SPEC_IDENTITY: &str =
        "AGE-SECRET-KEY-PQ-1XX76JRALNLXDMEW0CRK45QMCCH4X06SE84UN3VPM33W6HWDX0H3SK3ZQFR";
    const SPEC_RECIPIENT_BEGINS: &str =
        "age1pq1x34nzsvr0rxjsgdn8zgyhfe8j7ceq5r9rdelkjuh3y235jzxshfg87pzf5zrqtzdx";
    const SPEC_RECIPIENT_ENDS: &str = "k2ykx3qheyty7saeq0d3fzv49zc0k";

    #[test]
    fn the_checksum_is_well_formed() {
        LongBech32::sanity_check();
    }

    #[test]
    fn agrees_with_the_pair_of_the_specification() {
        let identity = Identity::parse(SPEC_IDENTITY).unwrap();
        assert_eq!(identity.reveal().as_str(), SPEC_IDENTITY);
        let recipient = identity.recipient().to_string();
        assert!(recipient.starts_with(SPEC_RECIPIENT_BEGINS) && recipient.ends_with(SPEC_RECIPIENT_ENDS));
        assert_eq!(recipient.len(), 1959);
        assert!(recipient.parse::<Recipient>().unwrap() == identity.recipient());
    }

    #[test]
    fn each_of_several_recipients_opens() {
        let identities = [Identity::generate(), Identity::generate(), Identity::generate()];
        let recipients = identities.each_ref().map(Identity::recipient);
        let file = seal_to(&recipients.each_ref(), b"seed").unwrap();
        for identity in &identities {
            assert_eq!(open(identity, &file).unwrap().as_slice(), b"seed");
        }
        assert!(matches!(open(&Identity::generate(), &file), Err(KeyringError::Sealed)));
    }

    #[test]
    fn every_changed_byte_of_a_file_is_refused() {
        let identity = Identity::generate();
        let file = seal_to(&[&identity.recipient()], &[7; 32]).unwrap();
        // Every byte of header's ends and payload, and a sample of the long share between.
        for at in (0..200).chain((200..file.len() - 200).step_by(97)).chain(file.len() - 200..file.len()) {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert!(open(&identity, &damaged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn points_of_low_order_are_refused() {
        let identity = Identity::generate();
        let mut one = [0; 32];
        one[0] = 1;
        for point in [[0; 32], one] {
            let mut key = identity.recipient().to_bytes();
            key[1216 - POINT..].copy_from_slice(&point);
            assert!(matches!(Recipient::from_bytes(&key), Err(KeyringError::LowOrder)));
            let mut share = vec![3; SHARE];
            share[SHARE - POINT..].copy_from_slice(&point);
            let stanza = Stanza {
                tag: STANZA_TAG.to_owned(),
                args: vec![BASE64_STANDARD_NO_PAD.encode(share)],
                body: vec![0; WRAPPED],
            };
            assert!(matches!(age::Identity::unwrap_stanza(&identity, &stanza), Some(Err(_))));
        }
    }

    #[test]
    fn stanzas_of_wrong_form_are_refused_and_others_left() {
        let identity = Identity::generate();
        let stanza = |tag: &str, args: &[&str], body: usize| Stanza {
            tag: tag.to_owned(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            body: vec![0; body],
        };
        let share = BASE64_STANDARD_NO_PAD.encode([9; SHARE]);
        let unwrap = |stanza| age::Identity::unwrap_stanza(&identity, &stanza);
        assert!(unwrap(stanza("X25519", &[&share], 32)).is_none());
        assert!(unwrap(stanza(STANZA_TAG, &[&share], 32)).is_none());
        for wrong in [
            stanza(STANZA_TAG, &[], 32),
            stanza(STANZA_TAG, &[&share, "more"], 32),
            stanza(STANZA_TAG, &[&share[4..]], 32),
            stanza(STANZA_TAG, &["not base64!"], 32),
            stanza(STANZA_TAG, &[&share], 31),
        ] {
            assert!(matches!(unwrap(wrong), Some(Err(DecryptError::InvalidHeader))));
        }
    }

    #[test]
    fn wrong_text_is_refused() {
        let text = Identity::generate().reveal();
        assert!(Identity::parse(&text.to_lowercase()).is_ok());
        for wrong in ["", "AGE-SECRET-KEY-PQ-1", &text[..text.len() - 1], &text.replace("PQ-1", "PQ-2")] {
            assert!(matches!(Identity::parse(wrong), Err(KeyringError::Form)), "{} letters", wrong.len());
        }
        assert!(SPEC_IDENTITY.parse::<Recipient>().is_err());
        let classic = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
        assert!(matches!(classic.parse::<Recipient>(), Err(KeyringError::Form)));
    }

    #[test]
    fn the_cache_key_is_the_identitys_own() {
        let identity = Identity::generate();
        let sealed = identity.cache_key().seal(b"epoch", b"seed");
        assert!(identity.cache_key().open(b"epoch", &sealed).is_ok());
        assert!(Identity::generate().cache_key().open(b"epoch", &sealed).is_err());
    }

    #[test]
    fn index_keys_are_the_identitys_and_the_users_own() {
        let identity = Identity::from_bytes(&[7; 32]);
        let [ann, bob] = [[1; 16], [2; 16]].map(UserId::from_bytes);
        let key = |identity: &Identity, user| *identity.index_key(user).expose();
        assert_eq!(key(&identity, ann), key(&Identity::from_bytes(&[7; 32]), ann));
        assert_ne!(key(&identity, ann), key(&identity, bob));
        assert_ne!(key(&identity, ann), key(&Identity::from_bytes(&[8; 32]), ann));
    }

    proptest! {
        #[test]
        fn foreign_text_is_refused(text in ".{0,300}") {
            prop_assert!(Identity::parse(&text).is_err());
            prop_assert!(text.parse::<Recipient>().is_err());
        }
    }
}
