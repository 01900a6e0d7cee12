//! Codes of an authenticator at work: a right one is marked as used, durably, before its share is
//! released, and opens the owner key together with the password.
//!
//! What the check rests on, the user's row, is a precondition of the mark. Whoever was slower looks
//! again: a row that changed for another reason makes no code wrong.

use super::stretch::Stretched;
use super::unlock::{Denied, binding};
use super::{OwnerError, OwnerKey};
use crate::audit::Refusal;
use crate::keyring::{CodeCheck, KeySlot, KeyringError, TotpEnrolment, UsedSteps};
use crate::records::{Versioned, row_key};
use crate::store::ledger::{Batch, CommitError, Expectation};
use crate::tenant::registry::UserRef;
use crate::tenant::rows::{UsedCodesRow, UserRow};
use crate::vault::Vault;

/// The owner key, for a fresh code and what the password yielded. `proven` says that the password is
/// known to be right: only then is anybody told that a clock is off.
pub(super) async fn open(
    vault: &Vault,
    user: UserRef,
    password: &Stretched,
    code: &str,
    proven: bool,
) -> Result<OwnerKey, Denied> {
    for _ in 0..MAX_CONFLICTS {
        let seen = Seen::read(vault, user)?;
        if seen.row.disabled {
            return Err(Denied::Wrong(Refusal::Disabled));
        }
        let slot = KeySlot::from_bytes(&seen.row.owner_slot)?;
        // The password was changed after this session began.
        let password = password.fitting(slot.hashing()).ok_or(OwnerError::SessionEnded)?;
        let enrolment = TotpEnrolment::from_bytes(&seen.row.totp)?;
        let now = vault.clock.now();
        match enrolment.check(code, now, seen.used()) {
            CodeCheck::Fresh(passed) => {
                if seen.spend(vault, user, passed.step(), true).await? {
                    let key = password.user_slot_key(&passed.release());
                    return slot.open(&key, &binding(user)).map(OwnerKey).map_err(wrong);
                }
            }
            CodeCheck::Used => return Err(Denied::Wrong(Refusal::CodeUsedBefore)),
            // A code of a time gone by opens nothing any more. One of a time to come is spent before
            // anybody is told that it is one, so that this is of no use to whoever guesses.
            CodeCheck::Elsewhen { ahead, .. } if proven && ahead < 0 => return Err(Denied::ClockOff(ahead)),
            CodeCheck::Elsewhen { step, ahead } if proven && seen.has_room(now.unix()) => {
                if seen.spend(vault, user, step, false).await? {
                    return Err(Denied::ClockOff(ahead));
                }
            }
            _ => return Err(Denied::Wrong(Refusal::WrongCode)),
        }
    }
    Err(CommitError::Conflict.into())
}

/// Spends a right code of somebody whose password and key are proven already. What it releases is dropped.
pub(super) async fn check(vault: &Vault, user: UserRef, code: &str) -> Result<(), Denied> {
    for _ in 0..MAX_CONFLICTS {
        let seen = Seen::read(vault, user)?;
        if seen.row.disabled {
            return Err(Denied::Wrong(Refusal::Disabled));
        }
        let (enrolment, now) = (TotpEnrolment::from_bytes(&seen.row.totp)?, vault.clock.now());
        match enrolment.check(code, now, seen.used()) {
            CodeCheck::Fresh(passed) => {
                if seen.spend(vault, user, passed.step(), true).await? {
                    return Ok(());
                }
            }
            CodeCheck::Used => return Err(Denied::Wrong(Refusal::CodeUsedBefore)),
            CodeCheck::Elsewhen { ahead, .. } if ahead < 0 => return Err(Denied::ClockOff(ahead)),
            _ => return Err(Denied::Wrong(Refusal::WrongCode)),
        }
    }
    Err(CommitError::Conflict.into())
}

fn wrong(_: KeyringError) -> Denied {
    Denied::Wrong(Refusal::WrongCredential)
}

/// What a check rests on, as it was read.
struct Seen {
    row: UserRow,
    sealed: Vec<u8>,
    used: UsedCodesRow,
    used_sealed: Option<Vec<u8>>,
}

impl Seen {
    fn read(vault: &Vault, user: UserRef) -> Result<Self, OwnerError> {
        let scope = vault.records.tenant(user.tenant);
        let parts = [&user.tenant.as_bytes()[..], user.user.as_bytes()];
        let Versioned { row, sealed } =
            scope.get_versioned::<UserRow>(&parts)?.ok_or(OwnerError::SessionEnded)?;
        let (used, used_sealed) = match scope.get_versioned::<UsedCodesRow>(&parts)? {
            Some(Versioned { row, sealed }) => (row, Some(sealed)),
            None => (UsedCodesRow { last: row.totp_last_step, recent: Vec::new() }, None),
        };
        Ok(Self { row, sealed, used, used_sealed })
    }

    fn used(&self) -> UsedSteps<'_> {
        UsedSteps { last: self.used.last, recent: &self.used.recent }
    }

    /// Whether one more step of a time to come can be kept in mind.
    fn has_room(&self, now: i64) -> bool {
        let to_come = |step: &&u64| i64::try_from(**step).unwrap_or(i64::MAX) > now / 30;
        self.used.recent.iter().filter(to_come).count() < MOST_TO_COME
    }

    /// Durably marks a step; `used` says that it opens something now. False if what was read has
    /// changed: of two that come with the same code one looks again and finds it used.
    async fn spend(&self, vault: &Vault, user: UserRef, step: u64, used: bool) -> Result<bool, OwnerError> {
        let scope = vault.records.tenant(user.tenant);
        let parts = [&user.tenant.as_bytes()[..], user.user.as_bytes()];
        let mut next = self.used.clone();
        // The last one stays known when the clock, and the last with it, goes back.
        next.recent.extend(next.last.filter(|last| !self.used.recent.contains(last)));
        if used {
            next.last = Some(step);
        }
        next.recent.push(step);
        next.recent.sort_unstable();
        next.recent.dedup();
        let beyond = next.recent.len().saturating_sub(MOST_RECENT);
        next.recent.drain(..beyond);
        let mut batch = Batch::new();
        batch.require(row_key::<UserRow>(&parts), Expectation::Equals(self.sealed.clone()));
        match &self.used_sealed {
            Some(sealed) => scope.replace(&mut batch, &parts, sealed.clone(), &next),
            None => scope.insert(&mut batch, &parts, &next),
        }
        match vault.records.commit(batch).await {
            Ok(_committed) => Ok(true),
            Err(CommitError::Conflict) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Steps that are kept in mind: more than people unlock in the hour for which a clock is wrong.
const MOST_RECENT: usize = 64;
/// Of these, so many may lie ahead: then a code of a time to come is wrong like any other.
const MOST_TO_COME: usize = 32;
/// A row that changes more often than this within one attempt is trouble.
const MAX_CONFLICTS: usize = 32;
