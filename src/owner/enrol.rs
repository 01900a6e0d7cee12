//! The first sign-in: a password of one's own, an authenticator, the recovery code. Each is shown to
//! the person alone, and each is done when they have proved that they have it.

use super::account::{Enrolled, change_user, enrolled, update_user, update_user_and, wrap_slots};
use super::sessions::Sessions;
use super::sign_ins::Visit;
use super::stretch::Stretched;
use super::unlock::{Opened, came_to_nothing, unlock_signed_in};
use super::{OwnerError, OwnerKey, Unlocked, passkey, view};
use crate::audit::{Act, Draft, Origin};
use crate::keyring::{KeySlot, PasswordKey, RecoveryCode, TotpEnrolment};
use crate::store::blobs::BlobName;
use crate::store::ledger::{Batch, CommitError};
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{UserRow, pending};
use crate::vault::Vault;
use crate::vault::hashing::Share;

/// What the authenticator app has to be told; only until it has shown a right code.
pub fn authenticator(vault: &Vault, visit: &Visit) -> Result<Option<Enrolled>, OwnerError> {
    let row = registry::user(&vault.records, visit.user)?.ok_or(OwnerError::SessionEnded)?;
    if !row.awaits(pending::AUTHENTICATOR) {
        return Ok(None);
    }
    enrolled(visit.user, &row.login, &TotpEnrolment::from_bytes(&row.totp)?).map(Some)
}

/// The first right code: it unlocks, and from then on the seed is shown to nobody.
pub async fn confirm_authenticator(
    vault: &Vault,
    sessions: &Sessions,
    visit: &Visit,
    code: &str,
    origin: Origin,
) -> Result<Opened, OwnerError> {
    let opened = unlock_signed_in(vault, sessions, visit, code, Some(FIRST_SIGN_IN), origin).await?;
    done(vault, visit.user, pending::AUTHENTICATOR).await?;
    Ok(opened)
}

/// A new recovery code for the unlocked tenant; the one before opens nothing any more.
pub async fn new_recovery_code(vault: &Vault, unlocked: &Unlocked) -> Result<RecoveryCode, OwnerError> {
    let user = unlocked.user;
    let code = RecoveryCode::generate();
    // scrypt over 160 random bits takes a mebibyte and milliseconds; the place is held for as long.
    let place = vault.hashing.place(Share::Known(user.user)).await?;
    let file = code.seal(user.tenant, &unlocked.key.0)?;
    drop(place);
    let (by, act) = (unlocked.by(), Act::RecoveryCodeReplaced { user: user.user });
    let recorded = vault.audit.record(user.tenant, Draft::new(by.actor, by.origin, act)).await?;
    match vault.blobs.put(&BlobName::of_recovery(user.tenant), file.into()).await {
        Ok(_) => Ok(code),
        Err(error) => Err(came_to_nothing(vault, by, &recorded, error.into()).await),
    }
}

/// From now on the person is led to a new recovery code, until they have shown that they have it.
pub async fn ask_recovery(vault: &Vault, unlocked: &Unlocked) -> Result<(), OwnerError> {
    change_user(vault, unlocked, unlocked.user, |row| {
        row.pending = Some(row.pending.unwrap_or(0) | pending::RECOVERY);
        Ok(())
    })
    .await
}

/// The person has shown that they have the recovery code.
pub async fn recovery_confirmed(vault: &Vault, unlocked: &Unlocked) -> Result<(), OwnerError> {
    change_user(vault, unlocked, unlocked.user, |row| {
        row.pending = without(row, pending::RECOVERY);
        Ok(())
    })
    .await
}

/// Gives a user from before there was a dashboard their view of it, now that the keys are at hand.
pub(super) async fn give_dashboard(
    vault: &Vault,
    user: UserRef,
    row: &UserRow,
    owner: &OwnerKey,
    password: &PasswordKey,
) -> Result<(), OwnerError> {
    if row.dashboard.is_some() {
        return Ok(());
    }
    let mut batch = Batch::new();
    let access = view::put_dashboard(vault, &mut batch, user, &owner.0.recipient(), password)?;
    match vault.records.commit(batch).await {
        Ok(_committed) => {}
        // Another unlock was faster.
        Err(CommitError::Conflict) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    update_user(vault, user, |row| {
        row.dashboard.get_or_insert_with(|| access.clone());
        Ok(())
    })
    .await
}

/// Wraps a user's slots anew where the password that opened them was stretched for slots of today: as
/// it is prepared now, with today's work. What fails here is tried again at the next unlock. Slots stay
/// as they are beside a passkey with a key of its own, which only its owner could wrap.
pub(super) async fn renew(vault: &Vault, user: UserRef, owner: &OwnerKey, password: &Stretched) {
    let Some(next) = &password.next else { return };
    let renewed = update_user_and(vault, user, |row, batch| {
        let stands = KeySlot::from_bytes(&row.owner_slot)?.hashing() == Some(password.key.hashing());
        if !stands || passkey::has_own_key(vault, user)? {
            return Err(OwnerError::SessionEnded);
        }
        wrap_slots(vault, batch, row, owner, user, next)
    });
    match renewed.await {
        Ok(()) => tracing::info!(user = %user.user, "a password's keyslots were wrapped anew"),
        Err(OwnerError::SessionEnded) => {}
        Err(error) => tracing::warn!(%error, "a password's keyslots could not be wrapped anew"),
    }
}

async fn done(vault: &Vault, user: UserRef, step: u8) -> Result<(), OwnerError> {
    update_user(vault, user, |row| {
        row.pending = without(row, step);
        Ok(())
    })
    .await
}

fn without(row: &UserRow, step: u8) -> Option<u8> {
    row.pending.map(|steps| steps & !step).filter(|steps| *steps != 0)
}

/// Why the first unlock happens, for tenants that ask.
const FIRST_SIGN_IN: &str = "setting up the authenticator at the first sign-in";
