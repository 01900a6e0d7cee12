//! UIDs: each message of a mailbox gets the next number, and numbers become visible in order,
//! because a number is drawn and its batch queued under one lock (RFC 9051 §2.3.1.1).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

use crate::names::UserId;
use crate::records::{RecordError, Records};
use crate::store::ledger::{Batch, Committed, Pending};
use crate::tenant::registry::UserRef;
use crate::tenant::rows::{MailboxRow, MessageRow};

/// The numbers that come next.
#[derive(Default)]
pub struct Mailboxes(Mutex<HashMap<UserId, Numbers>>);

struct Numbers {
    next: u32,
    /// What a batch says that may or may not be durable.
    reserved: u32,
    /// What is durable for certain.
    confirmed: u32,
}

impl Mailboxes {
    /// Gives the message the next UID of the user's mailbox and makes its row durable. If that fails
    /// the number is lost, which RFC 9051 allows.
    pub async fn add(
        &self,
        records: &Records,
        user: UserRef,
        row: &MessageRow,
    ) -> Result<(u32, Committed), RecordError> {
        let (uid, reserved, pending) = self.queue(records, user, row)?;
        let committed = pending.await?;
        self.confirm(user, reserved);
        Ok((uid, committed))
    }

    /// Draws a number and queues its batch; also what is durable for numbers once the batch is.
    fn queue(
        &self,
        records: &Records,
        user: UserRef,
        row: &MessageRow,
    ) -> Result<(u32, u32, Pending), RecordError> {
        let mut batch = Batch::new();
        let scope = records.tenant(user.tenant);
        let mut mailboxes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = match mailboxes.entry(user.user) {
            Entry::Occupied(held) => held.into_mut(),
            Entry::Vacant(place) => {
                let reserved =
                    scope.get::<MailboxRow>(&[user.user.as_bytes()])?.map_or(1, |row| row.reserved);
                place.insert(Numbers { next: reserved, reserved, confirmed: reserved })
            }
        };
        let uid = numbers.next;
        numbers.next += 1;
        if numbers.next > numbers.reserved {
            numbers.reserved = numbers.next.saturating_add(STEP);
        }
        // Until one of these batches is known to be durable each carries the reservation: the one
        // that moved it may have failed.
        if numbers.next > numbers.confirmed {
            scope.put(&mut batch, &[user.user.as_bytes()], &MailboxRow { reserved: numbers.reserved });
        }
        scope.insert(&mut batch, &[user.user.as_bytes(), &uid.to_be_bytes()], row);
        Ok((uid, numbers.reserved, records.commit(batch)))
    }

    fn confirm(&self, user: UserRef, reserved: u32) {
        let mut mailboxes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(numbers) = mailboxes.get_mut(&user.user) {
            numbers.confirmed = numbers.confirmed.max(reserved);
        }
    }
}

/// How many numbers a mailbox row is moved ahead at once, and at most lost at a restart.
const STEP: u32 = 64;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::keyring::RootKey;
    use crate::names::{ContainerName, MessageId, TenantId};
    use crate::store::ledger::{
        Expectation, Ledger, LedgerError, Options, RedbLedger, Subscription, Visitor,
    };

    /// A ledger whose commits fail on demand.
    struct Flaky {
        inner: RedbLedger,
        fails: AtomicBool,
    }

    impl Ledger for Flaky {
        fn commit(&self, mut batch: Batch) -> Pending {
            if self.fails.load(Ordering::Relaxed) {
                batch.require(b"nothing is here".as_slice(), Expectation::Present);
            }
            self.inner.commit(batch)
        }

        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
            self.inner.get(key)
        }

        fn visit(&self, prefix: &[u8], from: &[u8], visit: &mut Visitor<'_>) -> Result<(), LedgerError> {
            self.inner.visit(prefix, from, visit)
        }

        fn watch(&self, prefix: &[u8]) -> Subscription {
            self.inner.watch(prefix)
        }
    }

    fn row() -> MessageRow {
        MessageRow {
            message: MessageId::random(),
            container: ContainerName::random(),
            digest: [0; 32],
            sealed: 0,
            received: 0,
            octets: 0,
            trashed: false,
            views: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_reservation_that_failed_is_made_again_by_the_next_message() {
        let folder = tempfile::tempdir().unwrap();
        let inner = RedbLedger::open(&folder.path().join("ledger"), Options::default()).unwrap();
        let ledger = Arc::new(Flaky { inner, fails: AtomicBool::new(false) });
        let records = Records::new(ledger.clone(), Arc::new(RootKey::generate()));
        let user = UserRef { tenant: TenantId::random(), user: UserId::random() };
        let mut last = 0;
        for failing in 0..STEP + 10 {
            let mailboxes = Mailboxes::default();
            for message in 0..STEP + 12 {
                ledger.fails.store(message == failing, Ordering::Relaxed);
                if let Ok((uid, _committed)) = mailboxes.add(&records, user, &row()).await {
                    assert!(uid > last, "{uid} after {last}: message {message}, of which {failing} fails");
                    last = uid;
                }
            }
        }
    }
}
