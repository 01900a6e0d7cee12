//! Turns for acts: of those that change what a tenant is, one checks, is recorded and commits after the
//! other, so that none is refused for another's sake, and the audit log tells of none that was too late.
//! Order is all that this gives; that nothing changed meanwhile is what each batch demands of the ledger.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use crate::names::TenantId;

/// Whose turn it is, by tenant, and among acts that concern all tenants.
#[derive(Default)]
pub struct Turns {
    by_tenant: Mutex<HashMap<TenantId, Weak<tokio::sync::Mutex<()>>>>,
    server: Arc<tokio::sync::Mutex<()>>,
}

/// A turn; the next one begins when it is dropped.
pub struct Turn {
    _tenant: OwnedMutexGuard<()>,
    _server: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for a turn among the acts on `tenant`, and first, for those that look at other tenants too,
    /// among all of these: always in this order, so that no two wait for each other.
    pub async fn take(&self, tenant: TenantId, looks_beyond: bool) -> Turn {
        let server = match looks_beyond {
            true => Some(self.server.clone().lock_owned().await),
            false => None,
        };
        let lane = self.lane(tenant);
        Turn { _tenant: lane.lock_owned().await, _server: server }
    }

    fn lane(&self, tenant: TenantId) -> Arc<tokio::sync::Mutex<()>> {
        // Nothing panics while the lock is held.
        let mut lanes = self.by_tenant.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(&tenant).and_then(Weak::upgrade) {
            return lane;
        }
        lanes.retain(|_, lane| lane.strong_count() > 0);
        let lane = Arc::default();
        lanes.insert(tenant, Arc::downgrade(&lane));
        lane
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn one_after_the_other_in_a_tenant_and_beside_each_other_otherwise() {
        let turns = Turns::default();
        let (one, other) = (TenantId::random(), TenantId::random());
        let first = turns.take(one, false).await;
        let _beside = turns.take(other, true).await;
        let waits = tokio::time::timeout(Duration::from_millis(20), turns.take(one, false)).await;
        assert!(waits.is_err());
        drop(first);
        let _next = turns.take(one, false).await;
        assert!(turns.by_tenant.lock().unwrap().len() <= 2, "lanes that nobody waits in are forgotten");
    }
}
