//! The mailboxes: which folder each message is in, under which UID, with which flags, and what each view
//! sees of it. The one door through which any of that changes.
//!
//! An in-memory picture of a user's mailbox is shared by all of their sessions. It is loaded when first
//! needed, follows every change in the order in which UIDs and mod-sequences were drawn, never before a
//! change is durable, and is dropped when nobody looks (RFC 9051 §2.3, RFC 7162 §3.1). Mail that arrives
//! where no picture is loaded loads none.
//!
//! It knows no protocol, no keys and no octets of messages.

mod apart;
mod copies;
mod deeds;
mod door;
mod folders;
mod load;
mod numbers;
pub mod pages;
mod picture;
mod sight;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

pub use copies::copy;
pub use deeds::{
    Deletion, append, delete, delete_numbers, destroy, flag, give_up, place, relocate, reseal, set_flags,
    shift,
};
pub use folders::{bare_subscriptions, create_folder, folders, remove_folder, rename_folder, subscribe};

use self::door::{Mailbox, Turn};
use self::picture::Picture;
use super::Vault;
use super::masked::Shelf;
use super::usage::Usage;
use crate::audit::AuditError;
use crate::mailbox::{FolderId, FolderNameError, Roll};
use crate::names::UserId;
use crate::records::{RecordError, Records};
use crate::store::blobs::BlobError;
use crate::store::ledger::{CommitError, Committed};
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{MailboxRow, MessageRow, ViewRow};

/// The mailboxes of all users.
#[derive(Default)]
pub struct Mailboxes {
    held: Mutex<HashMap<UserId, Arc<Mailbox>>>,
    /// What they hold, where that has a limit.
    pub usage: Usage,
}

impl Mailboxes {
    /// Puts a message into the user's INBOX and makes its row durable; gives its number, which is its UID.
    /// If that fails the number is lost, which RFC 9051 allows.
    pub async fn add(
        &self,
        records: &Records,
        user: UserRef,
        row: MessageRow,
    ) -> Result<(u32, Committed), RecordError> {
        let octets = row.octets;
        let arrived = self.of(user).arrive(records, row).await?;
        self.usage.arrived(user.user, octets);
        Ok(arrived)
    }

    /// Lets nothing more arrive for a user who is being removed.
    pub fn close(&self, user: UserRef) {
        self.of(user).close();
    }

    /// Waits until nobody changes messages of a user, and keeps them from it. Mail still arrives.
    pub(in crate::vault) async fn quiet(&self, user: UserRef) -> tokio::sync::OwnedMutexGuard<()> {
        self.of(user).quiet().await
    }

    /// Forgets a user who is removed.
    pub fn forget(&self, user: UserRef) {
        self.held().remove(&user.user);
        self.usage.forget(user.user);
    }

    /// Lets go of the pictures that nobody has looked at for a while.
    pub fn rest(&self, now: Instant) {
        for (mailbox, _, used) in self.loaded() {
            if now.saturating_duration_since(used) >= AT_REST {
                mailbox.rest();
            }
        }
    }

    /// Makes room where more is held than should be, the longest unused first.
    fn make_room(&self) {
        let mut loaded = self.loaded();
        loaded.sort_by_key(|(_, _, used)| *used);
        let (mut pictures, mut messages) =
            (loaded.len(), loaded.iter().map(|(_, held, _)| held).sum::<usize>());
        for (mailbox, held, _) in loaded {
            if pictures <= MAX_PICTURES && messages <= MAX_MESSAGES || pictures == 1 {
                return;
            }
            mailbox.rest();
            (pictures, messages) = (pictures - 1, messages - held);
        }
    }

    fn loaded(&self) -> Vec<(Arc<Mailbox>, usize, Instant)> {
        let mailboxes: Vec<_> = self.held().values().cloned().collect();
        let loaded = |mailbox: Arc<Mailbox>| mailbox.held().map(|(held, used)| (mailbox, held, used));
        mailboxes.into_iter().filter_map(loaded).collect()
    }

