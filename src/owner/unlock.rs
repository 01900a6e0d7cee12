//! Password and TOTP code, or the recovery code, to an unlocked owner.
//!
//! Order is everything here: the attempt counts as failed before it is looked at, the code's step
//! is burned before the share is released, the audit entry is durable before the session exists.

use super::familiar::Familiar;
use super::sessions::{Ended, Lasts, Sessions, Token};
use super::sign_ins::{Since, Visit};
use super::step_up::Codes;
use super::stretch::{Stretched, network, try_password};
use super::view::dashboard_binding;
use super::{By, OwnerError, OwnerKey, Unlocked, codes};
use crate::audit::{Act, Actor, Draft, LockCause, Origin, Reason, Recorded, Refusal, UnlockMethod};
use crate::keyring::{KeySlot, Passphrase, PasswordHashing, PasswordKey, RecoveryCode, SlotBinding};
use crate::names::{CredentialId, TenantId};
use crate::net::metrics::Outcome;
use crate::records::Versioned;
use crate::store::blobs::{BlobError, BlobName};
use crate::store::ledger::{Batch, CommitError};
use crate::tenant::attempts;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{SoftlockRow, TenantRow, UserRow};
use crate::tenant::softlock;
use crate::vault::Vault;
use crate::vault::hashing::{Place, Share};
use std::time::Duration;

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
    /// The token for the HTTP API that the request came with, if it came with a good one.
    pub token: Option<(UserRef, CredentialId)>,
}

/// An open session.
pub struct Opened {
    /// What the caller carries.
    pub token: Token,
    /// When it ends by itself, unless it is used.
    pub until: crate::clock::Timestamp,
    /// When it ends in any case.
    pub longest: crate::clock::Timestamp,
    /// The audit entry of the unlock.
    pub recorded: Recorded,
}

