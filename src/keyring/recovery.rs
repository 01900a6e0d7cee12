//! The recovery code: 160 random bits on paper that open the owner key with any age tool.
//!
//! Its slot is a plain age v1 passphrase file (C2SP age.md, "The scrypt recipient type") whose text
//! is an age identity file: `age -d recovery.age`, then the printed code.

use zeroize::Zeroizing;

use super::secret::secret_bytes;
use super::{Identity, KeyringError, age_file, printed};
use crate::names::TenantId;

secret_bytes! {
    /// The code that a tenant's owner keeps on paper.
    RecoveryCode, 20
}

impl RecoveryCode {
    /// As shown once, and exactly what age must be given: eight groups of four letters of
    /// lower-case base32, with dashes.
    pub fn reveal(&self) -> Zeroizing<String> {
        printed::print(self.expose())
    }

    /// Reads it as typed: dashes, blanks and case do not count.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        Ok(Self::from_bytes(&*printed::parse(text)?))
    }

    /// The recovery file of a tenant: its owner identity, sealed under this code.
    pub fn seal(&self, tenant: TenantId, owner: &Identity) -> Result<Vec<u8>, KeyringError> {
        let identity = owner.reveal();
        let text =
            Zeroizing::new(format!("# Veilpost, owner key of tenant {tenant}\n{}\n", identity.as_str()));
        age_file::seal_with_passphrase(&self.reveal(), WORK_FACTOR, text.as_bytes())
    }

    /// The owner identity out of a recovery file.
    pub fn open(&self, file: &[u8]) -> Result<Identity, KeyringError> {
        let text = age_file::open_with_passphrase(&self.reveal(), file)?;
        let text = std::str::from_utf8(&text).map_err(|_| KeyringError::Form)?;
        let identity = text.lines().find(|line| !line.starts_with('#')).ok_or(KeyringError::Form)?;
        Identity::parse(identity)
    }
}

/// log2 of scrypt's N. The lowest that all age tools read without a word: stretching makes up for
/// guessable passphrases, and nobody guesses 160 random bits.
const WORK_FACTOR: u8 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::node_age;
    use crate::keyring::secret::assert_secret;

    assert_secret!(RecoveryCode);

    #[test]
    fn the_code_opens_its_file_only() {
        let (code, owner) = (RecoveryCode::generate(), Identity::generate());
        let file = code.seal(TenantId::random(), &owner).unwrap();
        let typed = RecoveryCode::parse(&code.reveal().to_uppercase()).unwrap();
        assert_eq!(typed.open(&file).unwrap().expose(), owner.expose());
        assert!(matches!(RecoveryCode::generate().open(&file), Err(KeyringError::Sealed)));
    }

    #[test]
    fn a_file_without_identity_is_refused() {
        let code = RecoveryCode::generate();
        for text in ["", "# only a comment\n", "AGE-SECRET-KEY-1NOTOURS\n"] {
            let file = age_file::seal_with_passphrase(&code.reveal(), 2, text.as_bytes()).unwrap();
            assert!(matches!(code.open(&file), Err(KeyringError::Form)));
        }
    }

    #[test]
    fn another_age_tool_opens_it_with_the_code() {
        let Some(node) = node_age::installed() else { return };
        let (code, owner) = (RecoveryCode::generate(), Identity::generate());
        let file = code.seal(TenantId::random(), &owner).unwrap();
        let text = node.run(
            "const d = new age.Decrypter(); d.addPassphrase(process.argv[1]);
             out(await d.decrypt(input));",
            &[&code.reveal()],
            &file,
        );
        assert!(String::from_utf8(text).unwrap().contains(owner.reveal().as_str()));
    }
}
