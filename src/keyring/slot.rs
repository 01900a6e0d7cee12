//! Keyslots: one identity wrapped under one credential's key, bound to whom it belongs.
//!
//! XChaCha20-Poly1305 under the slot key; the slot's version, binding and password parameters are
//! associated data, so a slot moved to another tenant, user, view or credential does not open.

use minicbor::{Decode, Encode};

use super::secret::secret_bytes;
use super::{Identity, KeyringError, PasswordHashing, RecordKey};
use crate::names::{CredentialId, TenantId, UserId, ViewId};

secret_bytes! {
    /// The bytes of a slot key.
    SlotKeyBytes, 32
}

/// A credential's key for one slot.
pub struct SlotKey {
    bytes: SlotKeyBytes,
    hashing: Option<PasswordHashing>,
}

impl SlotKey {
    /// From a credential that is random by itself.
    pub(super) fn from_derived(bytes: &[u8; 32]) -> Self {
        Self { bytes: SlotKeyBytes::from_bytes(bytes), hashing: None }
    }

    /// From a password; the slot will say how.
    pub(super) fn from_password(bytes: &[u8; 32], hashing: PasswordHashing) -> Self {
        Self { bytes: SlotKeyBytes::from_bytes(bytes), hashing: Some(hashing) }
    }

    /// Its bytes.
    pub fn expose(&self) -> &[u8; 32] {
        self.bytes.expose()
    }
}

/// Whom a keyslot belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotBinding {
    /// The tenant.
    pub tenant: TenantId,
    /// The user whose password opens it.
    pub user: Option<UserId>,
    /// The view whose key it holds; none for the owner key.
    pub view: Option<ViewId>,
    /// The credential of the view that opens it.
    pub credential: Option<CredentialId>,
}

impl SlotBinding {
    /// Fixed length, so unambiguous: the tenant, then for each other identifier a byte 0 or 1 and
    /// 16 bytes, zero where it is absent.
    fn to_bytes(self) -> [u8; 67] {
        let others = [
            self.user.map(|user| *user.as_bytes()),
            self.view.map(|view| *view.as_bytes()),
            self.credential.map(|credential| *credential.as_bytes()),
        ];
        let mut bytes = [0; 67];
        bytes[..16].copy_from_slice(self.tenant.as_bytes());
        for (other, field) in others.iter().zip(bytes[16..].chunks_exact_mut(17)) {
            if let Some(id) = other {
                field[0] = 1;
                field[1..].copy_from_slice(id);
            }
        }
        bytes
    }
}

/// One identity wrapped under one credential. Ciphertext: safe to store and to copy.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct KeySlot {
    #[n(0)]
    version: u8,
    #[n(1)]
    hashing: Option<PasswordHashing>,
    #[cbor(n(2), with = "minicbor::bytes")]
    sealed: Vec<u8>,
}

impl KeySlot {
    /// Wraps `identity` under `key` for whom `binding` says.
    pub fn wrap(identity: &Identity, key: &SlotKey, binding: &SlotBinding) -> Self {
        let name = associated(key.hashing.as_ref(), binding);
        let sealed = RecordKey::from_bytes(key.expose()).seal(&name, identity.expose());
        Self { version: VERSION, hashing: key.hashing, sealed }
    }

    /// Opens the slot; success is the proof that the credential was right.
    pub fn open(&self, key: &SlotKey, binding: &SlotBinding) -> Result<Identity, KeyringError> {
        let name = associated(self.hashing.as_ref(), binding);
        let seed = RecordKey::from_bytes(key.expose()).open(&name, &self.sealed)?;
        let seed = seed.as_slice().try_into().map_err(|_| KeyringError::Form)?;
        Ok(Identity::from_bytes(seed))
    }

    /// How a password becomes this slot's key; none where the credential is random by itself.
    pub fn hashing(&self) -> Option<&PasswordHashing> {
        self.hashing.as_ref()
    }

    /// For the ledger.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(160);
        let Ok(()) = minicbor::encode(self, &mut bytes).map_err(drop) else {
            unreachable!("a Vec takes every byte");
        };
        bytes
    }

    /// Reads [`KeySlot::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyringError> {
        let slot: Self = minicbor::decode(bytes).map_err(|_| KeyringError::Form)?;
        if slot.version != VERSION {
            return Err(KeyringError::Version);
        }
        Ok(slot)
    }
}