/// Opens an unlock session with password and code, for a caller who has not signed in. The password
/// counts apart from the code: whoever has neither keeps nobody from unlocking.
pub async fn unlock(vault: &Vault, sessions: &Sessions, attempt: Attempt) -> Result<Opened, OwnerError> {
    let Attempt { login, password, code, reason, origin, token } = attempt;
    let (since, reason) = (sessions.sign_ins.since(), reason.as_deref().map(Reason::parse).transpose()?);
    let found = registry::user_named(&vault.records, &login)?;
    let (counted, share) = match token {
        Some((user, id)) => {
            (attempts::Attempt::of_known(&vault.records, id.as_bytes()), Share::Known(user.user))
        }
        // Whoever is at the socket is not held up by strangers at the sign-in page, who count by name.
        None if origin == Origin::UnixSocket => {
            let who = [b"socket ", login.trim().to_lowercase().as_bytes()].concat();
            (attempts::Attempt::of_known(&vault.records, &who), Share::of(origin))
        }
        None => (attempts::Attempt::of_stranger(&vault.records, &login, network(origin)), Share::of(origin)),
    };
    counted.admit(&vault.records, vault.clock.now())?;
    let place = vault.hashing.place(share).await?;
    counted.count(&vault.records, vault.clock.now()).await?;
    let proven = match prove(place, found.as_ref(), password).await {
        Ok(proven) => proven,
        Err(error) => {
            counted.take_back(&vault.records, vault.clock.now()).await?;
            return Err(error);
        }
    };
    let Some((user, row)) = found else {
        counted.write_again(&vault.records).await?;
        return Err(OwnerError::Refused);
    };
    let Some(password) = proven else {
        vault.metrics.unlock(Outcome::failed);
        let by = By { actor: Actor::User { user: user.user }, origin };
        let cause = if row.disabled { Refusal::Disabled } else { Refusal::WrongCredential };
        return Err(refuse(vault, user, by, Act::UnlockRefused { cause }, OwnerError::Refused).await);
    };
    counted.succeeded(&vault.records).await?;
    let door = if origin == Origin::UnixSocket { Door::Socket } else { Door::Newcomer };
    let knock = Knock { user, reason, origin, method: UnlockMethod::PasswordAndTotp, door, since };
    let proof = async {
        let key = codes::open(vault, user, &password, &code, row.dashboard.is_some()).await?;
        super::enrol::give_dashboard(vault, user, &row, &key, &password.key).await.map_err(Denied::Fault)?;
        super::enrol::renew(vault, user, &key, &password).await;
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
    let (since, user) = (sessions.sign_ins.since(), visit.user);
    let reason = reason.map(Reason::parse).transpose()?;
    let door = Door::of(visit);
    let knock = Knock { user, reason, origin, method: UnlockMethod::PasswordAndTotp, door, since };
    let proof = async {
        let password = visit.password().map_err(Denied::Fault)?;
        let key = codes::open(vault, user, &password, code, true).await?;
        super::enrol::renew(vault, user, &key, &password).await;
        Ok(key)
    };
    admit(vault, sessions, knock, proof).await
}

/// Checks one more code of a person who is unlocked already. It counts, burns and is recorded as an
/// unlock's is; wrong ones count for their session alone, so that nobody else shuts them out.
pub(super) async fn one_more_code(
    vault: &Vault,
    unlocked: &Unlocked,
    tried: &Codes,
    code: &str,
) -> Result<(), OwnerError> {
    tried.count(vault.clock.now())?;
    match codes::check(vault, unlocked.user, code).await {
        Ok(()) => tried.was_right(),
        Err(Denied::Fault(error)) => {
            tried.take_back(vault.clock.now());
            return Err(error);
        }
        Err(denied) => return Err(record_denied(vault, unlocked.user, unlocked.by(), denied).await),
    }
    Ok(())
}

/// An attempt to unlock, whatever it brings as proof.
pub(super) struct Knock {
    pub user: UserRef,
    pub reason: Option<Reason>,
    pub origin: Origin,
    pub method: UnlockMethod,
    pub door: Door,
    pub since: Since,
}

/// Why a proof opens nothing.
#[derive(Debug)]
pub(super) enum Denied {
    /// It is wrong: recorded and counted.
    Wrong(Refusal),
    /// The code belongs to another time, by so many seconds: recorded and counted.
    ClockOff(i64),
    /// The server could not look: that says nothing of the proof, and does not count.
    Fault(OwnerError),
}

impl<E: Into<OwnerError>> From<E> for Denied {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

/// Counts the attempt, waits for its proof, records what came of it, and opens the session.
pub(super) async fn admit(
    vault: &Vault,
    sessions: &Sessions,
    Knock { user, reason, origin, method, door, since }: Knock,
    proof: impl Future<Output = Result<OwnerKey, Denied>>,
) -> Result<Opened, OwnerError> {
    require_reason(vault, user.tenant, reason.as_ref())?;
    count_attempt(vault, user, door).await?;
    let by = By { actor: Actor::User { user: user.user }, origin };
    let key = match proof.await {
        Ok(key) => key,
        Err(denied) => return Err(deny(vault, user, door, by, denied).await),
    };
    clear_attempts(vault, user, door).await?;
    let lasts = lasts(vault, user.tenant)?;
    // Using it longer is no act of its own: the entry names the end that no use goes beyond.
    let seconds = lasts.longest.as_secs();
    let mut draft = Draft::new(by.actor, origin, Act::UnlockBegun { method, seconds });
    if let Some(reason) = reason {
        draft = draft.because(reason);
    }
    let recorded = vault.audit.record(user.tenant, draft).await?;
    let now = vault.clock.now();
    match sessions.open(user, &key, now, lasts, origin, since) {
        Ok(token) => {
            vault.metrics.unlock(Outcome::ok);
            let (until, longest) = (now.plus(lasts.idle), now.plus(lasts.longest));
            Ok(Opened { token, until, longest, recorded })
        }
        Err(error) => Err(came_to_nothing(vault, by, &recorded, error).await),
    }
}

/// Records what was wrong; what the server itself could not do is not counted.
async fn deny(vault: &Vault, user: UserRef, door: Door, by: By, denied: Denied) -> OwnerError {
    if let Denied::Fault(_) = denied {
        // If that cannot be written either, it is the same trouble.
        let _same_trouble = take_back(vault, user, door).await;
    }
    record_denied(vault, user, by, denied).await
}

async fn record_denied(vault: &Vault, user: UserRef, by: By, denied: Denied) -> OwnerError {
    let (cause, error) = match denied {
        Denied::Fault(error) => return error,
        Denied::ClockOff(ahead) => (Refusal::ClockOff, OwnerError::ClockOff(ahead)),
        Denied::Wrong(cause @ Refusal::CodeUsedBefore) => (cause, OwnerError::CodeUsed),
        Denied::Wrong(cause) => (cause, OwnerError::Refused),
    };
    vault.metrics.unlock(Outcome::failed);
    refuse(vault, user, by, Act::UnlockRefused { cause }, error).await
}

/// Says in the log that what an entry announces did not happen. If that cannot be written either, both
/// are in the server's own log.
pub(super) async fn came_to_nothing(
    vault: &Vault,
    by: By,
    recorded: &Recorded,
    error: OwnerError,
) -> OwnerError {
    entry_came_to_nothing(vault, by, (recorded.tenant(), recorded.sequence()), error).await
}

/// The same of an entry whose proof somebody else has.
pub(super) async fn entry_came_to_nothing(
    vault: &Vault,
    by: By,
    (tenant, of): (TenantId, u64),
    error: OwnerError,
) -> OwnerError {
    let written = vault.audit.record(tenant, Draft::new(by.actor, by.origin, Act::Failed { of })).await;
    if let Err(unwritten) = written {
        tracing::error!(%error, %unwritten, "an act failed, and the audit log does not say so");
    }
    error
}

/// How long an unlock lasts in a tenant: as it says, within what the server says.
pub fn lasts(vault: &Vault, tenant: TenantId) -> Result<Lasts, OwnerError> {
    let row: Option<TenantRow> = vault.records.system().get(&[tenant.as_bytes()])?;
    Ok(lasts_of(vault, row.as_ref()))
}

/// The same by the tenant's row.
pub(super) fn lasts_of(vault: &Vault, row: Option<&TenantRow>) -> Lasts {
    let minutes = |minutes: Option<u32>| minutes.map(|count| Duration::from_secs(u64::from(count) * 60));
    let (idle, longest) = row.map_or((None, None), |row| (row.unlock_minutes, row.unlock_longest_minutes));
    let settings = &vault.settings;
    let longest = minutes(longest).unwrap_or(settings.unlock_longest).min(settings.unlock_longest);
    Lasts { idle: minutes(idle).unwrap_or(settings.unlock_lasts).min(longest), longest }
}

/// Records a refusal; what the caller is told is `error`, or that not even that could be recorded.
pub(super) async fn refuse(vault: &Vault, user: UserRef, by: By, act: Act, error: OwnerError) -> OwnerError {
    match vault.audit.record(user.tenant, Draft::new(by.actor, by.origin, act)).await {
        Ok(_recorded) => error,
        Err(unwritten) => unwritten.into(),
    }
}

/// Doors that count wrong codes apart. A right password is in all of them: whoever has one and guesses
/// codes shuts the door of newcomers, and not those that only the owner came through before.
#[derive(Clone, Copy)]
pub(super) enum Door {
    /// A browser or program in which the whole was never unlocked.
    Newcomer,
    /// A browser in which it was.
    Browser([u8; 16]),
    /// The administration socket, which root and the server's own user alone may use.
    Socket,
}

impl Door {
    pub(super) fn of(visit: &Visit) -> Self {
        let known = visit.familiar.filter(|familiar: &Familiar| familiar.unlocked);
        known.map_or(Self::Newcomer, |familiar| Self::Browser(familiar.browser))
    }

    /// What follows the user in the key of the door's soft lock.
    fn name(&self) -> &[u8] {
        match self {
            Self::Newcomer => b"",
            Self::Browser(browser) => browser,
            Self::Socket => b"socket",
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
    let place = vault.hashing.place(Share::of(origin)).await?;
    let identity = place.run(move || code.open(&file)).await?.map_err(|_| OwnerError::Refused)?;
    let act = Act::RecoveryCodeUsed { user: user.user };
    let _recorded =
        vault.audit.record(user.tenant, Draft::new(Actor::User { user: user.user }, origin, act)).await?;
    Ok(Unlocked { user, key: OwnerKey(identity), session: None, origin, codes: std::sync::Weak::new() })
}

/// Writes into the audit log that sessions have ended: of all that can be written, whatever becomes of
/// the others. The sessions are gone already.
pub async fn record_ends(vault: &Vault, ended: Vec<Ended>, cause: LockCause) -> Result<(), OwnerError> {
    let mut outcome = Ok(());
    for Ended { user, revealed } in ended {
        let act = Act::UnlockEnded { cause, revealed };
        let draft = Draft::new(Actor::User { user: user.user }, Origin::Internal, act);
        if let Err(error) = vault.audit.record(user.tenant, draft).await {
            outcome = outcome.and(Err(error.into()));
        }
    }
    outcome
}

pub(super) fn binding(user: UserRef) -> SlotBinding {
    SlotBinding { tenant: user.tenant, user: Some(user.user), view: None, credential: None }
}

/// What the password yields, if it opens the dashboard's slot; none if it is wrong. The password is
/// hashed in every case, so that the time tells nothing. Users from before there was a dashboard have
/// no such slot: for them the code has to be right, too.
async fn prove(
    place: Place,
    found: Option<&(UserRef, UserRow)>,
    password: Passphrase,
) -> Result<Option<Stretched>, OwnerError> {
    let Some((user, row)) = found else {
        let nobody = try_password(place, password, PasswordHashing::fresh(), |_| false);
        return nobody.await;
    };
    let disabled = row.disabled;
    let owner_slot = KeySlot::from_bytes(&row.owner_slot)?;
    let Some(access) = &row.dashboard else {
        let hashing = owner_slot.hashing().copied().unwrap_or_else(PasswordHashing::fresh);
        return try_password(place, password, hashing, move |_| !disabled).await;
    };
    let (slot, binding) = (KeySlot::from_bytes(&access.slot)?, dashboard_binding(*user, access.view));
    let hashing = slot.hashing().copied().unwrap_or_else(PasswordHashing::fresh);
    let opens = move |key: &PasswordKey| !disabled && slot.open(&key.dashboard_slot_key(), &binding).is_ok();
    try_password(place, password, hashing, opens).await
}

/// Refuses while the user has to wait; otherwise durably counts a failure, which success wipes out.
/// Attempts that run beside each other are counted one by one: guessing in parallel wins nothing.
pub(super) async fn count_attempt(vault: &Vault, user: UserRef, door: Door) -> Result<(), OwnerError> {
    let now = vault.clock.now();
    change_count(vault, user, door, |row| {
        softlock::admit(row, now).map_err(OwnerError::SoftLocked)?;
        Ok(softlock::after_failure(row, now))
    })
    .await
}

/// The attempt came to nothing for a reason of the server's own: it does not count.
async fn take_back(vault: &Vault, user: UserRef, door: Door) -> Result<(), OwnerError> {
    let now = vault.clock.now().unix();
    change_count(vault, user, door, |row| {
        Ok(SoftlockRow { failures: row.failures.saturating_sub(1), until: row.until.min(now) })
    })
    .await
}

async fn change_count(
    vault: &Vault,
    user: UserRef,
    door: Door,
    change: impl Fn(&SoftlockRow) -> Result<SoftlockRow, OwnerError>,
) -> Result<(), OwnerError> {
    let scope = vault.records.tenant(user.tenant);
    let parts: [&[u8]; 2] = [user.user.as_bytes(), door.name()];
    for _ in 0..MAX_CONFLICTS {
        let read = scope.get_versioned::<SoftlockRow>(&parts)?;
        let next = change(&read.as_ref().map(|read| read.row.clone()).unwrap_or_default())?;
        let mut batch = Batch::new();
        match read {
            Some(Versioned { sealed, .. }) => scope.replace(&mut batch, &parts, sealed, &next),
            None => scope.insert(&mut batch, &parts, &next),
        }
        match vault.records.commit(batch).await {
            Ok(_committed) => return Ok(()),
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
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

/// A recovery file has some 300 octets.
const MAX_RECOVERY_FILE: u64 = 16 * 1024;
/// Nobody changes one row so often that this many readings are stale.
const MAX_CONFLICTS: usize = 32;
