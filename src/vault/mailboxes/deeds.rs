//! What happens to messages. All of it is durable, and in the picture, when it returns.
//!
//! Each deed has the mailbox to itself but for mail that arrives, so what it finds in the picture stays true
//! until its batch is queued.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use super::apart::{self, Spot};
use super::door::Turn;
use super::pages::read_rows;
use super::picture::{Effect, Held, Picture, sealing};
use super::sight::Stand;
use super::{BoxError, aside, enter, look_at};
use crate::audit::{Act, Actor, Draft, MAX_BATCH, Origin};
use crate::mailbox::{FlagChange, FlagEdit, Flags, FolderId, Keywords};
use crate::names::{ContainerName, MessageId, Reader, ViewId};
use crate::policy::OnDelete;
use crate::records::{Records, row_key};
use crate::store::blobs::BlobName;
use crate::store::ledger::Batch;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{HiddenRow, MessageRow, PlaceRow, StaleSizeRow, SummaryRow, ViewEntry};
use crate::vault::masked::Shelf;
use crate::vault::seal::Stored;
use crate::vault::summary;
use crate::vault::{Vault, listings};

/// What a deletion means, and who deletes: for the audit log, where messages are destroyed.
#[derive(Clone, Copy, Debug)]
pub struct Deletion {
    /// What the view's policy says.
    pub on_delete: OnDelete,
    /// Who.
    pub actor: Actor,
    /// From where.
    pub origin: Origin,
}

/// Changes the flags of messages that the view has in `folder`. With `unchanged_since`, only of those whose
/// mod-sequence is not above it (RFC 7162 §3.1.3). The UIDs of the others.
pub async fn set_flags(
    vault: &Vault,
    shelf: &Shelf,
    folder: FolderId,
    uids: &[u32],
    change: &FlagChange,
    unchanged_since: Option<u64>,
) -> Result<Vec<u32>, BoxError> {
    let turn = enter(vault, shelf.user).await?;
    let numbers = visible(&turn, shelf, folder, uids).await?;
    let (mut modified, mut changed) = (Vec::new(), Vec::new());
    turn.look(|picture| {
        let named = intern(&mut picture.keywords, change)?;
        let shift = picture.shift_of(shelf.view);
        let keywords = picture.keywords.clone();
        for number in numbers {
            let Some(stand) = picture.stand(shelf.view, number, folder) else { continue };
            let Some(held) = held(picture, number) else { continue };
            if unchanged_since.is_some_and(|since| stand.mod_seq > since) {
                modified.push(stand.uid.saturating_add(shift));
                continue;
            }
            let flagged = flagged(&held, shelf, &stand, (change.edit, named), &keywords);
            changed.extend(flagged.map(|flagged| (number, flagged)));
        }
        Ok::<_, BoxError>(())
    })??;
    if !changed.is_empty() {
        turn.put(changed).await?;
    }
    Ok(modified)
}

/// Changes the flags of messages, by their numbers, wherever they are: for their owner. Those that are gone are
/// left out.
pub async fn flag(
    vault: &Vault,
    user: UserRef,
    numbers: &[u32],
    change: &FlagChange,
) -> Result<(), BoxError> {
    let turn = enter(vault, user).await?;
    let numbers = once(numbers.to_vec());
    let changed = turn.look(|picture| {
        let named = intern(&mut picture.keywords, change)?;
        let judgements = picture.keywords.judgements();
        let edited = |number: u32| {
            let held = picture.messages.get(&number)?;
            let flags = edit(held.flags, change.edit, named);
            (flags != held.flags).then(|| (number, held.clone().with_flags(flags, judgements)))
        };
        Ok::<_, BoxError>(numbers.into_iter().filter_map(edited).collect::<Vec<_>>())
    })??;
    if !changed.is_empty() {
        turn.put(changed).await?;
    }
    Ok(())
}

