//! UIDs: each message of a mailbox gets the next number, and numbers become visible in order,
//! because a number is drawn and its batch queued under one lock (RFC 9051 §2.3.1.1).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

use crate::names::UserId;
use crate::records::{RecordError, Records};
use crate::store::ledger::{Batch, Pending};
use crate::tenant::registry::UserRef;
use crate::tenant::rows::{MailboxRow, MessageRow};

/// The numbers that come next.
#[derive(Default)]
pub struct Mailboxes(Mutex<HashMap<UserId, Numbers>>);

struct Numbers {
    next: u32,
    reserved: u32,
}

impl Mailboxes {
    /// Gives the message the next UID of the user's mailbox and queues its row. Durable when the
    /// [`Pending`] resolves; if it fails the number is lost, which RFC 9051 allows.
    pub fn add(
        &self,
        records: &Records,
        user: UserRef,
        row: &MessageRow,
        mut batch: Batch,
    ) -> Result<(u32, Pending), RecordError> {
        let scope = records.tenant(user.tenant);
        let mut mailboxes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = match mailboxes.entry(user.user) {
            Entry::Occupied(held) => held.into_mut(),
            Entry::Vacant(place) => {
                let reserved =
                    scope.get::<MailboxRow>(&[user.user.as_bytes()])?.map_or(1, |row| row.reserved);
                place.insert(Numbers { next: reserved, reserved })
            }
        };
        let uid = numbers.next;
        numbers.next += 1;
        if numbers.next > numbers.reserved {
            numbers.reserved = numbers.next.saturating_add(STEP);
            scope.put(&mut batch, &[user.user.as_bytes()], &MailboxRow { reserved: numbers.reserved });
        }
        scope.insert(&mut batch, &[user.user.as_bytes(), &uid.to_be_bytes()], row);
        Ok((uid, records.commit(batch)))
    }
}

/// How many numbers a mailbox row is moved ahead at once, and at most lost at a restart.
const STEP: u32 = 64;
