//! Pages of a mailbox, for its owner: rows by number, newest first, at the cost of the page alone.

use std::collections::BTreeMap;

use super::picture::{Held, Picture};
use super::{BoxError, aside};
use crate::mailbox::{Flags, FolderId, Roll};
use crate::names::{MessageId, ViewId};
use crate::records::{RecordError, Records};
use crate::store::ledger::LedgerError;
use crate::tenant::registry::UserRef;
use crate::tenant::rows::MessageRow;
use crate::vault::Vault;
use crate::vault::masked::Shelf;

/// What a page begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The newest message.
    Newest,
    /// Messages older than the one with this number.
    Before(u32),
    /// Messages newer than the one with this number, those next to it.
    After(u32),
}

/// Rows with their numbers, newest first.
pub type Rows = Vec<(u32, MessageRow)>;

/// How many messages a folder has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All of them.
    pub messages: u64,
    /// Those without `\Seen`.
    pub unseen: u64,
}

/// Which messages a page is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Among {
    /// Those in this folder, if there is one.
    pub folder: Option<FolderId>,
    /// Those that this view has, if there is one.
    pub view: Option<ViewId>,
}

/// At most `limit` rows from `start` on. A row that does not open is left out, and logged.
pub async fn page(
    vault: &Vault,
    user: UserRef,
    among: Among,
    start: Start,
    limit: usize,
) -> Result<Rows, BoxError> {
    let is_wanted = move |(_, held): &(&u32, &Held)| {
        among.folder.is_none_or(|folder| held.folder == folder)
            && among.view.is_none_or(|view| held.view(view).is_some())
    };
    let numbers = look(vault, user, |picture| {
        let messages = &picture.messages;
        match start {
            Start::Newest => some(messages.iter().rev().filter(is_wanted), limit),
            Start::Before(number) => some(messages.range(..number).rev().filter(is_wanted), limit),
            Start::After(number) => {
                let newer = messages.range(number.saturating_add(1)..);
                let mut numbers = some(newer.filter(is_wanted), limit);
                numbers.reverse();
                numbers
            }
        }
    })
    .await?;
    rows(vault, user, numbers).await
}

/// The number of a message; where there are copies, of the newest that is not in the trash.
pub async fn number_of(vault: &Vault, user: UserRef, message: MessageId) -> Result<Option<u32>, BoxError> {
    look(vault, user, |picture| {
        let mut found = picture.messages.iter().rev().filter(|(_, held)| held.message == message);
        let newest = found.next();
        let kept = newest.into_iter().chain(found).find(|(_, held)| held.folder != FolderId::TRASH);
        kept.or(newest).map(|(number, _)| *number)
    })
    .await
}

/// Where a message is, and with which flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its folder.
    pub folder: FolderId,
    /// Its flags, which all views share.
    pub flags: Flags,
}

/// Where messages are, by their numbers and in their order; nowhere for those that are gone.
pub async fn standings(
    vault: &Vault,
    user: UserRef,
    numbers: &[u32],
) -> Result<Vec<Option<Standing>>, BoxError> {
    look(vault, user, |picture| {
        let standing = |held: &Held| Standing { folder: held.folder, flags: held.flags };
        numbers.iter().map(|number| picture.messages.get(number).map(standing)).collect()
    })
    .await
}

/// The folder of a message, by its number.
pub async fn folder_of(vault: &Vault, user: UserRef, number: u32) -> Result<Option<FolderId>, BoxError> {
    look(vault, user, |picture| picture.messages.get(&number).map(|held| held.folder)).await
}

/// How many messages each folder has, of those that `view` has if one is given; folders without any are not
/// in it.
pub async fn counts(
    vault: &Vault,
    user: UserRef,
    view: Option<ViewId>,
) -> Result<BTreeMap<FolderId, Count>, BoxError> {
    look(vault, user, |picture| {
        let mut counts: BTreeMap<FolderId, Count> = BTreeMap::new();
        let is_counted = |held: &&Held| view.is_none_or(|view| held.view(view).is_some());
        for held in picture.messages.values().filter(is_counted) {
            let count = counts.entry(held.folder).or_default();
            count.messages += 1;
            count.unseen += u64::from(!held.flags.contains(Flags::SEEN));
        }
        counts
    })
    .await
}

/// A message of a roll, with what distinguishes its rendering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its number.
    pub number: u32,
    /// The message.
    pub message: MessageId,
    /// The view's octets.
    pub octets: u64,
    /// The rendering that it was sealed for.
    pub generation: u32,
    /// Whether it was made as a copy.
    pub copy: bool,
}

/// The messages of a roll, in the order of their numbers; those that are gone since are left out.
pub async fn listing(vault: &Vault, shelf: &Shelf, roll: &Roll) -> Result<Vec<Listed>, BoxError> {
    let mut listed: Vec<Listed> = look(vault, shelf.user, |picture| {
        let listed = |entry: &crate::mailbox::Entry| {
            let held = picture.messages.get(&entry.number)?;
            let generation = held.view(shelf.view)?.generation;
            let copy = held.copy;
            Some(Listed {
                number: entry.number,
                message: entry.message,
                octets: entry.octets,
                generation,
                copy,
            })
        };
        roll.entries.iter().filter_map(listed).collect()
    })
    .await?;
    listed.sort_unstable_by_key(|listed| listed.number);
    Ok(listed)
}

/// Looks at the picture, which is loaded for it.
pub(super) async fn look<T>(
    vault: &Vault,
    user: UserRef,
    look: impl FnOnce(&mut Picture) -> T,
) -> Result<T, BoxError> {
    let mailbox = vault.mailboxes.of(user);
    if mailbox.load(&vault.records).await? {
        vault.mailboxes.make_room();
    }
    // Between the two it may have been let go, for once.
    mailbox.look(look).ok_or_else(|| RecordError::from(LedgerError::Stopped).into())
}

fn some<'a>(messages: impl Iterator<Item = (&'a u32, &'a Held)>, limit: usize) -> Vec<u32> {
    messages.map(|(number, _)| *number).take(limit).collect()
}

/// Rows by their numbers; those that are gone since are left out.
async fn rows(vault: &Vault, user: UserRef, numbers: Vec<u32>) -> Result<Rows, BoxError> {
    let records = vault.records.clone();
    if numbers.len() <= FEW {
        return Ok(read_rows(&records, user, &numbers)?);
    }
    aside(move || read_rows(&records, user, &numbers)).await
}

pub(super) fn read_rows(records: &Records, user: UserRef, numbers: &[u32]) -> Result<Rows, RecordError> {
    let scope = records.tenant(user.tenant);
    let mut rows = Rows::with_capacity(numbers.len());
    for number in numbers {
        match scope.get::<MessageRow>(&[user.user.as_bytes(), &number.to_be_bytes()]) {
            Ok(row) => rows.extend(row.map(|row| (*number, row))),
            Err(RecordError::Damaged(_)) => {
                tracing::error!(user = %user.user, "a message row does not open");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(rows)
}

/// So many rows are read at once, without a thread.
const FEW: usize = 256;