/// Moves messages that the view has in `folder`. UIDs here and there, in the order of `uids`.
pub async fn shift(
    vault: &Vault,
    shelf: &Shelf,
    folder: FolderId,
    uids: &[u32],
    target: FolderId,
) -> Result<Vec<(u32, u32)>, BoxError> {
    let turn = enter(vault, shelf.user).await?;
    let numbers = once(visible(&turn, shelf, folder, uids).await?);
    let saved = vault.clock.now().unix();
    let moving = turn.look(|picture| {
        picture.has_folder(target).then_some(()).ok_or(BoxError::NoFolder)?;
        let moved = |number| {
            let held = held(picture, number)?;
            Some((
                number,
                match stays_apart(&held, shelf, folder, target) {
                    true => apart_from(held, shelf.view, folder, target, saved),
                    false => moved(held, target, saved),
                },
            ))
        };
        Ok::<_, BoxError>(numbers.into_iter().filter_map(moved).collect::<Vec<_>>())
    })??;
    turn.put_shifted(shelf.view, folder, target, moving).await
}

/// Moves messages, by their numbers, wherever they are: for their owner. Those that are gone are left out.
pub async fn relocate(
    vault: &Vault,
    user: UserRef,
    numbers: &[u32],
    target: FolderId,
) -> Result<Vec<(u32, u32)>, BoxError> {
    let turn = enter(vault, user).await?;
    turn.shift(numbers.to_vec(), target, vault.clock.now().unix()).await
}

/// Whether a move or copy by the view is its own affair: to Junk, and back from there; and whatever happens to
/// what it has for itself, until it files it with the others' mail.
pub(super) fn stays_apart(held: &Held, shelf: &Shelf, folder: FolderId, target: FolderId) -> bool {
    let usual = matches!(target, FolderId::INBOX | FolderId::TRASH) || target == held.folder;
    let back = folder == FolderId::JUNK && target == FolderId::INBOX;
    let stray = held.is_stray(shelf.view, folder) && usual;
    shelf.manner.masked && (target == FolderId::JUNK || back || stray)
}

/// A message that the view alone has moved.
fn apart_from(held: Held, view: ViewId, folder: FolderId, target: FolderId, saved: i64) -> Held {
    let mut spots = held.spots(view);
    let deleted = spots.iter().any(|spot| spot.folder == folder && spot.deleted);
    spots.retain(|spot| spot.folder != folder && spot.folder != target);
    spots.push(Spot { folder: target, uid: 0, saved, deleted });
    held.with_apart(view, |apart| apart.spots = Some(spots))
}

/// A message that the view alone has a second time.
pub(super) fn apart_too(held: Held, view: ViewId, target: FolderId, saved: i64) -> Held {
    let mut spots = held.spots(view);
    let deleted = false;
    spots.retain(|spot| spot.folder != target);
    spots.push(Spot { folder: target, uid: 0, saved, deleted });
    held.with_apart(view, |apart| apart.spots = Some(spots))
}

/// A message that has moved for all.
fn moved(held: Held, target: FolderId, saved: i64) -> Held {
    Held { folder: target, saved, uid: 0, mod_seq: 0, ..held }.together()
}

/// A message with other flags; none if they are as they were. What a masked view says about junk, and what it
/// marks for deletion where it alone has a message, is its own.
fn flagged(
    held: &Held,
    shelf: &Shelf,
    stand: &Stand,
    (how, named): (FlagEdit, Flags),
    keywords: &Keywords,
) -> Option<Held> {
    let (view, judgements) = (shelf.view, keywords.judgements());
    let presumed = held.disclaimed(shelf, stand.flags, (how, named), keywords);
    let wanted = edit(stand.flags.without(presumed), how, named);
    if wanted == stand.flags {
        return None;
    }
    let mut changed = held.clone();
    let spots = held.apart(view).and_then(|apart| apart.spots.clone()).filter(|_| shelf.manner.masked);
    // Of what is shared, only what the view can see may change.
    let mut own = if shelf.manner.masked { judgements } else { Flags::none() };
    if spots.is_some() {
        own = own.with(Flags::DELETED);
    }
    let flags = held.flags.and(own).with(wanted.without(own));
    changed = changed.with_flags(flags, judgements);
    let (judged, was) = (wanted.and(judgements), stand.flags.and(judgements));
    if shelf.manner.masked && judged != was {
        changed = changed.with_apart(view, |apart| apart.judged = Some(judged));
    }
    let deleted = wanted.contains(Flags::DELETED);
    if let Some(mut spots) = spots.filter(|_| deleted != stand.flags.contains(Flags::DELETED)) {
        spots.iter_mut().filter(|spot| spot.folder == stand.folder).for_each(|spot| spot.deleted = deleted);
        changed = changed.with_apart(view, |apart| apart.spots = Some(spots));
    }
    Some(changed)
}

