//! Numbers that are given once: UIDs with the numbers of messages and folders from one counter,
//! mod-sequences from another. What is reserved is durable before it is used, in steps.
//!
//! After a restart, however it came, numbers go on where they ended (RFC 9051 §2.3.1.1): deliveries give theirs
//! to rows that are there, and everything else that draws or frees numbers writes down which is next.
//! Mod-sequences jump to the end of their step: some that were told may have no row (RFC 7162 §3.1.2.1).

use std::ops::{ControlFlow, Range};

use crate::records::{RecordError, Scope};
use crate::tenant::registry::UserRef;
use crate::tenant::rows::{MailboxRow, MessageRow};

/// The numbers of one mailbox that come next.
pub(super) struct Counters {
    numbers: Counter,
    mod_seqs: Counter,
    /// UIDNEXT is not below it in any folder.
    floor: u32,
}

struct Counter {
    next: u64,
    /// What a batch says that may or may not be durable.
    reserved: u64,
    /// What is durable for certain.
    confirmed: u64,
}

impl Counters {
    /// As the ledger has them.
    pub(super) fn read(scope: &Scope, user: UserRef) -> Result<Self, RecordError> {
        let row = scope.get::<MailboxRow>(&[user.user.as_bytes()])?;
        let reserved = row.as_ref().map_or(1, |row| row.reserved);
        // 1 is what messages from before there were mod-sequences have.
        let mod_seqs = row.as_ref().and_then(|row| row.mod_seqs).unwrap_or(2);
        let kept = row.as_ref().and_then(|row| row.next);
        let next = kept.map_or(Ok(reserved), |next| next_after(scope, user, next))?;
        // Rows from before UIDNEXT was kept by folder: it was whatever came next.
        let before = row.as_ref().filter(|row| row.next.is_none()).map_or(0, |row| row.reserved);
        let floor = row.and_then(|row| row.floor).unwrap_or(before);
        let numbers = Counter { next: next.into(), ..Counter::from(u64::from(reserved.max(next))) };
        Ok(Self { numbers, mod_seqs: Counter::from(mod_seqs), floor })
    }

    /// UIDNEXT is not below it in any folder.
    pub(super) fn floor(&self) -> u32 {
        self.floor
    }

    /// So many numbers in a row.
    pub(super) fn draw(&mut self, count: u32) -> Result<Range<u32>, RecordError> {
        let end = self.numbers.next + u64::from(count);
        let range = u32::try_from(self.numbers.next).ok().zip(u32::try_from(end).ok());
        let (first, end) = range.filter(|(_, end)| *end <= MAX_NUMBER).ok_or(RecordError::Exhausted)?;
        self.numbers.next = u64::from(end);
        Ok(first..end)
    }

    /// The next mod-sequence.
    pub(super) fn draw_mod_seq(&mut self) -> u64 {
        self.mod_seqs.next += 1;
        self.mod_seqs.next - 1
    }

    /// The mod-sequence that will be drawn next.
    pub(super) fn next_mod_seq(&self) -> u64 {
        self.mod_seqs.next
    }

    /// What the next batch must say of the numbers. Until one of these batches is known to be durable each
    /// carries the reservation: the one that moved it may have failed.
    pub(super) fn reservation(&mut self) -> Option<MailboxRow> {
        if self.numbers.is_used_up() || self.mod_seqs.is_used_up() {
            // Together, so that deliveries, which draw one of each, write the row no oftener.
            self.numbers.reserve();
            self.mod_seqs.reserve();
        }
        (self.numbers.is_unconfirmed() || self.mod_seqs.is_unconfirmed()).then(|| self.reserved())
    }

    /// What a batch must say of the numbers that is no delivery: which is next, so that none that it freed is
    /// given again.
    pub(super) fn carry(&mut self) -> MailboxRow {
        self.reservation().unwrap_or_else(|| self.reserved())
    }

    /// What was reserved last.
    pub(super) fn reserved(&self) -> MailboxRow {
        let numbers = u32::try_from(self.numbers.reserved).unwrap_or(MAX_NUMBER).min(MAX_NUMBER);
        // `draw` has seen to it.
        let next = u32::try_from(self.numbers.next).unwrap_or(MAX_NUMBER);
        let floor = Some(self.floor).filter(|floor| *floor > 0);
        MailboxRow { reserved: numbers, mod_seqs: Some(self.mod_seqs.reserved), next: Some(next), floor }
    }

    /// A batch that carried this reservation, or came after it was confirmed, is durable.
    pub(super) fn confirm(&mut self, reserved: &MailboxRow) {
        self.numbers.confirmed = self.numbers.confirmed.max(u64::from(reserved.reserved));
        self.mod_seqs.confirmed = self.mod_seqs.confirmed.max(reserved.mod_seqs.unwrap_or(0));
    }
}

impl Counter {
    fn from(reserved: u64) -> Self {
        Self { next: reserved, reserved, confirmed: reserved }
    }

    fn is_used_up(&self) -> bool {
        self.next > self.reserved
    }

    fn is_unconfirmed(&self) -> bool {
        self.next > self.confirmed
    }

    fn reserve(&mut self) {
        self.reserved = self.next.saturating_add(STEP);
    }
}

/// The number after those of all messages from `next` on: deliveries since that was written. They are no more
/// than a step holds, and those that were on their way then.
fn next_after(scope: &Scope, user: UserRef, next: u32) -> Result<u32, RecordError> {
    let mut after = next;
    scope.visit::<MessageRow>(&[user.user.as_bytes()], &next.to_be_bytes(), |key, _| {
        // A row that does not open has its number all the same.
        after = <[u8; 4]>::try_from(key).map_or(after, |number| u32::from_be_bytes(number).saturating_add(1));
        ControlFlow::Continue(())
    })?;
    Ok(after)
}

/// How many numbers a mailbox row is moved ahead at once.
pub(super) const STEP: u64 = 64;
/// No number reaches this: above it is room for what views add to UIDs, and for folders of the user's own.
const MAX_NUMBER: u32 = (1 << 31) - 1024;
