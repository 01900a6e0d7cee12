//! The owner's side: unlocking with password and TOTP, what an unlocked owner may do to accounts
//! and views, reading whole messages, sealing old mail again.
//!
//! The owner key has a name in this module only. Nothing here serves mail clients or receives mail.

pub mod account;
pub mod failure;
pub mod mail;
pub mod remove;
pub mod reseal;
pub mod sessions;
pub mod unlock;
pub mod view;

use crate::keyring::Identity;
use crate::tenant::registry::UserRef;

pub use failure::OwnerError;

/// The secret half that opens every stratum of a tenant. It exists while a call runs; between calls
/// an unlock session keeps it wrapped.
pub(in crate::owner) struct OwnerKey(Identity);

/// An unlocked owner: the user, and the key while this lives.
pub struct Unlocked {
    user: UserRef,
    key: OwnerKey,
    session: Option<sessions::SessionId>,
}

impl Unlocked {
    /// Who unlocked.
    pub fn user(&self) -> UserRef {
        self.user
    }
}