/// Deletes messages that the view has in `folder`, as its policy says: hides them from the view, moves them
/// to the trash, or destroys them. In the trash, what would be moved there is hidden.
pub async fn delete(
    vault: &Vault,
    shelf: &Shelf,
    folder: FolderId,
    uids: &[u32],
    deletion: Deletion,
) -> Result<(), BoxError> {
    let turn = enter(vault, shelf.user).await?;
    let numbers = visible(&turn, shelf, folder, uids).await?;
    turn.delete(vault, shelf, folder, numbers, deletion).await
}

/// The same by their numbers; those that are no longer in the folder stay as they are.
pub async fn delete_numbers(
    vault: &Vault,
    shelf: &Shelf,
    folder: FolderId,
    numbers: &[u32],
    deletion: Deletion,
) -> Result<(), BoxError> {
    let turn = enter(vault, shelf.user).await?;
    let numbers = among(&turn, shelf, folder, numbers).await?;
    turn.delete(vault, shelf, folder, numbers, deletion).await
}

/// Removes messages, by their numbers, for good. The audit log has it first; then their rows go, so that
/// nothing refers to them, then their containers with every manifest in them.
pub async fn destroy(
    vault: &Vault,
    user: UserRef,
    numbers: &[u32],
    actor: Actor,
    origin: Origin,
) -> Result<(), BoxError> {
    let turn = enter(vault, user).await?;
    turn.destroy(vault, numbers.to_vec(), Some((actor, origin))).await
}

/// Takes messages, by their numbers, from a user whose mail another one has now.
pub async fn give_up(vault: &Vault, user: UserRef, numbers: &[u32]) -> Result<(), BoxError> {
    let turn = enter(vault, user).await?;
    turn.destroy(vault, numbers.to_vec(), None).await
}

/// Places a message that a client of the view uploaded and that was just sealed. Its UID in `folder`.
pub async fn append(
    vault: &Vault,
    shelf: &Shelf,
    stored: Stored,
    folder: FolderId,
    flags: &FlagChange,
) -> Result<u32, BoxError> {
    let turn = enter(vault, shelf.user).await?;
    look_at(&turn, shelf, folder).await?;
    let view = Some(shelf.view).filter(|_| shelf.manner.masked);
    let uid = turn.place(vault, view, stored, folder, flags).await?;
    Ok(uid.saturating_add(turn.look(|picture| picture.shift_of(shelf.view))?))
}

/// Places a message that was just sealed. Its number, which is its UID in the mailbox.
pub async fn place(
    vault: &Vault,
    user: UserRef,
    stored: Stored,
    folder: FolderId,
    flags: &FlagChange,
) -> Result<u32, BoxError> {
    enter(vault, user).await?.place(vault, None, stored, folder, flags).await
}

impl Turn {
    /// With flags that `view` alone has, if it is given and they are about junk.
    async fn place(
        &self,
        vault: &Vault,
        view: Option<ViewId>,
        stored: Stored,
        folder: FolderId,
        flags: &FlagChange,
    ) -> Result<u32, BoxError> {
        let (flags, judged) = self.look(|picture| {
            if !picture.has_folder(folder) {
                return Err(BoxError::NoFolder);
            }
            let named = intern(&mut picture.keywords, flags)?;
            let judged = named.and(picture.keywords.judgements());
            Ok(if view.is_some() { (named.without(judged), judged) } else { (named, Flags::none()) })
        })??;
        let (user, saved, row) = (self.user(), vault.clock.now().unix(), stored.row.clone());
        let slot = self.draw(1)?;
        let number = slot.numbers.start;
        let row = MessageRow { mod_seq: Some(slot.mod_seq), ..row };
        let mut held = Held { folder, flags, saved, ..Held::arrived(number, row.clone()) };
        if let Some(view) = view.filter(|_| judged != Flags::none()) {
            held = held.with_apart(view, |apart| apart.judged = Some(judged));
            held = held.filled(slot.mod_seq, &mut std::iter::empty());
        }
        let mut batch = Batch::new();
        let scope = self.records.tenant(user.tenant);
        let parts: [&[u8]; 2] = [user.user.as_bytes(), &number.to_be_bytes()];
        scope.insert(&mut batch, &parts, &row);
        scope.put(&mut batch, &parts, &held.place(&self.look(|picture| picture.keywords.clone())?));
        let committed = slot.commit(&self.records, batch, vec![Effect::Put(number, held)]).await?;
        stored.release(committed);
        vault.mailboxes.usage.arrived(user.user, row.octets);
        Ok(number)
    }
}

