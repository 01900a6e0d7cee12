//! Password and TOTP code, or the recovery code, to an unlocked owner.
//!
//! Order is everything here: the attempt counts as failed before it is looked at, the code's step
//! is burned before the share is released, the audit entry is durable before the session exists.

use super::sessions::{Ended, Sessions, Token};
use super::{OwnerError, OwnerKey, Unlocked};
use crate::audit::{Act, Actor, Draft, LockCause, Origin, Reason, Recorded, Refusal, UnlockMethod};
use crate::keyring::{
    KeySlot, Passphrase, PasswordHashing, PasswordKey, RecoveryCode, SlotBinding, TotpEnrolment,
};
use crate::names::TenantId;
use crate::net::metrics::Outcome;
use crate::records::Versioned;
use crate::store::blobs::BlobName;
use crate::store::ledger::Batch;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{SoftlockRow, TenantRow, UserRow};
use crate::tenant::softlock;
use crate::vault::Vault;

/// What a person brings.
pub struct Attempt {
    /// Their login.
    pub login: String,
    /// Their password.
    pub password: Passphrase,
    /// The six digits.
    pub code: String,
    /// Why they unlock.
    pub reason: Option<String>,
    /// Where they are.
    pub origin: Origin,
}

/// An open session.
pub struct Opened {
    /// What the caller carries.
    pub token: Token,
    /// When it ends by itself.
    pub until: crate::clock::Timestamp,
    /// The audit entry of the unlock.
    pub recorded: Recorded,
}

/// Opens an unlock session.
pub async fn unlock(vault: &Vault, sessions: &Sessions, attempt: Attempt) -> Result<Opened, OwnerError> {
    let reason = attempt.reason.as_deref().map(Reason::parse).transpose()?;
    let Some((user, row)) = registry::user_named(&vault.records, &attempt.login)? else {
        return refuse_unknown(vault, attempt.password).await;
    };
    require_reason(vault, user.tenant, reason.as_ref())?;
    count_attempt(vault, user).await?;
    let key = match verify(vault, user, &row, attempt.password, &attempt.code).await {
        Ok(key) => key,
        Err((cause, error)) => {
            vault.metrics.unlock(Outcome::failed);
            let act = Act::UnlockRefused { cause };
            let draft = Draft::new(Actor::User { user: user.user }, attempt.origin, act);
            let _recorded = vault.audit.record(user.tenant, draft).await?;
            return Err(error);
        }
    };
    clear_attempts(vault, user).await?;
    let lasts = vault.settings.unlock_lasts;
    let act = Act::UnlockBegun { method: UnlockMethod::PasswordAndTotp, seconds: lasts.as_secs() };
    let mut draft = Draft::new(Actor::User { user: user.user }, attempt.origin, act);
    if let Some(reason) = reason {
        draft = draft.because(reason);
    }
    let recorded = vault.audit.record(user.tenant, draft).await?;
    let until = vault.clock.now().plus(lasts);
    vault.metrics.unlock(Outcome::ok);
    Ok(Opened { token: sessions.open(user, &key, until)?, until, recorded })
}

/// Opens the owner key with the tenant's recovery code, for one call on behalf of `user`.
pub async fn recover(
    vault: &Vault,
    user: UserRef,
    code: &str,
    origin: Origin,
) -> Result<Unlocked, OwnerError> {
    let code = RecoveryCode::parse(code).map_err(|_| OwnerError::Refused)?;
    let file = vault.blobs.get(&BlobName::of_recovery(user.tenant), MAX_RECOVERY_FILE).await?;
    let identity = tokio::task::spawn_blocking(move || code.open(&file))
        .await
        .map_err(|_| OwnerError::Stopping)?
        .map_err(|_| OwnerError::Refused)?;
    let act = Act::RecoveryCodeUsed { user: user.user };
    let _recorded =
        vault.audit.record(user.tenant, Draft::new(Actor::User { user: user.user }, origin, act)).await?;
    Ok(Unlocked { user, key: OwnerKey(identity), session: None })
}

/// Writes into the audit log that sessions have ended.
pub async fn record_ends(vault: &Vault, ended: Vec<Ended>, cause: LockCause) -> Result<(), OwnerError> {
    for Ended { user, revealed } in ended {
        let act = Act::UnlockEnded { cause, revealed };
        let draft = Draft::new(Actor::User { user: user.user }, Origin::Internal, act);
        let _recorded = vault.audit.record(user.tenant, draft).await?;
    }
    Ok(())
}

/// Password to key, in a thread of its own: it takes 64 MiB and a tenth of a second.
pub(super) async fn password_key(
    vault: &Vault,
    password: Passphrase,
    hashing: PasswordHashing,
) -> Result<PasswordKey, OwnerError> {
    let _place = vault.hashing.acquire().await.map_err(|_| OwnerError::Stopping)?;
    let derived = tokio::task::spawn_blocking(move || PasswordKey::derive(&password, &hashing)).await;
    Ok(derived.map_err(|_| OwnerError::Stopping)??)
}