fn associated(hashing: Option<&PasswordHashing>, binding: &SlotBinding) -> Vec<u8> {
    let mut name = b"veilpost/v1/keyslot".to_vec();
    name.extend_from_slice(&binding.to_bytes());
    let Ok(()) = minicbor::encode(hashing, &mut name).map_err(drop) else {
        unreachable!("a Vec takes every byte");
    };
    name
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keyring::secret::assert_secret;
    use crate::keyring::{AppPassword, Passphrase, PasswordKey, TotpShare};

    assert_secret!(SlotKey, SlotKeyBytes);

    fn binding() -> SlotBinding {
        let (tenant, view) = (TenantId::random(), Some(ViewId::random()));
        SlotBinding { tenant, user: None, view, credential: Some(CredentialId::random()) }
    }

    #[test]
    fn an_app_password_opens_its_slot_only() {
        let (identity, password, binding) = (Identity::generate(), AppPassword::generate(), binding());
        let slot = KeySlot::wrap(&identity, &password.slot_key(), &binding);
        let slot = KeySlot::from_bytes(&slot.to_bytes()).unwrap();
        assert_eq!(slot.open(&password.slot_key(), &binding).unwrap().expose(), identity.expose());
        assert_eq!(slot.hashing(), None);
        let wrong = slot.open(&AppPassword::generate().slot_key(), &binding);
        assert!(matches!(wrong, Err(KeyringError::Sealed)));
    }

    #[test]
    fn a_moved_slot_does_not_open() {
        let (key, home) = (AppPassword::generate().slot_key(), binding());
        let slot = KeySlot::wrap(&Identity::generate(), &key, &home);
        for moved in [
            SlotBinding { tenant: TenantId::random(), ..home },
            SlotBinding { user: Some(UserId::random()), ..home },
            SlotBinding { view: None, ..home },
            SlotBinding { view: home.view, credential: None, ..home },
        ] {
            assert!(matches!(slot.open(&key, &moved), Err(KeyringError::Sealed)));
        }
    }

    #[test]
    fn one_run_of_argon2_opens_both_slots_of_a_user() {
        let hashing = PasswordHashing::with_cost(64, 1);
        let password = Passphrase::new("correct horse".to_owned());
        let (share, owner, view) = (TotpShare::generate(), Identity::generate(), Identity::generate());
        let user = SlotBinding {
            tenant: TenantId::random(),
            user: Some(UserId::random()),
            view: None,
            credential: None,
        };
        let dashboard = SlotBinding { view: Some(ViewId::random()), ..user };
        let key = PasswordKey::derive(&password, &hashing).unwrap();
        let slots = [
            KeySlot::wrap(&owner, &key.user_slot_key(&share), &user).to_bytes(),
            KeySlot::wrap(&view, &key.dashboard_slot_key(), &dashboard).to_bytes(),
        ];
        let [user_slot, dashboard_slot] = slots.map(|slot| KeySlot::from_bytes(&slot).unwrap());
        let key = PasswordKey::derive(&password, user_slot.hashing().unwrap()).unwrap();
        assert_eq!(dashboard_slot.hashing(), user_slot.hashing());
        let opened = dashboard_slot.open(&key.dashboard_slot_key(), &dashboard).unwrap();
        assert_eq!(opened.expose(), view.expose());
        assert_eq!(user_slot.open(&key.user_slot_key(&share), &user).unwrap().expose(), owner.expose());
        assert!(user_slot.open(&key.user_slot_key(&TotpShare::generate()), &user).is_err());
        assert!(user_slot.open(&key.dashboard_slot_key(), &user).is_err());
    }

    #[test]
    fn every_changed_byte_is_refused() {
        let password = Passphrase::new("a".to_owned());
        let key = PasswordKey::derive(&password, &PasswordHashing::with_cost(64, 1)).unwrap();
        let (key, binding) = (key.dashboard_slot_key(), binding());
        let bytes = KeySlot::wrap(&Identity::generate(), &key, &binding).to_bytes();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let opened = KeySlot::from_bytes(&damaged).and_then(|slot| slot.open(&key, &binding));
            assert!(opened.is_err(), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_refused(bytes: Vec<u8>) {
            if let Ok(slot) = KeySlot::from_bytes(&bytes) {
                prop_assert!(slot.open(&AppPassword::generate().slot_key(), &binding()).is_err());
            }
        }
    }
}