/// Puts a message that was sealed again in the place of `was`, with the same number and flags, and under
/// another UID: what a UID stands for never changes (law 6). Says no, and does nothing, if `was` is no
/// longer what the message's row means.
pub async fn reseal(
    vault: &Vault,
    user: UserRef,
    number: u32,
    was: ContainerName,
    stored: Stored,
) -> Result<bool, BoxError> {
    let turn = enter(vault, user).await?;
    let scope = turn.records.tenant(user.tenant);
    let parts: [&[u8]; 2] = [user.user.as_bytes(), &number.to_be_bytes()];
    let read = scope.get_versioned::<MessageRow>(&parts)?.filter(|read| read.row.container == was);
    let held = turn.look(|picture| picture.messages.get(&number).cloned())?;
    let (Some(read), Some(held)) = (read, held) else { return Ok(false) };
    let row = MessageRow { mod_seq: read.row.mod_seq, copy: read.row.copy, ..stored.row.clone() };
    let views: Arc<[ViewEntry]> = row.views.clone().into();
    let apart = apart::of_resealed(&held.apart, |view| views.iter().any(|entry| entry.view == view));
    let held = Held { views, sealing: sealing(&row), apart, uid: 0, mod_seq: 0, ..held };
    let slot = turn.draw(held.blanks())?;
    let held = held.filled(slot.mod_seq, &mut slot.numbers.clone());
    let mut batch = Batch::new();
    scope.replace(&mut batch, &parts, read.sealed, &row);
    scope.put(&mut batch, &parts, &held.place(&turn.look(|picture| picture.keywords.clone())?));
    let committed = slot.commit(&turn.records, batch, vec![Effect::Put(number, held)]).await?;
    stored.release(committed);
    doubt(vault, user, &read.row);
    vault.blobs.delete(&BlobName::of_container(was)).await?;
    Ok(true)
}

/// The numbers of the messages that the view has under these UIDs, in their order.
pub(super) async fn visible(
    turn: &Turn,
    shelf: &Shelf,
    folder: FolderId,
    uids: &[u32],
) -> Result<Vec<u32>, BoxError> {
    look_at(turn, shelf, folder).await?;
    turn.look(|picture| uids.iter().filter_map(|uid| picture.visible(shelf.view, folder, *uid)).collect())
}

/// Those of the messages with these numbers that the view has in the folder.
pub(super) async fn among(
    turn: &Turn,
    shelf: &Shelf,
    folder: FolderId,
    numbers: &[u32],
) -> Result<Vec<u32>, BoxError> {
    look_at(turn, shelf, folder).await?;
    turn.look(|picture| {
        let shift = picture.shift_of(shelf.view);
        let here = |number: &&u32| {
            let stand = picture.stand(shelf.view, **number, folder);
            let uid = stand.map(|stand| stand.uid.saturating_add(shift));
            uid.and_then(|uid| picture.visible(shelf.view, folder, uid)) == Some(**number)
        };
        numbers.iter().filter(here).copied().collect()
    })
}

impl Turn {
    /// Makes messages what they are to be. What is 0 of UIDs and mod-sequences is drawn.
    async fn put(&self, changed: Vec<(u32, Held)>) -> Result<Vec<(u32, Held)>, BoxError> {
        let slot = self.draw(changed.iter().map(|(_, held)| held.blanks()).sum())?;
        let mut uids = slot.numbers.clone();
        let filled = |(number, held): (u32, Held)| (number, held.filled(slot.mod_seq, &mut uids));
        let changed: Vec<_> = changed.into_iter().map(filled).collect();
        let keywords = self.look(|picture| picture.keywords.clone())?;
        let (records, user, rows) = (self.records.clone(), self.user(), changed.clone());
        let seal = move || {
            let mut batch = Batch::new();
            put_places(&records, &mut batch, user, &keywords, &rows);
            Ok(batch)
        };
        let batch = if changed.len() < MANY { seal()? } else { aside(seal).await? };
        let effects = changed.iter().map(|(number, held)| Effect::Put(*number, held.clone())).collect();
        let _committed = slot.commit(&self.records, batch, effects).await?;
        Ok(changed)
    }

