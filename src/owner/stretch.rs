//! Passwords to keys: the one way of this module to the hashing service.
//!
//! A password is tried as RFC 8265 prepares it, then as it was typed, since slots of earlier versions were
//! made so. One that opens a slot in the old form, or with less work than today's, is stretched once
//! more, for slots that are wrapped anew when the owner key is at hand.

use super::OwnerError;
use crate::audit::Origin;
use crate::keyring::strength::check_new;
use crate::keyring::{Passphrase, PasswordHashing, PasswordKey};
use crate::tenant::attempts::AttemptError;
use crate::vault::Vault;
use crate::vault::hashing::{HashingError, Place, Share};

/// What a right password yields.
pub(super) struct Stretched {
    /// The key that opens the slots as they are.
    pub key: PasswordKey,
    /// The key for slots wrapped anew; none if they are as today's.
    pub next: Option<PasswordKey>,
}

impl Stretched {
    /// The key that goes with a slot; none if the password has changed since.
    pub fn fitting(&self, hashing: Option<&PasswordHashing>) -> Option<&PasswordKey> {
        let keys = [Some(&self.key), self.next.as_ref()];
        keys.into_iter().flatten().find(|key| Some(key.hashing()) == hashing)
    }
}

/// Stretches a password and says whether `opens` agrees with it. With one that opens nothing the work is
/// the same as for a name that nobody has.
pub(super) async fn try_password(
    place: Place,
    password: Passphrase,
    hashing: PasswordHashing,
    opens: impl Fn(&PasswordKey) -> bool + Send + 'static,
) -> Result<Option<Stretched>, OwnerError> {
    let work = move || {
        let key = PasswordKey::derive(&password, &hashing)?;
        let renewed =
            |due: bool| due.then(|| PasswordKey::derive(&password, &PasswordHashing::fresh())).transpose();
        if opens(&key) {
            return Ok(Some(Stretched { key, next: renewed(hashing.is_outdated())? }));
        }
        if password.is_prepared() {
            return Ok(None);
        }
        let key = PasswordKey::derive_as_typed(&password, &hashing)?;
        if opens(&key) { Ok(Some(Stretched { key, next: renewed(true)? })) } else { Ok(None) }
    };
    place.run(work).await?
}

/// The key of a password that somebody wants from now on, if it is good enough; `login` is what others
/// know of them.
pub(super) async fn new_key(
    vault: &Vault,
    share: Share,
    password: Passphrase,
    login: &str,
) -> Result<PasswordKey, OwnerError> {
    let login = login.to_owned();
    let work = move || {
        check_new(&password, &[&login])
            .map_err(|weak| OwnerError::Invalid { what: "password", why: weak.to_string() })?;
        Ok(PasswordKey::derive(&password, &PasswordHashing::fresh())?)
    };
    vault.hashing.place(share).await?.run(work).await?
}

/// The network that an attempt comes from; none is this machine.
pub(super) fn network(origin: Origin) -> Option<std::net::IpAddr> {
    match Share::of(origin) {
        Share::Network(address) => Some(address),
        _ => None,
    }
}

impl From<HashingError> for OwnerError {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Busy => Self::Busy,
            HashingError::Stopping => Self::Stopping,
        }
    }
}

impl From<AttemptError> for OwnerError {
    fn from(error: AttemptError) -> Self {
        match error {
            AttemptError::Wait(wait) => Self::SoftLocked(wait),
            AttemptError::Records(error) => error.into(),
        }
    }
}
