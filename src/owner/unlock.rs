//! Password and TOTP code, or the recovery code, to an unlocked owner.
//!
//! Order is everything here: the attempt counts as failed before it is looked at, the code's step
//! is burned before the share is released, the audit entry is durable before the session exists.

use super::sessions::{Ended, Sessions, Token};
use super::sign_ins::Visit;
use super::{By, OwnerError, OwnerKey, Unlocked};
use crate::audit::{Act, Actor, Draft, LockCause, Origin, Reason, Recorded, Refusal, UnlockMethod};
use crate::keyring::{
    KeySlot, Passphrase, PasswordHashing, PasswordKey, RecoveryCode, SlotBinding, TotpEnrolment,
};
use crate::names::{MessageId, TenantId};
use crate::net::metrics::Outcome;
use crate::records::Versioned;
use crate::store::blobs::{BlobError, BlobName};
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

/// Opens an unlock session with password and code, for a caller who has not signed in.
pub async fn unlock(vault: &Vault, sessions: &Sessions, attempt: Attempt) -> Result<Opened, OwnerError> {
    let reason = attempt.reason.as_deref().map(Reason::parse).transpose()?;
    let Some((user, row)) = registry::user_named(&vault.records, &attempt.login)? else {
        return refuse_unknown(vault, attempt.password).await;
    };
    let knock = Knock { user, reason, origin: attempt.origin, method: UnlockMethod::PasswordAndTotp };
    let proof = async {
        let (key, password) = verify(vault, user, &row, attempt.password, &attempt.code).await?;
        super::enrol::give_dashboard(vault, user, &row, &key, &password)
            .await
            .map_err(|error| (Refusal::WrongCredential, error))?;
        Ok(key)
    };
    admit(vault, sessions, knock, proof).await
}

/// Opens an unlock session with a code, for a person who has signed in with their password.
pub async fn unlock_signed_in(
    vault: &Vault,
    sessions: &Sessions,
    visit: &Visit,
    code: &str,
    reason: Option<&str>,
    origin: Origin,
) -> Result<Opened, OwnerError> {
    let user = visit.user;
    let reason = reason.map(Reason::parse).transpose()?;
    let row = registry::user(&vault.records, user)?.ok_or(OwnerError::Refused)?;
    let knock = Knock { user, reason, origin, method: UnlockMethod::PasswordAndTotp };
    let proof = async {
        let password = visit.password().map_err(|error| (Refusal::WrongCredential, error))?;
        by_code(vault, user, &row, &password, code).await
    };
    admit(vault, sessions, knock, proof).await
}

/// Checks one more code of an unlocked person, for one message, where their tenant asks for that.
/// It counts, burns and is recorded as an unlock is, and opens no session.
pub async fn step_up(
    vault: &Vault,
    visit: &Visit,
    code: &str,
    message: MessageId,
    origin: Origin,
) -> Result<(), OwnerError> {
    let user = visit.user;
    let row = registry::user(&vault.records, user)?.ok_or(OwnerError::Refused)?;
    count_attempt(vault, user, Door::Unlock).await?;
    let by = By { actor: Actor::User { user: user.user }, origin };
    if let Err((cause, error)) = by_code(vault, user, &row, &visit.password()?, code).await {
        vault.metrics.unlock(Outcome::failed);
        return Err(refuse(vault, user, by, Act::UnlockRefused { cause }, error).await);
    }
    clear_attempts(vault, user, Door::Unlock).await?;
    let draft = Draft::new(by.actor, origin, Act::SteppedUp { message });
    let _recorded = vault.audit.record(user.tenant, draft).await?;
    Ok(())
}

/// An attempt to unlock, whatever it brings as proof.
pub(super) struct Knock {
    pub user: UserRef,
    pub reason: Option<Reason>,
    pub origin: Origin,
    pub method: UnlockMethod,
}

/// Counts the attempt, waits for its proof, records what came of it, and opens the session.
pub(super) async fn admit(
    vault: &Vault,
    sessions: &Sessions,
    Knock { user, reason, origin, method }: Knock,
    proof: impl Future<Output = Result<OwnerKey, (Refusal, OwnerError)>>,
) -> Result<Opened, OwnerError> {
    require_reason(vault, user.tenant, reason.as_ref())?;
    count_attempt(vault, user, Door::Unlock).await?;
    let by = By { actor: Actor::User { user: user.user }, origin };
    let key = match proof.await {
        Ok(key) => key,
        Err((cause, error)) => {
            vault.metrics.unlock(Outcome::failed);
            return Err(refuse(vault, user, by, Act::UnlockRefused { cause }, error).await);
        }
    };
    clear_attempts(vault, user, Door::Unlock).await?;
    let lasts = vault.settings.unlock_lasts;
    let mut draft = Draft::new(by.actor, origin, Act::UnlockBegun { method, seconds: lasts.as_secs() });
    if let Some(reason) = reason {
        draft = draft.because(reason);
    }
    let recorded = vault.audit.record(user.tenant, draft).await?;
    let now = vault.clock.now();
    let until = now.plus(lasts);
    vault.metrics.unlock(Outcome::ok);
    Ok(Opened { token: sessions.open(user, &key, now..until, origin)?, until, recorded })
}