    fn of(&self, user: UserRef) -> Arc<Mailbox> {
        self.held().entry(user.user).or_insert_with(|| Arc::new(Mailbox::new(user))).clone()
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, Arc<Mailbox>>> {
        // Nothing panics while the lock is held.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a mailbox does not do as asked. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BoxError {
    /// No such folder.
    #[error("there is no such folder")]
    NoFolder,
    /// A folder of that path is there already.
    #[error("there is a folder of that name")]
    Exists,
    /// The folders that every mailbox has stay.
    #[error("this folder stays as it is")]
    Fixed,
    /// There are folders below it, which would be nowhere.
    #[error("there are folders below this one")]
    HasChildren,
    /// The path is none.
    #[error(transparent)]
    Name(#[from] FolderNameError),
    /// The view has another rendering than the shelf says.
    #[error("the view has changed")]
    Changed,
    /// No room for more folders or keywords.
    #[error("a limit of the mailbox is reached")]
    Limit,
    /// Copies do not fit beside what the view shows.
    #[error("the view has no room for the copies")]
    OverQuota,
    /// The ledger failed.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// The audit log failed.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The blob store failed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
}

impl From<CommitError> for BoxError {
    fn from(error: CommitError) -> Self {
        Self::Records(error.into())
    }
}

/// What there is to see of a folder.
#[derive(Clone, Debug)]
pub enum RollState {
    /// This.
    Ready(Roll),
    /// The sizes of these messages, by their numbers, are to be found first: they were sealed for an older
    /// policy. See [`sized`].
    Unsized(Vec<u32>),
    /// The view has another rendering than the shelf says.
    Changed,
}

/// The size of a message under today's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// So many octets.
    Octets(u64),
    /// The policy leaves it out.
    LeftOut,
    /// It is damaged: left out, until it is tried again.
    Damaged,
}

/// What a view has in a folder. Cheap when called again.
pub async fn roll(vault: &Vault, shelf: &Shelf, folder: FolderId) -> Result<RollState, BoxError> {
    let mailbox = vault.mailboxes.of(shelf.user);
    if let Some(Some(state)) = mailbox.look(|picture| now(picture, shelf, folder)) {
        return Ok(state);
    }
    let turn = enter(vault, shelf.user).await?;
    match look_at(&turn, shelf, folder).await {
        Err(BoxError::Changed) => return Ok(RollState::Changed),
        looked => looked?,
    }
    Ok(turn.look(|picture| now(picture, shelf, folder))?.unwrap_or(RollState::Changed))
}

/// Keeps the sizes that messages, by their numbers, have under today's policy.
pub fn sized(vault: &Vault, shelf: &Shelf, sizes: &[(u32, Size)]) {
    let known = |size: Size| if let Size::Octets(octets) = size { Some(octets) } else { None };
    vault.mailboxes.of(shelf.user).look(|picture| {
        if picture.generation_of(shelf.view) == Some(shelf.generation) {
            picture.size(shelf.view, sizes.iter().map(|(number, size)| (*number, known(*size))));
        }
    });
    let durable = sizes.iter().filter(|(_, size)| *size != Size::Damaged);
    load::keep_sizes(&vault.records, shelf, durable.map(|(number, size)| (*number, known(*size))));
}

/// Tells, by another number, that something in the user's mailbox may have changed.
pub fn watch(vault: &Vault, user: UserRef) -> watch::Receiver<u64> {
    vault.mailboxes.of(user).watch()
}

/// The octets that a view shows in all folders together, as it was sealed: a function of the view alone.
pub async fn shown(vault: &Vault, shelf: &Shelf) -> Result<u64, BoxError> {
    pages::look(vault, shelf.user, |picture| picture.shown(shelf.view)).await
}

/// UIDVALIDITY of a view's folders: another one for every rendering (law 6), never 0.
pub fn uid_validity(view: &ViewRow) -> u32 {
    // Later than the year 2106 it wraps: what matters is that neighbours differ.
    let began = u32::try_from(view.created & i64::from(u32::MAX)).unwrap_or(0);
    began.wrapping_add(view.generation).max(1)
}

/// What a view that had `shift` added to its UIDs is to add from now on, so that none of them comes again: every
/// number that was given out lies below what is reserved.
pub fn next_shift(vault: &Vault, user: UserRef, shift: u32) -> Result<u32, RecordError> {
    let row = vault.records.tenant(user.tenant).get::<MailboxRow>(&[user.user.as_bytes()])?;
    let given = row.map_or(0, |row| row.reserved);
    let next = shift.saturating_add(given).saturating_add(MEANWHILE);
    // After two thousand million UIDs it begins anew: UIDVALIDITY is another one anyway.
    Ok(if next > MAX_SHIFT { 0 } else { next })
}

/// The roll, if it is there.
fn now(picture: &mut Picture, shelf: &Shelf, folder: FolderId) -> Option<RollState> {
    match picture.generation_of(shelf.view)? {
        generation if generation > shelf.generation => return Some(RollState::Changed),
        generation if generation < shelf.generation => return None,
        _ => {}
    }
    Some(match picture.roll(shelf.view, folder)? {
        Ok(roll) => RollState::Ready(roll.clone()),
        Err(numbers) => RollState::Unsized(numbers),
    })
}

/// The right to change a mailbox.
async fn enter(vault: &Vault, user: UserRef) -> Result<Turn, BoxError> {
    let turn = Turn::take(vault.mailboxes.of(user), &vault.records).await?;
    if turn.loaded {
        vault.mailboxes.make_room();
    }
    Ok(turn)
}

/// Sees to it that the picture has what the view sees of the folder.
async fn look_at(turn: &Turn, shelf: &Shelf, folder: FolderId) -> Result<(), BoxError> {
    let known = turn.look(|picture| (picture.has_folder(folder), picture.generation_of(shelf.view)))?;
    let (true, generation) = known else { return Err(BoxError::NoFolder) };
    if generation.is_some_and(|generation| generation > shelf.generation) {
        return Err(BoxError::Changed);
    }
    if generation != Some(shelf.generation) {
        let row = registry::view(&turn.records, shelf.user, shelf.view)?;
        let row = row.filter(|row| row.generation == shelf.generation).ok_or(BoxError::Changed)?;
        let (records, reading) = (turn.records.clone(), shelf.clone());
        let read = aside(move || load::read_view(&records, &reading, &row)).await?;
        turn.look(|picture| {
            if shelf.manner.masked {
                picture.know_not_junk();
            }
            picture.see(shelf.view, read);
        })?;
    }
    let (mailbox, view) = (turn.mailbox.clone(), shelf.view);
    aside(move || Ok(mailbox.look(|picture| picture.open_book(view, folder)))).await?;
    Ok(())
}

/// Work that takes milliseconds: not where other sessions wait.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RecordError> + Send + 'static,
) -> Result<T, BoxError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|_| RecordError::from(crate::store::ledger::LedgerError::Stopped))??)
}

/// Pictures that nobody has looked at for so long are let go.
const AT_REST: Duration = Duration::from_secs(15 * 60);
/// Messages that may arrive while sessions of the old rendering learn that there is a new one.
const MEANWHILE: u32 = 1024;
/// The most that is added to UIDs: with the highest number it is still a UID (RFC 9051 §2.3.1.1).
const MAX_SHIFT: u32 = 1 << 31;
/// Pictures held at once, besides those of mailboxes that sessions watch.
const MAX_PICTURES: usize = 10_000;
/// Messages in all of them: about 100 MiB.
const MAX_MESSAGES: usize = 400_000;
