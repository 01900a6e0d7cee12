//! What came of verifying the audit logs: the newest outcome of each tenant's, kept in memory. It
//! knows nothing but what a verification said, so a page cannot promise more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::names::TenantId;

/// The newest outcome for each tenant.
#[derive(Default)]
pub struct Marks(Mutex<HashMap<TenantId, Mark>>);

/// How a tenant's log stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Whether it is being verified now.
    pub running: bool,
    /// The newest outcome since the server started.
    pub last: Option<Verified>,
}

/// What a verification said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// When it ended.
    pub at: Timestamp,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The first so many entries agree with their hashes and with what was signed.
    Intact(u64),
    /// Something does not agree; one sentence each.
    Broken(Vec<String>),
    /// It could not be carried out.
    Failed,
}

/// A verification that runs. Dropping it without an outcome means that there is none.
pub struct Running {
    marks: Arc<Marks>,
    tenant: TenantId,
}

impl Marks {
    /// How a tenant's log stands.
    pub fn of(&self, tenant: TenantId) -> Mark {
        self.held().get(&tenant).cloned().unwrap_or_default()
    }

    /// Begins a verification; none while one runs.
    pub fn begin(self: &Arc<Self>, tenant: TenantId) -> Option<Running> {
        let mut marks = self.held();
        let mark = marks.entry(tenant).or_default();
        if std::mem::replace(&mut mark.running, true) {
            return None;
        }
        Some(Running { marks: self.clone(), tenant })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<TenantId, Mark>> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Ends it with what came of it.
    pub fn finish(self, at: Timestamp, outcome: Outcome) {
        if let Some(mark) = self.marks.held().get_mut(&self.tenant) {
            mark.last = Some(Verified { at, outcome });
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mark) = self.marks.held().get_mut(&self.tenant) {
            mark.running = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_what_the_newest_verification_said() {
        let marks = Arc::<Marks>::default();
        let (one, other) = (TenantId::from_bytes([1; 16]), TenantId::from_bytes([2; 16]));
        assert_eq!(marks.of(one), Mark::default(), "nothing is promised before");

        let running = marks.begin(one).expect("none runs");
        assert!(marks.begin(one).is_none(), "one at a time");
        assert!(marks.of(one).running && marks.of(one).last.is_none());
        drop(running);
        assert_eq!(marks.of(one), Mark::default(), "one that ended early said nothing");

        let at = Timestamp::from_unix(7);
        marks.begin(one).expect("none runs").finish(at, Outcome::Intact(3));
        let last = Some(Verified { at, outcome: Outcome::Intact(3) });
        assert_eq!(marks.of(one), Mark { running: false, last });
        assert_eq!(marks.of(other), Mark::default());
    }
}
