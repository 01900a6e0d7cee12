//! The owner's side: unlocking with password and a second factor, what an unlocked owner may do to accounts
//! and views, reading whole messages, sealing old mail again.
//!
//! The owner key has a name in this module only. Nothing here serves mail clients or receives mail.

pub mod account;
pub mod addresses;
mod checked;
mod codes;
pub mod enrol;
pub mod failure;
pub mod familiar;
pub mod fetched;
pub mod folders;
pub mod index;
pub mod leave;
pub mod lines;
pub mod logins;
pub mod mail;
pub mod passkey;
pub mod policies;
pub mod preview;
pub mod remove;
pub mod reseal;
pub mod sending;
pub mod sessions;
pub mod sign_in;
pub mod sign_ins;
pub mod step_up;
mod stretch;
pub mod tokens;
pub mod unlock;
pub mod view;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use crate::audit::{Actor, Origin};
use crate::keyring::Identity;
use crate::tenant::registry::UserRef;

pub use failure::OwnerError;

/// The secret half that opens every stratum of a tenant. It exists while a call runs; between calls
/// an unlock session keeps it wrapped.
pub(in crate::owner) struct OwnerKey(Identity);

/// Who asks for something, and from where: what the audit log says of every act.
#[derive(Clone, Copy, Debug)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// From where.
    pub origin: Origin,
}

/// An unlocked owner: the user, and the key while this lives.
pub struct Unlocked {
    user: UserRef,
    key: OwnerKey,
    session: Option<sessions::SessionId>,
    origin: Origin,
    /// The codes of its session; gone when that has ended.
    codes: std::sync::Weak<step_up::Codes>,
}

impl Unlocked {
    /// Who unlocked.
    pub fn user(&self) -> UserRef {
        self.user
    }

    /// Whether the session that this was resumed from has not been ended. The recovery code has none.
    pub fn is_live(&self) -> bool {
        self.session.is_none() || self.codes.strong_count() > 0
    }

    /// Who unlocked, as the audit log has it.
    pub fn by(&self) -> By {
        By { actor: Actor::User { user: self.user.user }, origin: self.origin }
    }
}
