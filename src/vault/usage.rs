//! What a mailbox holds, in octets of whole messages, for users whose mailbox has a limit.
//!
//! Counted once from the rows, then followed: what arrives is added, and whatever is removed makes it count
//! again. Nothing is stored, so a wrong count does not outlive `FRESH`.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Vault;
use crate::names::UserId;
use crate::records::{RecordError, Records};
use crate::store::ledger::LedgerError;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::MessageRow;

/// What the mailboxes hold that somebody asked about.
#[derive(Default)]
pub struct Usage(Mutex<HashMap<UserId, Held>>);

struct Held {
    octets: u64,
    counted: Instant,
}

/// A limit, and what is held under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// At most so many octets.
    pub quota: u64,
    /// Octets held.
    pub used: u64,
}

impl Room {
    /// Whether `octets` more fit. A mailbox that is full takes nothing, not even an empty message.
    pub fn takes(self, octets: u64) -> bool {
        self.used < self.quota && octets <= self.quota - self.used
    }
}

impl Usage {
    /// A message came in. Where nobody asked, nobody counts.
    pub fn arrived(&self, user: UserId, octets: u64) {
        if let Some(held) = self.held().get_mut(&user) {
            held.octets = held.octets.saturating_add(octets);
        }
    }

    /// Something was removed: the next one who asks counts again.
    pub fn forget(&self, user: UserId) {
        self.held().remove(&user);
    }

    fn known(&self, user: UserId) -> Option<u64> {
        self.held().get(&user).filter(|held| held.counted.elapsed() < FRESH).map(|held| held.octets)
    }

    fn keep(&self, user: UserId, octets: u64) {
        let mut held = self.held();
        if held.len() >= MOST {
            held.retain(|_, held| held.counted.elapsed() < FRESH);
        }
        if held.len() < MOST {
            held.insert(user, Held { octets, counted: Instant::now() });
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<UserId, Held>> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The room in a user's mailbox; none if it has no limit.
pub async fn room(vault: &Vault, user: UserRef) -> Result<Option<Room>, RecordError> {
    let Some(quota) = registry::user(&vault.records, user)?.and_then(|row| row.quota) else {
        return Ok(None);
    };
    Ok(Some(Room { quota, used: used(vault, user).await? }))
}

/// What the mailbox holds.
pub async fn used(vault: &Vault, user: UserRef) -> Result<u64, RecordError> {
    if let Some(octets) = vault.mailboxes.usage.known(user.user) {
        return Ok(octets);
    }
    let records = vault.records.clone();
    let counted = tokio::task::spawn_blocking(move || count(&records, user)).await;
    let octets = counted.map_err(|_| LedgerError::Stopped)??;
    vault.mailboxes.usage.keep(user.user, octets);
    Ok(octets)
}

/// Every row of the mailbox; blocks.
fn count(records: &Arc<Records>, user: UserRef) -> Result<u64, RecordError> {
    let mut octets = 0_u64;
    records.tenant(user.tenant).visit::<MessageRow>(&[user.user.as_bytes()], &[], |_, row| {
        // A row that does not open is told of where it is read.
        octets = octets.saturating_add(row.map_or(0, |row| row.octets));
        ControlFlow::Continue(())
    })?;
    Ok(octets)
}

/// How long a count is good: what was missed while it was made is found by the next.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// Counts kept at once.
const MOST: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_mailbox_takes_nothing() {
        let room = |quota, used| Room { quota, used };
        assert!(room(10, 0).takes(10));
        assert!(!room(10, 0).takes(11));
        assert!(room(10, 9).takes(1) && room(10, 9).takes(0));
        assert!(!room(10, 10).takes(0) && !room(10, 11).takes(0) && !room(0, 0).takes(0));
    }

    #[test]
    fn what_nobody_asked_about_is_not_counted() {
        let (usage, user) = (Usage::default(), UserId::random());
        usage.arrived(user, 5);
        assert_eq!(usage.known(user), None);
        usage.keep(user, 7);
        usage.arrived(user, 5);
        assert_eq!(usage.known(user), Some(12));
        usage.forget(user);
        assert_eq!(usage.known(user), None);
    }
}
