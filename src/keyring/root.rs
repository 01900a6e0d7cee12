//! The root key: 32 random bytes in one file, and the server's own keys derived from it
//! (HKDF-SHA256, RFC 5869, one label per purpose).
//!
//! Opens routing and bookkeeping, never mail. Refuses a key file that others can reach. The file
//! holds the 32 bytes, or an age v1 file of them locked by a passphrase.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::age_file;
use super::secret::secret_bytes;
use super::{KeyringError, Passphrase, RecordKey, hkdf};
use crate::names::{TenantId, ViewId};

secret_bytes! {
    /// The bytes of a root key.
    RootBytes, 32
}
secret_bytes! {
    /// A 32-byte seed or MAC key derived from the root key for one purpose.
    DerivedKey, 32
}

/// The server's own key: the ledger's keys, lookups, the queue and the audit signature come from it.
pub struct RootKey {
    bytes: RootBytes,
    /// HMAC-SHA256 already keyed for lookups: half the work of each is done.
    lookup: Hmac<Sha256>,
}

impl RootKey {
    /// Draws a new root key.
    pub fn generate() -> Self {
        Self::from_bytes(RootBytes::generate())
    }

    /// Reads a root key. The file must be a regular one of ours that nobody else can reach; one
    /// locked by a passphrase needs it. Errors say what to do.
    pub fn load(path: &Path, passphrase: Option<&Passphrase>) -> Result<Self, KeyringError> {
        Self::load_of(path, passphrase, rustix::process::geteuid().as_raw())
    }

    /// The same for a file that belongs to the user `owner`, for root to look at.
    pub fn load_of(path: &Path, passphrase: Option<&Passphrase>, owner: u32) -> Result<Self, KeyringError> {
        let file = File::open(path)?;
        check_access(&file, owner)?;
        let mut content = Zeroizing::new(Vec::with_capacity(MAX_KEY_FILE));
        file.take(MAX_KEY_FILE as u64).read_to_end(&mut content)?;
        let plain = if content.starts_with(AGE_MAGIC) {
            let passphrase = passphrase.ok_or(KeyringError::KeyFileLocked)?;
            age_file::open_with_passphrase(passphrase.expose(), &content)?
        } else {
            content
        };
        let bytes = plain.as_slice().try_into().map_err(|_| KeyringError::KeyFileForm)?;
        Ok(Self::from_bytes(RootBytes::from_bytes(bytes)))
    }

    /// Writes the key to a new file of mode 0600 and syncs file and directory; with a passphrase,
    /// as an age file that it opens (about a second of scrypt). Refuses to overwrite.
    pub fn store_new(&self, path: &Path, passphrase: Option<&Passphrase>) -> Result<(), KeyringError> {
        self.store_with(path, passphrase, WORK_FACTOR)
    }

    fn store_with(
        &self,
        path: &Path,
        passphrase: Option<&Passphrase>,
        work_factor: u8,
    ) -> Result<(), KeyringError> {
        let plain = self.bytes.expose();
        let content = Zeroizing::new(match passphrase {
            Some(passphrase) => age_file::seal_with_passphrase(passphrase.expose(), work_factor, plain)?,
            None => plain.to_vec(),
        });
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(&content)?;
        file.sync_all()?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(())
    }

    /// The key of a tenant's ledger records, or of those that belong to no tenant.
    pub fn record_key(&self, tenant: Option<TenantId>) -> RecordKey {
        let key = match tenant {
            Some(tenant) => self.derive("veilpost/v1/root/record/tenant", tenant.as_bytes()),
            None => self.derive("veilpost/v1/root/record/server", &[]),
        };
        RecordKey::from_bytes(&key)
    }

    /// A text that tells this key from every other and opens nothing: it lies beside the data, so that a
    /// wrong key is known before it writes anything.
    pub fn check_value(&self) -> String {
        let value = self.derive("veilpost/v1/root/check", &[]);
        data_encoding::HEXLOWER.encode(&value[..16])
    }

    /// The key of queued work.
    pub fn queue_key(&self) -> RecordKey {
        RecordKey::from_bytes(&self.derive("veilpost/v1/root/queue", &[]))
    }

    /// The Ed25519 seed that signs the audit log's checkpoints.
    pub fn audit_signing_seed(&self) -> DerivedKey {
        DerivedKey::from_bytes(&self.derive("veilpost/v1/root/audit", &[]))
    }

    /// The key by which hidden correspondents get stable tokens in a view.
    pub fn pseudonym_key(&self, view: ViewId) -> DerivedKey {
        DerivedKey::from_bytes(&self.derive("veilpost/v1/root/pseudonym", view.as_bytes()))
    }

    /// The ledger's name for an address, a login or a Message-ID: HMAC-SHA256 over `kind`, a zero
    /// byte and `value`. `kind` is a constant of the caller without zero bytes.
    pub fn lookup(&self, kind: &'static str, value: &[u8]) -> [u8; 32] {
        debug_assert!(!kind.as_bytes().contains(&0));
        let mut mac = self.lookup.clone();
        mac.update(kind.as_bytes());
        mac.update(&[0]);
        mac.update(value);
        mac.finalize().into_bytes().into()
    }