    /// Moves messages; UIDs before and after.
    pub(super) async fn shift(
        &self,
        numbers: Vec<u32>,
        target: FolderId,
        saved: i64,
    ) -> Result<Vec<(u32, u32)>, BoxError> {
        let moving = self.look(|picture| {
            let moved = |number| Some((number, moved(held(picture, number)?, target, saved)));
            let moving: Vec<_> = once(numbers).into_iter().filter_map(moved).collect();
            picture.has_folder(target).then_some(moving).ok_or(BoxError::NoFolder)
        })??;
        if moving.is_empty() {
            return Ok(Vec::new());
        }
        let numbers: Vec<u32> = moving.iter().map(|(number, _)| *number).collect();
        let before = self.look(|picture| {
            let uid = |number: &u32| picture.messages.get(number).map_or(0, |held| held.uid);
            numbers.iter().map(uid).collect::<Vec<_>>()
        })?;
        let moved = self.put(moving).await?;
        Ok(before.into_iter().zip(moved.into_iter().map(|(_, held)| held.uid)).collect())
    }

    /// Makes messages what they are to be; the view's UIDs of them in the one folder before, in the other
    /// afterwards.
    pub(super) async fn put_shifted(
        &self,
        view: ViewId,
        folder: FolderId,
        target: FolderId,
        moving: Vec<(u32, Held)>,
    ) -> Result<Vec<(u32, u32)>, BoxError> {
        if moving.is_empty() {
            return Ok(Vec::new());
        }
        let numbers: Vec<u32> = moving.iter().map(|(number, _)| *number).collect();
        let before = self.uids(view, folder, &numbers)?;
        self.put(moving).await?;
        let after = self.uids(view, target, &numbers)?;
        Ok(before.into_iter().zip(after).filter_map(|(old, new)| old.zip(new)).collect())
    }

    /// The UIDs of messages as the view has them in a folder.
    fn uids(&self, view: ViewId, folder: FolderId, numbers: &[u32]) -> Result<Vec<Option<u32>>, BoxError> {
        self.look(|picture| {
            let shift = picture.shift_of(view);
            let uid = |number: &u32| Some(picture.stand(view, *number, folder)?.uid.saturating_add(shift));
            numbers.iter().map(uid).collect()
        })
    }

    /// As the policy says.
    pub(super) async fn delete(
        &self,
        vault: &Vault,
        shelf: &Shelf,
        folder: FolderId,
        numbers: Vec<u32>,
        Deletion { on_delete, actor, origin }: Deletion,
    ) -> Result<(), BoxError> {
        let view = shelf.view;
        // What a view had for itself while it was masked means nothing once it shows everything.
        let numbers = match shelf.manner.masked {
            true => self.delete_apart(vault, view, folder, numbers).await?,
            false => numbers,
        };
        if numbers.is_empty() {
            return Ok(());
        }
        match on_delete {
            OnDelete::Trash if folder != FolderId::TRASH => {
                self.shift(numbers, FolderId::TRASH, vault.clock.now().unix()).await?;
                Ok(())
            }
            OnDelete::Hide | OnDelete::Trash => self.hide(vault, view, numbers).await,
            OnDelete::Delete => self.destroy(vault, numbers, Some((actor, origin))).await,
        }
    }