pub(super) fn binding(user: UserRef) -> SlotBinding {
    SlotBinding { tenant: user.tenant, user: Some(user.user), view: None, credential: None }
}

/// The owner key, for the right password and a fresh code. The password is hashed in every case,
/// so that the time tells nothing.
async fn verify(
    vault: &Vault,
    user: UserRef,
    row: &UserRow,
    password: Passphrase,
    code: &str,
) -> Result<OwnerKey, (Refusal, OwnerError)> {
    let refused = |_| (Refusal::WrongCredential, OwnerError::Refused);
    let slot = KeySlot::from_bytes(&row.owner_slot).map_err(refused)?;
    let hashing = slot.hashing().cloned().unwrap_or_else(PasswordHashing::fresh);
    let key =
        password_key(vault, password, hashing).await.map_err(|error| (Refusal::WrongCredential, error))?;
    if row.disabled {
        return Err((Refusal::Disabled, OwnerError::Refused));
    }
    let enrolment = TotpEnrolment::from_bytes(&row.totp).map_err(refused)?;
    let passed = enrolment
        .check(code, vault.clock.now(), row.totp_last_step)
        .ok_or((Refusal::WrongCode, OwnerError::Refused))?;
    burn(vault, user, passed.step()).await.map_err(|error| (Refusal::WrongCredential, error))?;
    let slot_key = key.user_slot_key(&passed.release());
    slot.open(&slot_key, &binding(user)).map(OwnerKey).map_err(refused)
}

/// Durably marks the code's step as used. Of two that come with the same code one loses.
async fn burn(vault: &Vault, user: UserRef, step: u64) -> Result<(), OwnerError> {
    let scope = vault.records.tenant(user.tenant);
    let parts: [&[u8]; 2] = [user.tenant.as_bytes(), user.user.as_bytes()];
    let Versioned { mut row, sealed } = scope.get_versioned::<UserRow>(&parts)?.ok_or(OwnerError::Refused)?;
    if row.totp_last_step.is_some_and(|last| step <= last) {
        return Err(OwnerError::Refused);
    }
    row.totp_last_step = Some(step);
    let mut batch = Batch::new();
    scope.replace(&mut batch, &parts, sealed, &row);
    vault.records.commit(batch).await.map(|_committed| ()).map_err(|_| OwnerError::Refused)
}

/// Refuses while the user has to wait; otherwise durably counts a failure, which success wipes out.
async fn count_attempt(vault: &Vault, user: UserRef) -> Result<(), OwnerError> {
    let scope = vault.records.tenant(user.tenant);
    let now = vault.clock.now();
    let read = scope.get_versioned::<SoftlockRow>(&[user.user.as_bytes()])?;
    let row = read.as_ref().map(|read| read.row.clone()).unwrap_or_default();
    softlock::admit(&row, now).map_err(OwnerError::SoftLocked)?;
    let mut batch = Batch::new();
    let next = softlock::after_failure(&row, now);
    match read {
        Some(read) => scope.replace(&mut batch, &[user.user.as_bytes()], read.sealed, &next),
        None => scope.insert(&mut batch, &[user.user.as_bytes()], &next),
    }
    // A conflict is an attempt that runs beside this one: guessing in parallel wins nothing.
    match vault.records.commit(batch).await {
        Ok(_committed) => Ok(()),
        Err(crate::store::ledger::CommitError::Conflict) => {
            Err(OwnerError::SoftLocked(std::time::Duration::from_secs(1)))
        }
        Err(error) => Err(error.into()),
    }
}

async fn clear_attempts(vault: &Vault, user: UserRef) -> Result<(), OwnerError> {
    let mut batch = Batch::new();
    batch.delete(crate::records::row_key::<SoftlockRow>(&[user.user.as_bytes()]));
    let _committed = vault.records.commit(batch).await?;
    Ok(())
}

fn require_reason(vault: &Vault, tenant: TenantId, reason: Option<&Reason>) -> Result<(), OwnerError> {
    let tenant: Option<TenantRow> = vault.records.system().get(&[tenant.as_bytes()])?;
    let required = vault.settings.reason_required || tenant.is_some_and(|row| row.reason_required);
    if required && reason.is_none() { Err(OwnerError::ReasonNeeded) } else { Ok(()) }
}

/// Takes the same time as a wrong password.
async fn refuse_unknown(vault: &Vault, password: Passphrase) -> Result<Opened, OwnerError> {
    let _same_work = password_key(vault, password, PasswordHashing::fresh()).await?;
    Err(OwnerError::Refused)
}

/// A recovery file has some 300 octets.
const MAX_RECOVERY_FILE: u64 = 16 * 1024;
