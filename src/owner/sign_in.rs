//! Signing in to the dashboard: the password alone opens the user's dashboard view, and nothing else.
//!
//! The same order as an unlock: the attempt counts as failed before it is looked at, Argon2id runs
//! for unknown names too, and the opening of the view is in the audit log before it is handed out.

use super::unlock::{Door, clear_attempts, count_attempt, password_key, refuse};
use super::view::dashboard_binding;
use super::{By, OwnerError};
use crate::audit::{Act, Actor, Draft, Origin, Protocol, Recorded, Refusal};
use crate::keyring::{Identity, KeySlot, Passphrase, PasswordHashing, PasswordKey};
use crate::names::ViewId;
use crate::net::metrics::{self, Outcome};
use crate::store::ledger::Batch;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{LastUsedRow, UserRow};
use crate::vault::Vault;

/// What a person brings to the sign-in page.
pub struct Entrance {
    /// Their login.
    pub login: String,
    /// Their password.
    pub password: Passphrase,
    /// Where they are.
    pub origin: Origin,
}

/// A person who has signed in: their view is open, the whole is not.
pub struct SignedIn {
    /// Who.
    pub user: UserRef,
    /// The view that the dashboard lists.
    pub view: ViewId,
    /// Its identity.
    pub(super) identity: Identity,
    /// What the password yielded; with a code it opens the owner's keyslot.
    pub(super) password: PasswordKey,
    /// The audit entry of the view's opening.
    pub recorded: Recorded,
}

/// Signs in with a password.
pub async fn sign_in(vault: &Vault, entrance: Entrance) -> Result<SignedIn, OwnerError> {
    let Some((user, row)) = registry::user_named(&vault.records, &entrance.login)? else {
        let _same_work = password_key(vault, entrance.password, PasswordHashing::fresh()).await?;
        return Err(OwnerError::Refused);
    };
    let by = By { actor: Actor::User { user: user.user }, origin: entrance.origin };
    count_attempt(vault, user, Door::SignIn).await?;
    let opened = open(vault, user, &row, entrance.password).await;
    let Ok((view, identity, password)) = opened else {
        vault.metrics.login(metrics::Protocol::dashboard, Outcome::failed);
        let cause = if row.disabled { Refusal::Disabled } else { Refusal::WrongCredential };
        let act = Act::SignInRefused { protocol: Protocol::Dashboard, cause };
        return Err(refuse(vault, user, By { actor: Actor::Nobody, ..by }, act, OwnerError::Refused).await);
    };
    clear_attempts(vault, user, Door::SignIn).await?;
    note(vault, user);
    let recorded = vault.audit.record(user.tenant, Draft::new(by.actor, by.origin, Act::SignedIn)).await?;
    vault.metrics.login(metrics::Protocol::dashboard, Outcome::ok);
    Ok(SignedIn { user, view, identity, password, recorded })
}

/// Notes when the person last signed in. Nobody waits for it.
fn note(vault: &Vault, user: UserRef) {
    let mut batch = Batch::new();
    let now = LastUsedRow { at: vault.clock.now().unix() };
    vault.records.tenant(user.tenant).put(&mut batch, &[user.user.as_bytes()], &now);
    drop(vault.records.commit(batch));
}

/// Opens the dashboard's keyslot. The password is hashed in every case.
async fn open(
    vault: &Vault,
    user: UserRef,
    row: &UserRow,
    password: Passphrase,
) -> Result<(ViewId, Identity, PasswordKey), OwnerError> {
    let access = row.dashboard.as_ref();
    let slot = access.and_then(|access| KeySlot::from_bytes(&access.slot).ok());
    let hashing = slot.as_ref().and_then(KeySlot::hashing).copied().unwrap_or_else(PasswordHashing::fresh);
    let key = password_key(vault, password, hashing).await?;
    let (Some(access), Some(slot), false) = (access, slot, row.disabled) else {
        return Err(OwnerError::Refused);
    };
    let identity = slot.open(&key.dashboard_slot_key(), &dashboard_binding(user, access.view));
    Ok((access.view, identity.map_err(|_| OwnerError::Refused)?, key))
}