/// Records a refusal; what the caller is told is `error`, or that not even that could be recorded.
pub(super) async fn refuse(vault: &Vault, user: UserRef, by: By, act: Act, error: OwnerError) -> OwnerError {
    match vault.audit.record(user.tenant, Draft::new(by.actor, by.origin, act)).await {
        Ok(_recorded) => error,
        Err(unwritten) => unwritten.into(),
    }
}

/// Doors that count failures apart: a right password must not forgive wrong codes.
#[derive(Clone, Copy)]
pub(super) enum Door {
    /// Password alone.
    SignIn,
    /// Password and second factor.
    Unlock,
}

impl Door {
    /// What follows the user in the key of the door's soft lock.
    fn name(self) -> &'static [u8] {
        match self {
            Self::SignIn => b"sign-in",
            Self::Unlock => b"",
        }
    }
}

/// Opens the owner key with the tenant's recovery code, for one call on behalf of `user`.
pub async fn recover(
    vault: &Vault,
    user: UserRef,
    code: &str,
    origin: Origin,
) -> Result<Unlocked, OwnerError> {
    let code = RecoveryCode::parse(code).map_err(|_| OwnerError::Refused)?;
    let file = match vault.blobs.get(&BlobName::of_recovery(user.tenant), MAX_RECOVERY_FILE).await {
        Err(BlobError::NotFound) => return Err(OwnerError::RecoveryGone),
        read => read?,
    };
    let identity = tokio::task::spawn_blocking(move || code.open(&file))
        .await
        .map_err(|_| OwnerError::Stopping)?
        .map_err(|_| OwnerError::Refused)?;
    let act = Act::RecoveryCodeUsed { user: user.user };
    let _recorded =
        vault.audit.record(user.tenant, Draft::new(Actor::User { user: user.user }, origin, act)).await?;
    Ok(Unlocked { user, key: OwnerKey(identity), session: None, origin })
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
) -> Result<(OwnerKey, PasswordKey), (Refusal, OwnerError)> {
    let slot = KeySlot::from_bytes(&row.owner_slot).map_err(wrong)?;
    let hashing = slot.hashing().cloned().unwrap_or_else(PasswordHashing::fresh);
    let password =
        password_key(vault, password, hashing).await.map_err(|error| (Refusal::WrongCredential, error))?;
    Ok((by_code(vault, user, row, &password, code).await?, password))
}

/// The owner key, for a fresh code and what the password yielded.
async fn by_code(
    vault: &Vault,
    user: UserRef,
    row: &UserRow,
    password: &PasswordKey,
    code: &str,
) -> Result<OwnerKey, (Refusal, OwnerError)> {
    if row.disabled {
        return Err((Refusal::Disabled, OwnerError::Refused));
    }
    let slot = KeySlot::from_bytes(&row.owner_slot).map_err(wrong)?;
    let enrolment = TotpEnrolment::from_bytes(&row.totp).map_err(wrong)?;
    let passed = enrolment
        .check(code, vault.clock.now(), row.totp_last_step)
        .ok_or((Refusal::WrongCode, OwnerError::Refused))?;
    burn(vault, user, passed.step()).await.map_err(|error| (Refusal::CodeUsedBefore, error))?;
    let slot_key = password.user_slot_key(&passed.release());
    slot.open(&slot_key, &binding(user)).map(OwnerKey).map_err(wrong)
}

fn wrong(_: crate::keyring::KeyringError) -> (Refusal, OwnerError) {
    (Refusal::WrongCredential, OwnerError::Refused)
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
pub(super) async fn count_attempt(vault: &Vault, user: UserRef, door: Door) -> Result<(), OwnerError> {
    let scope = vault.records.tenant(user.tenant);
    let now = vault.clock.now();
    let parts: [&[u8]; 2] = [user.user.as_bytes(), door.name()];
    let read = scope.get_versioned::<SoftlockRow>(&parts)?;
    let row = read.as_ref().map(|read| read.row.clone()).unwrap_or_default();
    softlock::admit(&row, now).map_err(OwnerError::SoftLocked)?;
    let mut batch = Batch::new();
    let next = softlock::after_failure(&row, now);
    match read {
        Some(read) => scope.replace(&mut batch, &parts, read.sealed, &next),
        None => scope.insert(&mut batch, &parts, &next),
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

pub(super) async fn clear_attempts(vault: &Vault, user: UserRef, door: Door) -> Result<(), OwnerError> {
    let mut batch = Batch::new();
    batch.delete(crate::records::row_key::<SoftlockRow>(&[user.user.as_bytes(), door.name()]));
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