    fn from_bytes(bytes: RootBytes) -> Self {
        let key = hkdf(bytes.expose(), "veilpost/v1/root/lookup", &[]);
        let lookup = Hmac::new_from_slice(key.as_ref()).expect("HMAC takes keys of any length");
        Self { bytes, lookup }
    }

    fn derive(&self, label: &str, context: &[u8]) -> Zeroizing<[u8; 32]> {
        hkdf(self.bytes.expose(), label, context)
    }
}

/// Refuses a file that others than `ours` own or can reach.
fn check_access(file: &File, ours: u32) -> Result<(), KeyringError> {
    let facts = file.metadata()?;
    let mode = facts.mode() & 0o7777;
    if !facts.is_file() {
        return Err(KeyringError::KeyFileForm);
    }
    if facts.uid() != ours {
        return Err(KeyringError::KeyFileOwner { owner: facts.uid(), ours });
    }
    if mode & 0o077 != 0 {
        return Err(KeyringError::KeyFileMode(mode));
    }
    Ok(())
}

/// How an age v1 file begins (C2SP age, "Version line").
const AGE_MAGIC: &[u8] = b"age-encryption.org/v1\n";
/// log2 of scrypt's N: what age's own tool takes for passphrases that people choose.
const WORK_FACTOR: u8 = 18;
/// Octets; an age file of 32 bytes under a passphrase has about 200.
const MAX_KEY_FILE: usize = 4096;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::keyring::secret::assert_secret;

    assert_secret!(RootKey, RootBytes, DerivedKey);

    fn same(one: &RootKey, other: &RootKey) -> bool {
        one.bytes.expose() == other.bytes.expose()
    }

    #[test]
    fn is_stored_once_and_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.key");
        let key = RootKey::generate();
        key.store_new(&path, None).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(same(&RootKey::load(&path, None).unwrap(), &key));
        let again = RootKey::generate().store_new(&path, None);
        assert!(matches!(again, Err(KeyringError::KeyFile(_))));
    }

    #[test]
    fn a_locked_file_needs_its_passphrase() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.age");
        let key = RootKey::generate();
        let passphrase = Passphrase::new("correct horse".to_owned());
        key.store_with(&path, Some(&passphrase), 2).unwrap();
        assert!(same(&RootKey::load(&path, Some(&passphrase)).unwrap(), &key));
        assert!(matches!(RootKey::load(&path, None), Err(KeyringError::KeyFileLocked)));
        let wrong = Passphrase::new("wrong horse".to_owned());
        assert!(matches!(RootKey::load(&path, Some(&wrong)), Err(KeyringError::Sealed)));
    }

    #[test]
    fn a_reachable_or_damaged_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.key");
        RootKey::generate().store_new(&path, None).unwrap();
        for mode in [0o640, 0o604, 0o660] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let refused = RootKey::load(&path, None).err().unwrap();
            assert!(refused.to_string().contains("chmod 600"), "{refused}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, [1; 31]).unwrap();
        assert!(matches!(RootKey::load(&path, None), Err(KeyringError::KeyFileForm)));
        assert!(RootKey::load(directory.path(), None).is_err());
    }

    #[test]
    fn lookups_agree_and_separate() {
        let (key, other) = (RootKey::generate(), RootKey::generate());
        assert_eq!(key.lookup("address", b"a@b.example"), key.lookup("address", b"a@b.example"));
        assert_ne!(key.lookup("address", b"a@b.example"), key.lookup("login", b"a@b.example"));
        assert_ne!(key.lookup("address", b"a@b.example"), other.lookup("address", b"a@b.example"));
        assert_ne!(key.lookup("a", b"bc"), key.lookup("ab", b"c"));
    }

    #[test]
    fn purposes_have_different_keys() {
        let key = RootKey::generate();
        let (tenant, view) = (TenantId::random(), ViewId::random());
        let sealed = key.record_key(Some(tenant)).seal(b"name", b"value");
        assert!(key.record_key(Some(tenant)).open(b"name", &sealed).is_ok());
        for wrong in [key.record_key(None), key.record_key(Some(TenantId::random())), key.queue_key()] {
            assert!(matches!(wrong.open(b"name", &sealed), Err(KeyringError::Sealed)));
        }
        assert_ne!(key.audit_signing_seed().expose(), key.pseudonym_key(view).expose());
        assert_ne!(key.check_value(), RootKey::generate().check_value());
        assert_eq!(
            key.check_value(),
            RootKey::from_bytes(RootBytes::from_bytes(key.bytes.expose())).check_value()
        );
        assert_ne!(key.pseudonym_key(ViewId::random()).expose(), key.pseudonym_key(view).expose());
    }
}
