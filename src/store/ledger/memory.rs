//! A ledger without a disk: the model against which the contract suite compares the real one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::watch::{Subscription, Watchers};
use super::{Batch, Change, CommitError, Committed, Ledger, LedgerError, Pending, Visitor};

/// Rows in a sorted map.
#[derive(Default)]
pub(super) struct MemoryLedger {
    rows: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    watchers: Watchers,
}

impl Ledger for MemoryLedger {
    fn commit(&self, batch: Batch) -> Pending {
        let (answer, pending) = Pending::new();
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let holds =
            batch.conditions.iter().all(|(key, wanted)| wanted.is_met_by(rows.get(key).map(Vec::as_slice)));
        if holds {
            batch.changes.iter().for_each(|change| apply(&mut rows, change));
            self.watchers.wake(&batch);
        }
        let _ = answer.send(if holds { Ok(Committed(())) } else { Err(CommitError::Conflict) });
        pending
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.rows.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn visit(&self, prefix: &[u8], from: &[u8], visit: &mut Visitor<'_>) -> Result<(), LedgerError> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let wanted = rows.iter().filter(|(key, _)| key.starts_with(prefix) && key.as_slice() >= from);
        for (key, value) in wanted {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn watch(&self, prefix: &[u8]) -> Subscription {
        self.watchers.subscribe(prefix)
    }
}

fn apply(rows: &mut BTreeMap<Vec<u8>, Vec<u8>>, change: &Change) {
    match change {
        Change::Put(key, value) => drop(rows.insert(key.clone(), value.clone())),
        Change::Delete(key) => drop(rows.remove(key)),
        Change::DeletePrefix(prefix) => rows.retain(|key, _| !key.starts_with(prefix)),
    }
}
