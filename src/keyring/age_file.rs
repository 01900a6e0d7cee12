//! age v1 files in memory (C2SP age.md), through the `age` crate: a few kilobytes that hold a seed
//! or an identity. Knows no recipient type.

use std::io::{Read, Write};

use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor};
use zeroize::Zeroizing;

use super::KeyringError;

/// Seals `plain` to all of `recipients`.
pub(super) fn seal<'a>(
    recipients: impl Iterator<Item = &'a dyn age::Recipient>,
    plain: &[u8],
) -> Result<Vec<u8>, KeyringError> {
    let encryptor = Encryptor::with_recipients(recipients).map_err(|_| KeyringError::Recipients)?;
    let mut file = Vec::with_capacity(plain.len() + TYPICAL_HEADER);
    let mut writer = encryptor.wrap_output(&mut file)?;
    writer.write_all(plain)?;
    writer.finish()?;
    Ok(file)
}

/// Opens `file` with one identity.
pub(super) fn open(identity: &dyn age::Identity, file: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    let decryptor = Decryptor::new_buffered(file).map_err(|_| KeyringError::Form)?;
    let reader = decryptor.decrypt(std::iter::once(identity)).map_err(refusal)?;
    // The plaintext is shorter than its file, so the buffer never moves and leaves no copy.
    let mut plain = Zeroizing::new(Vec::with_capacity(file.len().min(MAX_PLAIN) + 64));
    reader.take(MAX_PLAIN as u64 + 1).read_to_end(&mut plain).map_err(|_| KeyringError::Sealed)?;
    if plain.len() > MAX_PLAIN {
        return Err(KeyringError::Form);
    }
    Ok(plain)
}

/// Seals `plain` under a passphrase; `work_factor` is log2 of scrypt's N.
pub(super) fn seal_with_passphrase(
    passphrase: &str,
    work_factor: u8,
    plain: &[u8],
) -> Result<Vec<u8>, KeyringError> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
    recipient.set_work_factor(work_factor);
    seal(std::iter::once(&recipient as _), plain)
}

/// Opens a file sealed under a passphrase.
pub(super) fn open_with_passphrase(
    passphrase: &str,
    file: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    let mut identity = age::scrypt::Identity::new(SecretString::from(passphrase.to_owned()));
    identity.set_max_work_factor(MAX_WORK_FACTOR);
    open(&identity, file)
}

fn refusal(error: DecryptError) -> KeyringError {
    match error {
        DecryptError::UnknownFormat => KeyringError::Version,
        DecryptError::InvalidHeader => KeyringError::Form,
        _ => KeyringError::Sealed,
    }
}

/// Octets. Seeds and identities have some dozens.
const MAX_PLAIN: usize = 1 << 20;
/// Octets of the header and payload overhead with one post-quantum recipient, for one allocation.
const TYPICAL_HEADER: usize = 2048;
/// log2 of scrypt's N; age-encryption (npm) and age (Go) stop at 20 and 22.
const MAX_WORK_FACTOR: u8 = 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_passphrase_opens_and_another_does_not() {
        let file = seal_with_passphrase("one", 2, b"text").unwrap();
        assert_eq!(open_with_passphrase("one", &file).unwrap().as_slice(), b"text");
        assert!(matches!(open_with_passphrase("two", &file), Err(KeyringError::Sealed)));
    }

    #[test]
    fn no_recipients_is_an_error() {
        assert!(matches!(seal(std::iter::empty(), b"text"), Err(KeyringError::Recipients)));
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_refused(mut file: Vec<u8>, header: bool) {
            if header {
                file.splice(..0, *b"age-encryption.org/v1\n-> scrypt ");
            }
            prop_assert!(open_with_passphrase("one", &file).is_err());
        }
    }
}
