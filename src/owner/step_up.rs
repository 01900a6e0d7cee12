//! A code for every single message, where a tenant asks for that. The rule holds at the door to whole mail,
//! so pages, programs, the command line and the socket obey it alike.
//!
//! A code counts, is burned and is recorded as that of an unlock is; it opens one message of the session
//! that brought it, for a while.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::unlock::one_more_code;
use super::{OwnerError, Unlocked};
use crate::audit::{Act, Draft};
use crate::clock::Timestamp;
use crate::names::MessageId;
use crate::tenant::rows::{SoftlockRow, TenantRow};
use crate::tenant::softlock;
use crate::vault::Vault;

/// Codes for single messages in one unlock session. In memory only: they end with it.
#[derive(Default)]
pub(super) struct Codes(Mutex<Tried>);

#[derive(Default)]
struct Tried {
    /// The messages that a code of their own has opened, each until when.
    open: HashMap<MessageId, Range<Timestamp>>,
    /// Wrong ones.
    wrong: SoftlockRow,
}

impl Codes {
    /// Counts an attempt as failed before it is looked at.
    pub(super) fn count(&self, now: Timestamp) -> Result<(), OwnerError> {
        let mut tried = self.held();
        softlock::admit(&tried.wrong, now).map_err(OwnerError::SoftLocked)?;
        tried.wrong = softlock::after_failure(&tried.wrong, now);
        Ok(())
    }

    pub(super) fn was_right(&self) {
        self.held().wrong = SoftlockRow::default();
    }

    /// It came to nothing for a reason of the server's own.
    pub(super) fn take_back(&self, now: Timestamp) {
        let wrong = &mut self.held().wrong;
        wrong.failures = wrong.failures.saturating_sub(1);
        wrong.until = wrong.until.min(now.unix());
    }

    fn held(&self) -> MutexGuard<'_, Tried> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks one more code of an unlocked person, for one message.
pub async fn step_up(
    vault: &Vault,
    unlocked: &Unlocked,
    code: &str,
    message: MessageId,
) -> Result<(), OwnerError> {
    let codes = unlocked.codes.upgrade().ok_or(OwnerError::SessionEnded)?;
    one_more_code(vault, unlocked, &codes, code).await?;
    let by = unlocked.by();
    let draft = Draft::new(by.actor, by.origin, Act::SteppedUp { message });
    let _recorded = vault.audit.record(unlocked.user.tenant, draft).await?;
    let now = vault.clock.now();
    let open = &mut codes.held().open;
    open.retain(|_, span| span.contains(&now));
    open.insert(message, now..now.plus(HOLDS));
    Ok(())
}

/// Whether the tenant asks for a code for every single message.
pub fn is_asked(vault: &Vault, unlocked: &Unlocked) -> Result<bool, OwnerError> {
    let row: Option<TenantRow> = vault.records.system().get(&[unlocked.user.tenant.as_bytes()])?;
    Ok(row.ok_or(OwnerError::SessionEnded)?.step_up.unwrap_or(false))
}

/// Whether the message may be shown whole: a code of its own was right, or none is asked for.
pub fn may_show(vault: &Vault, unlocked: &Unlocked, message: MessageId) -> Result<bool, OwnerError> {
    Ok(!is_asked(vault, unlocked)? || has_code(unlocked, message, vault.clock.now()))
}

fn has_code(unlocked: &Unlocked, message: MessageId, now: Timestamp) -> bool {
    let Some(codes) = unlocked.codes.upgrade() else { return false };
    let open = codes.held().open.get(&message).cloned();
    open.is_some_and(|span| span.contains(&now))
}

/// How long a code for one message holds, at most: not beyond its session.
const HOLDS: Duration = Duration::from_secs(300);
