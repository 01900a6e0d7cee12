//! A budget of memory with a share for everybody, so that nobody takes it all.
//!
//! A [`Lease`] lives as long as the memory it stands for: it travels with it. Who takes part, and what costs
//! how much, is the caller's to know.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So much memory for all, half of it at most for one.
pub struct Budget<K> {
    all: Arc<Semaphore>,
    total: u32,
    shares: Mutex<HashMap<K, Weak<Semaphore>>>,
}

/// Some memory of a [`Budget`]; it is given back on drop.
pub struct Lease {
    _own: Option<OwnedSemaphorePermit>,
    _all: Option<OwnedSemaphorePermit>,
    /// The share is remembered as long as somebody has some of it.
    _share: Arc<Semaphore>,
}

impl<K: Copy + Eq + Hash> Budget<K> {
    /// A budget of so many octets.
    pub fn new(octets: u64) -> Self {
        let total = u32::try_from(octets / UNIT).unwrap_or(MOST).clamp(2, MOST);
        Self { all: Arc::new(Semaphore::new(total as usize)), total, shares: Mutex::default() }
    }

    /// Waits for memory for so many octets: first for those who share with `who`, then for all. What is more than
    /// a share takes all of the share, what is more than all has it alone. Whoever has some must not ask again:
    /// that could wait for itself.
    pub async fn take(&self, who: K, octets: u64) -> Lease {
        let wanted = u32::try_from(octets / UNIT + 1).unwrap_or(MOST);
        let share = self.share(who);
        // Neither is ever closed.
        let own = share.clone().acquire_many_owned(wanted.min(self.total / 2)).await.ok();
        let all = self.all.clone().acquire_many_owned(wanted.min(self.total)).await.ok();
        Lease { _own: own, _all: all, _share: share }
    }

    /// The same if it is there at once.
    pub fn try_take(&self, who: K, octets: u64) -> Option<Lease> {
        let wanted = u32::try_from(octets / UNIT + 1).unwrap_or(MOST);
        let share = self.share(who);
        let own = share.clone().try_acquire_many_owned(wanted.min(self.total / 2)).ok()?;
        let all = self.all.clone().try_acquire_many_owned(wanted.min(self.total)).ok()?;
        Some(Lease { _own: Some(own), _all: Some(all), _share: share })
    }

    fn share(&self, who: K) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&who).and_then(Weak::upgrade) {
            return share;
        }
        if shares.len() >= FORGET_AT {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Semaphore::new((self.total / 2) as usize));
        shares.insert(who, Arc::downgrade(&share));
        share
    }
}

/// Octets of one unit.
const UNIT: u64 = 16 * 1024;
/// Units of the largest budget, which a semaphore can count anywhere.
const MOST: u32 = 1 << 26;
/// Names that are remembered before those without memory are forgotten.
const FORGET_AT: usize = 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn taken(budget: &Budget<u8>, who: u8, units: u64) -> Option<Lease> {
        timeout(Duration::from_secs(1), budget.take(who, (units - 1) * UNIT)).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn one_takes_a_share_and_others_have_theirs() {
        let budget = Budget::new(10 * UNIT);
        let mut held = Vec::new();
        while let Some(lease) = taken(&budget, 1, 1).await {
            held.push(lease);
        }
        assert_eq!(held.len(), 5);
        let other = taken(&budget, 2, 5).await.expect("the other half");
        assert!(taken(&budget, 3, 1).await.is_none(), "all is taken");
        drop(other);
        assert!(taken(&budget, 3, 1).await.is_some());
    }

    #[tokio::test]
    async fn who_does_not_wait_has_it_at_once_or_not() {
        let budget = Budget::new(10 * UNIT);
        let first = budget.try_take(1, 3 * UNIT).expect("it is there");
        assert!(budget.try_take(1, UNIT).is_none(), "the share is taken");
        let other = budget.try_take(2, 3 * UNIT).expect("another share");
        assert!(budget.try_take(3, 3 * UNIT).is_none(), "and all is");
        drop((first, other));
        assert!(budget.try_take(3, 100 * UNIT).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_large_is_alone() {
        let budget = Budget::new(10 * UNIT);
        let large = taken(&budget, 1, 100).await.expect("nobody else is there");
        assert!(taken(&budget, 2, 1).await.is_none());
        drop(large);
        assert!(taken(&budget, 2, 1).await.is_some());
    }

    #[tokio::test]
    async fn names_are_forgotten() {
        let budget = Budget::new(1 << 30);
        for who in 0..10_000_u32 {
            drop(budget.take(who, 1).await);
        }
        assert!(budget.shares.lock().unwrap().len() <= FORGET_AT);
    }
}
