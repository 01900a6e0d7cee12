//! Account key and certificate in the key folder, mode 0600.
//!
//! The certificate lies in one file with its key, so that a crash cannot leave two that do not match.

use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::AcmeError;
use crate::net::tls::{Certificate, KeyPem};

pub(super) struct Cache {
    account: PathBuf,
    certificate: PathBuf,
}

/// An account belongs to the authority whose directory it came from.
#[derive(Serialize, Deserialize)]
struct Account<C> {
    directory: String,
    credentials: C,
}

impl Cache {
    pub(super) fn new(folder: &Path) -> Self {
        Self { account: folder.join("acme-account.json"), certificate: folder.join("acme-certificate.pem") }
    }

    /// The account at `directory`; none if there is none yet or the file is of no use.
    pub(super) fn account(&self, directory: &str) -> Result<Option<AccountCredentials>, AcmeError> {
        let text = match read(&self.account) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(AcmeError::Cache { path: self.account.clone(), source }),
        };
        let parsed: Result<Account<AccountCredentials>, _> = serde_json::from_slice(&text);
        Ok(parsed.ok().filter(|account| account.directory == directory).map(|account| account.credentials))
    }

    pub(super) fn keep_account(
        &self,
        directory: &str,
        credentials: &AccountCredentials,
    ) -> Result<(), AcmeError> {
        let account = Account { directory: directory.to_owned(), credentials };
        let text = serde_json::to_vec(&account).map(Zeroizing::new).map_err(instant_acme::Error::from)?;
        write(&self.account, &text)
    }

    /// The certificate kept from before; none if it is not there or not usable.
    pub(super) fn certificate(&self) -> Option<Certificate> {
        let text = read(&self.certificate).ok()?;
        Certificate::from_pem(&text, &text).ok()
    }

    pub(super) fn keep_certificate(&self, chain: &str, key: &KeyPem) -> Result<(), AcmeError> {
        let mut both = Zeroizing::new(String::with_capacity(key.expose().len() + chain.len()));
        both.push_str(key.expose());
        both.push_str(chain);
        write(&self.certificate, both.as_bytes())
    }
}

fn write(path: &Path, content: &[u8]) -> Result<(), AcmeError> {
    let failed = |source| AcmeError::Cache { path: path.to_owned(), source };
    crate::private_file::replace(path, content).map_err(failed)
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_FILE));
    std::fs::File::open(path)?.take(MAX_FILE as u64).read_to_end(&mut content)?;
    Ok(content)
}

/// Octets.
const MAX_FILE: usize = 256 * 1024;
