//! A code for every single message, where a tenant asks for that. The rule holds at the door to whole mail,
//! so pages, programs, the command line and the socket obey it alike.
//!
//! A code counts, is burned and is recorded as that of an unlock is; it opens one message of the session
//! that brought it, for a while.

use std::sync::PoisonError;
use std::time::Duration;

use super::unlock::one_more_code;
use super::{OwnerError, Unlocked};
use crate::audit::{Act, Draft};
use crate::clock::Timestamp;
use crate::names::MessageId;
use crate::tenant::rows::TenantRow;
use crate::vault::Vault;

/// Checks one more code of an unlocked person, for one message.
pub async fn step_up(
    vault: &Vault,
    unlocked: &Unlocked,
    code: &str,
    message: MessageId,
) -> Result<(), OwnerError> {
    let codes = unlocked.codes.upgrade().ok_or(OwnerError::SessionEnded)?;
    one_more_code(vault, unlocked, code).await?;
    let by = unlocked.by();
    let draft = Draft::new(by.actor, by.origin, Act::SteppedUp { message });
    let _recorded = vault.audit.record(unlocked.user.tenant, draft).await?;
    let now = vault.clock.now();
    let mut codes = codes.0.lock().unwrap_or_else(PoisonError::into_inner);
    codes.retain(|_, span| span.contains(&now));
    codes.insert(message, now..now.plus(HOLDS));
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
    let codes = codes.0.lock().unwrap_or_else(PoisonError::into_inner);
    codes.get(&message).is_some_and(|span| span.contains(&now))
}

/// How long a code for one message holds, at most: not beyond its session.
const HOLDS: Duration = Duration::from_secs(300);
