//! What a device has seen: the messages that were fetched with its credential, and those that lists showed
//! to it, as the audit log has them. Deciding what becomes of the credential is `view`'s.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;

use super::lines::{Known, Line, line};
use super::mail::OwnerReader;
use super::view::Located;
use super::{OwnerError, Unlocked};
use crate::audit::{Act, Actor, MessageNumbers};
use crate::clock::Timestamp;
use crate::names::MessageId;
use crate::tenant::registry::UserRef;
use crate::tenant::rows::MessageRow;
use crate::vault::Vault;
use crate::vault::pages::Rows;

/// What a device has seen, and when it last did.
#[derive(Debug, Default)]
pub struct Seen {
    /// Messages that were fetched, whole or in part.
    pub fetched: BTreeMap<MessageId, Timestamp>,
    /// Messages of which a list was shown.
    pub listed: Listed,
}

/// Message numbers, each with the time when it was listed last. It is as large as the log's sets, not as
/// what they count.
#[derive(Debug, Default)]
pub struct Listed(BTreeMap<u32, (u32, Timestamp)>);

/// The messages that a device has seen and that are still there, newest first.
#[derive(Default)]
pub struct SeenRows {
    /// Fetched, whole or in part.
    pub fetched: Rows,
    /// Listed, and never fetched.
    pub listed: Rows,
    /// Listed and deleted since; those that were fetched, too, are among them.
    pub listed_gone: u64,
}

/// What was seen with a credential.
pub async fn seen(vault: &Vault, located: &Located) -> Result<Seen, OwnerError> {
    let wanted = Actor::View { view: located.view, credential: located.credential };
    let mut seen = Seen::default();
    let mut from = 0;
    loop {
        let entries = vault.audit.read(located.user.tenant, from, PAGE).await?;
        let Some(last) = entries.last().and_then(|entry| entry.as_ref().ok()) else { break };
        from = last.sequence + 1;
        for entry in entries.into_iter().flatten().filter(|entry| entry.draft.actor == wanted) {
            seen.add(&entry.draft.act, entry.time);
        }
    }
    Ok(seen)
}

/// The rows of these messages. Those that were deleted since have none.
pub async fn rows_of(vault: &Arc<Vault>, user: UserRef, seen: Arc<Seen>) -> Result<SeenRows, OwnerError> {
    let vault = vault.clone();
    // It walks the whole mailbox: not where other sessions wait.
    let rows = tokio::task::spawn_blocking(move || scan(&vault, user, &seen)).await;
    rows.map_err(|_| OwnerError::Stopping)?
}

/// These rows as lines of a list: with senders and subjects for an unlocked owner (one audit entry,
/// durable first), without them for anybody else.
pub async fn lines(
    vault: &Arc<Vault>,
    unlocked: Option<&Unlocked>,
    rows: Rows,
) -> Result<Vec<Line>, OwnerError> {
    match unlocked {
        Some(unlocked) => OwnerReader::new(vault, unlocked)?.lines(rows).await,
        None => Ok(rows.iter().map(|(uid, row)| line(*uid, row, Known::Sealed)).collect()),
    }
}

fn scan(vault: &Vault, user: UserRef, seen: &Seen) -> Result<SeenRows, OwnerError> {
    let (mut rows, mut present) = (SeenRows::default(), 0);
    vault.records.tenant(user.tenant).visit::<MessageRow>(&[user.user.as_bytes()], &[], |key, row| {
        // A row that does not open is told where the mailbox is read.
        if let (Ok(number), Ok(row)) = (<[u8; 4]>::try_from(key).map(u32::from_be_bytes), row) {
            let listed = seen.listed.at(number).is_some();
            present += u64::from(listed);
            if seen.fetched.contains_key(&row.message) {
                rows.fetched.push((number, row));
            } else if listed {
                rows.listed.push((number, row));
            }
        }
        ControlFlow::Continue(())
    })?;
    rows.fetched.reverse();
    rows.listed.reverse();
    rows.listed_gone = seen.listed.count().saturating_sub(present);
    Ok(rows)
}

impl Seen {
    fn add(&mut self, act: &Act, time: Timestamp) {
        match act {
            Act::MessageFetched { message, .. } => {
                self.fetched.insert(*message, time);
            }
            Act::MessagesFetched { messages, .. } => {
                self.fetched.extend(messages.iter().map(|message| (*message, time)));
            }
            Act::MessagesListed { numbers } => self.listed.add(numbers, time),
            _ => {}
        }
    }
}

impl Listed {
    /// When a number was listed last.
    pub fn at(&self, number: u32) -> Option<Timestamp> {
        let (_, (last, time)) = self.0.range(..=number).next_back()?;
        (number <= *last).then_some(*time)
    }

    /// How many numbers there are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(first, (last, _))| u64::from(last - first) + 1).sum()
    }

    fn add(&mut self, numbers: &MessageNumbers, time: Timestamp) {
        for range in numbers.ranges() {
            self.clear(&range);
            self.0.insert(*range.start(), (*range.end(), time));
        }
    }

    /// Takes a range out of those that are there; what stands over on either side stays.
    fn clear(&mut self, range: &RangeInclusive<u32>) {
        let (start, end) = (*range.start(), *range.end());
        while let Some((&first, &(last, time))) = self.0.range(..=end).next_back() {
            if last < start {
                break;
            }
            self.0.remove(&first);
            if last > end {
                self.0.insert(end + 1, (last, time));
            }
            if first < start {
                self.0.insert(first, (start - 1, time));
            }
        }
    }
}

/// Audit entries read at once.
const PAGE: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Extent;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix(second)
    }

    fn message(number: u8) -> MessageId {
        MessageId::from_bytes([number; 16])
    }

    #[test]
    fn the_last_sight_of_each_message_is_kept() {
        let mut seen = Seen::default();
        seen.add(&Act::MessageFetched { message: message(1), extent: Extent::Whole }, at(1));
        let many = Act::fetched(&[message(1), message(2)], &Extent::Header);
        many.iter().for_each(|act| seen.add(act, at(2)));
        Act::listed([3, 4, 9]).iter().for_each(|act| seen.add(act, at(3)));
        seen.add(&Act::ViewClosed { fetched: 7 }, at(4));
        assert_eq!(seen.fetched, [(message(1), at(2)), (message(2), at(2))].into());
        assert_eq!(
            [2, 3, 4, 5, 9].map(|number| seen.listed.at(number).map(|time| time.unix())),
            [None, Some(3), Some(3), None, Some(3)]
        );
        assert_eq!(seen.listed.count(), 3);
    }

    proptest! {
        #[test]
        fn ranges_answer_as_single_numbers_would(
            lists in proptest::collection::vec(proptest::collection::vec(1u32..60, 0..30), 0..8),
        ) {
            let (mut listed, mut each) = (Listed::default(), BTreeMap::new());
            for (second, list) in (0..).zip(lists) {
                for numbers in MessageNumbers::sets(list.iter().copied()) {
                    listed.add(&numbers, at(second));
                }
                each.extend(list.into_iter().map(|number| (number, at(second))));
            }
            prop_assert_eq!(listed.count(), each.len() as u64);
            for number in 0..61 {
                prop_assert_eq!(listed.at(number), each.get(&number).copied());
            }
        }
    }
}