    /// What the view has in the folder for itself alone is gone for it alone. The others.
    async fn delete_apart(
        &self,
        vault: &Vault,
        view: ViewId,
        folder: FolderId,
        numbers: Vec<u32>,
    ) -> Result<Vec<u32>, BoxError> {
        let (mut left, mut hidden, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        self.look(|picture| {
            for number in once(numbers) {
                let Some(held) = held(picture, number) else { continue };
                let (mut spots, stray) = (held.spots(view), held.is_stray(view, folder));
                spots.retain(|spot| spot.folder != folder);
                match (spots.is_empty(), stray) {
                    (false, _) => {
                        left.push((number, held.with_apart(view, |apart| apart.spots = Some(spots))));
                    }
                    (true, true) => hidden.push(number),
                    (true, false) => rest.push(number),
                }
            }
        })?;
        if !left.is_empty() {
            self.put(left).await?;
        }
        if !hidden.is_empty() {
            self.hide_only(vault, view, hidden).await?;
        }
        Ok(rest)
    }

    /// Hides messages from a view. One of which there is another copy for every view goes for good: clients
    /// that know no MOVE copy, then delete.
    async fn hide(&self, vault: &Vault, view: ViewId, numbers: Vec<u32>) -> Result<(), BoxError> {
        let numbers = once(numbers);
        let spare = self.spare(&numbers)?;
        let hidden: Vec<u32> = numbers.into_iter().filter(|number| !spare.contains(number)).collect();
        if !hidden.is_empty() {
            self.hide_only(vault, view, hidden).await?;
        }
        if spare.is_empty() {
            return Ok(());
        }
        // The message stays, so the audit log has nothing to say.
        self.destroy(vault, spare.into_iter().collect(), None).await
    }

    async fn hide_only(&self, vault: &Vault, view: ViewId, hidden: Vec<u32>) -> Result<(), BoxError> {
        let slot = self.draw(0)?;
        let (mut batch, scope) = (Batch::new(), self.records.tenant(self.user().tenant));
        let row = HiddenRow { at: vault.clock.now().unix() };
        for number in &hidden {
            scope.put(&mut batch, &[view.as_bytes(), &number.to_be_bytes()], &row);
        }
        let effects = hidden.into_iter().map(|number| Effect::Hide(view, number)).collect();
        let _committed = slot.commit(&self.records, batch, effects).await?;
        Ok(())
    }

    /// Those of the messages of which another copy is left that every view has, and that is hidden in none.
    fn spare(&self, numbers: &[u32]) -> Result<HashSet<u32>, BoxError> {
        let among: HashSet<u32> = numbers.iter().copied().collect();
        let copied = self.look(|picture| {
            let others = |number: &u32| {
                let this = picture.messages.get(number)?;
                let same = |other: &u32| {
                    picture.messages.get(other).is_some_and(|other| {
                        let has = |entry: &crate::tenant::rows::ViewEntry| other.view(entry.view).is_some();
                        other.folder != FolderId::TRASH && this.views.iter().all(has)
                    })
                };
                let others: Vec<u32> =
                    picture.copies_of(*number).filter(|other| !among.contains(other)).filter(same).collect();
                (!others.is_empty()).then_some((*number, others))
            };
            numbers.iter().filter_map(others).collect::<Vec<_>>()
        })?;
        if copied.is_empty() {
            return Ok(HashSet::new());
        }
        let views = registry::views(&self.records, self.user())?;
        let scope = self.records.tenant(self.user().tenant);
        let mut spare = HashSet::new();
        for (number, others) in copied {
            for other in others {
                let mut hidden = false;
                for (view, _) in &views {
                    let row = scope.get::<HiddenRow>(&[view.as_bytes(), &other.to_be_bytes()])?;
                    hidden |= row.is_some();
                }
                if !hidden {
                    spare.insert(number);
                    break;
                }
            }
        }
        Ok(spare)
    }

    /// Removes messages for good. The audit log hears of those that are gone with it, if it is to hear.
    pub(super) async fn destroy(
        &self,
        vault: &Vault,
        numbers: Vec<u32>,
        by: Option<(Actor, Origin)>,
    ) -> Result<(), BoxError> {
        let numbers = once(numbers);
        let (user, records) = (self.user(), self.records.clone());
        let reading = numbers.clone();
        let rows = aside(move || read_rows(&records, user, &reading)).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let last = self.look(|picture| without_copies(picture, &rows))?;
        if let Some((actor, origin)) = by {
            for some in last.chunks(MAX_BATCH) {
                let removed = |message: &MessageId| Act::MessageRemoved { message: *message };
                let drafts = some.iter().map(|message| Draft::new(actor, origin, removed(message)));
                vault.audit.record_batch(user.tenant, drafts.collect()).await?;
            }
        }
        let slot = self.draw(0)?;
        let batch = self.forget(&rows)?;
        let effects = rows.iter().map(|(number, _)| Effect::Remove(*number)).collect();
        let _committed = slot.commit(&self.records, batch, effects).await?;
        rows.iter().for_each(|(_, row)| doubt(vault, user, row));
        vault.mailboxes.usage.forget(user.user);
        let gone = stream::iter(rows)
            .map(|(_, row)| async move { vault.blobs.delete(&BlobName::of_container(row.container)).await });
        gone.buffer_unordered(DELETED_AT_ONCE).try_collect::<()>().await?;
        Ok(())
    }

    /// Everything that the ledger has of these messages.
    fn forget(&self, rows: &[(u32, MessageRow)]) -> Result<Batch, BoxError> {
        let user = self.user();
        let views = registry::views(&self.records, user)?;
        let mut batch = Batch::new();
        for (number, row) in rows {
            let octets = number.to_be_bytes();
            batch.delete(row_key::<MessageRow>(&[user.user.as_bytes(), &octets]));
            batch.delete(row_key::<PlaceRow>(&[user.user.as_bytes(), &octets]));
            let kept = summary::place(*number, row);
            batch.delete(row_key::<SummaryRow>(&[&Reader::Owner(user.tenant).to_bytes(), &kept]));
            listings::forget(&mut batch, views.iter().map(|(view, _)| *view), *number);
            for (view, _) in &views {
                batch.delete(row_key::<HiddenRow>(&[view.as_bytes(), &octets]));
                batch.delete(row_key::<StaleSizeRow>(&[view.as_bytes(), &octets]));
                batch.delete(row_key::<SummaryRow>(&[&Reader::View(*view).to_bytes(), &kept]));
            }
        }
        Ok(batch)
    }
}

/// This may have been the last message of its epochs.
fn doubt(vault: &Vault, user: UserRef, row: &MessageRow) {
    let needed = row.needs(user.tenant).into_iter().flatten();
    vault.epochs.doubt(needed.map(|(reader, epoch)| (reader.id(), epoch)));
}

/// The messages that are gone when these rows are.
fn without_copies(picture: &Picture, rows: &[(u32, MessageRow)]) -> Vec<MessageId> {
    let among: HashSet<u32> = rows.iter().map(|(number, _)| *number).collect();
    let mut told = HashSet::new();
    let gone =
        rows.iter().filter(|(number, _)| picture.copies_of(*number).all(|other| among.contains(&other)));
    gone.filter(|(_, row)| told.insert(row.message)).map(|(_, row)| row.message).collect()
}

fn put_places(
    records: &Arc<Records>,
    batch: &mut Batch,
    user: UserRef,
    keywords: &Keywords,
    changed: &[(u32, Held)],
) {
    let scope = records.tenant(user.tenant);
    for (number, held) in changed {
        scope.put(batch, &[user.user.as_bytes(), &number.to_be_bytes()], &held.place(keywords));
    }
}

/// The flags that a change names. Its keywords are in use from now on.
fn intern(keywords: &mut Keywords, change: &FlagChange) -> Result<Flags, BoxError> {
    let mut named = change.system;
    for name in &change.keywords {
        let number = match change.edit {
            // What no message has cannot be taken from one.
            FlagEdit::Remove => match keywords.find(name) {
                Some(number) => number,
                None => continue,
            },
            _ => keywords.intern(name).ok_or(BoxError::Limit)?,
        };
        named = named.with(Flags::keyword(number));
    }
    Ok(named)
}

fn edit(flags: Flags, edit: FlagEdit, named: Flags) -> Flags {
    match edit {
        FlagEdit::Replace => named,
        FlagEdit::Add => flags.with(named),
        FlagEdit::Remove => flags.without(named),
    }
}

pub(super) fn held(picture: &Picture, number: u32) -> Option<Held> {
    picture.messages.get(&number).cloned()
}

/// Each of them once, in their order.
pub(super) fn once(numbers: Vec<u32>) -> Vec<u32> {
    let mut known = HashSet::with_capacity(numbers.len());
    numbers.into_iter().filter(|number| known.insert(*number)).collect()
}

/// From so many rows on, sealing them is not for where other sessions wait.
pub(super) const MANY: usize = 256;
/// Containers that are deleted at once.
const DELETED_AT_ONCE: usize = 16;
