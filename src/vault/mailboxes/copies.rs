//! Copies of messages, and of their containers: a name of its own for the same octets, held until a row refers
//! to it.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};

use super::apart;
use super::deeds::{MANY, apart_too, held, once, stays_apart, visible};
use super::door::Turn;
use super::pages::read_rows;
use super::picture::{Effect, Held, Picture};
use super::{BoxError, aside, enter};
use crate::mailbox::FolderId;
use crate::names::{ContainerName, ViewId};
use crate::store::blobs::{BlobError, BlobName};
use crate::store::ledger::Batch;
use crate::store::sweep::Hold;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::MessageRow;
use crate::vault::Vault;
use crate::vault::masked::Shelf;
use crate::vault::usage::Room;

/// Copies messages that the view has in `folder`, with their flags. UIDs here and there, in the order of
/// `uids`. A copy is a container of its own with the same octets, and the same message inside. All or none: where
/// the mailbox has a limit, they have to fit under it.
pub async fn copy(
    vault: &Vault,
    shelf: &Shelf,
    folder: FolderId,
    uids: &[u32],
    target: FolderId,
) -> Result<Vec<(u32, u32)>, BoxError> {
    let (numbers, mut pairs) = {
        let turn = enter(vault, shelf.user).await?;
        turn.look(|picture| picture.has_folder(target).then_some(()))?.ok_or(BoxError::NoFolder)?;
        let numbers = visible(&turn, shelf, folder, uids).await?;
        let apart = |picture: &mut Picture, number: &u32| {
            held(picture, *number).is_some_and(|held| stays_apart(&held, shelf, folder, target))
        };
        let (apart, numbers): (Vec<u32>, Vec<u32>) =
            turn.look(|picture| numbers.into_iter().partition(|number| apart(picture, number)))?;
        turn.require_room(shelf.view, &numbers)?;
        (numbers, turn.copy_apart(shelf.view, folder, apart, target, vault.clock.now().unix()).await?)
    };
    // Files take their time: meanwhile others may have their turn.
    let copies = stream::iter(numbers).map(|number| copy_container(vault, shelf.user, number));
    let copies: Vec<_> = copies.buffered(COPIES_AT_ONCE).try_collect().await?;
    let turn = enter(vault, shelf.user).await?;
    let copies = copies.into_iter().flatten().collect();
    pairs.extend(turn.place_copies(vault, (shelf.view, folder), copies, target).await?);
    let order = |uid: u32| uids.iter().position(|wanted| *wanted == uid);
    if pairs.len() <= MANY {
        pairs.sort_by_key(|(uid, _)| order(*uid));
    }
    Ok(pairs)
}

/// A container that was copied.
pub(super) struct Copied {
    pub(super) number: u32,
    /// The container that it is a copy of.
    pub(super) source: ContainerName,
    /// The row that it is to have, but for its number and mod-sequence.
    pub(super) row: MessageRow,
    /// Until the row is committed.
    _hold: Hold,
}

/// Copies the container of a message; none if the message is gone.
pub(super) async fn copy_container(
    vault: &Vault,
    user: UserRef,
    number: u32,
) -> Result<Option<Copied>, BoxError> {
    let scope = vault.records.tenant(user.tenant);
    let mut last = None;
    loop {
        let row: Option<MessageRow> = scope.get(&[user.user.as_bytes(), &number.to_be_bytes()])?;
        let Some(row) = row else { return Ok(None) };
        let name = ContainerName::random();
        let hold = vault.in_flight.hold(BlobName::of_container(name));
        let from = BlobName::of_container(row.container);
        match vault.blobs.copy(&from, &BlobName::of_container(name), row.sealed).await {
            Ok(()) => {
                let source = row.container;
                let row = MessageRow { container: name, ..row };
                return Ok(Some(Copied { number, source, row, _hold: hold }));
            }
            // Sealed again meanwhile: there is a newer one. But one that is missing is missing.
            Err(BlobError::NotFound) if last != Some(row.container) => last = Some(row.container),
            Err(error) => return Err(error.into()),
        }
    }
}

impl Turn {
    /// Refuses copies that do not fit. They are weighed as the view shows them, against what it shows: the rest
    /// would tell how large hidden mail is (law 2).
    fn require_room(&self, view: ViewId, numbers: &[u32]) -> Result<(), BoxError> {
        let quota = registry::user(&self.records, self.user())?.and_then(|row| row.quota);
        let Some(quota) = quota.filter(|_| !numbers.is_empty()) else { return Ok(()) };
        let fits = self.look(|picture| {
            let octets = |number: &u32| Some(picture.messages.get(number)?.view(view)?.octets);
            let wanted = numbers.iter().filter_map(octets).sum();
            Room { quota, used: picture.shown(view) }.takes(wanted)
        })?;
        fits.then_some(()).ok_or(BoxError::OverQuota)
    }

    /// The same copies, made anew where the message was sealed again after its container was copied: nothing
    /// holds the epochs of a container that no row has, so their seeds may be gone. From here until the turn
    /// ends no row gets another container, and those that are there keep their seeds. Messages that are gone
    /// are left out.
    pub(super) async fn renewed(&self, vault: &Vault, copies: Vec<Copied>) -> Result<Vec<Copied>, BoxError> {
        let (records, user) = (self.records.clone(), self.user());
        let numbers: Vec<u32> = copies.iter().map(|copied| copied.number).collect();
        let rows = aside(move || read_rows(&records, user, &numbers)).await?;
        let rows: HashMap<u32, MessageRow> = rows.into_iter().collect();
        let mut renewed = Vec::with_capacity(copies.len());
        for copied in copies {
            match rows.get(&copied.number) {
                Some(row) if row.container == copied.source => {
                    let row = MessageRow { container: copied.row.container, ..row.clone() };
                    renewed.push(Copied { row, ..copied });
                }
                row => {
                    vault.blobs.delete(&BlobName::of_container(copied.row.container)).await?;
                    if row.is_some() {
                        renewed.extend(copy_container(vault, user, copied.number).await?);
                    }
                }
            }
        }
        Ok(renewed)
    }

    /// Gives copied containers rows of their own, unless what was copied has gone or moved meanwhile.
    pub(super) async fn place_copies(
        &self,
        vault: &Vault,
        (view, folder): (ViewId, FolderId),
        copies: Vec<Copied>,
        target: FolderId,
    ) -> Result<Vec<(u32, u32)>, BoxError> {
        let copies = self.renewed(vault, copies).await?;
        let saved = vault.clock.now().unix();
        let shift = self.look(|picture| picture.shift_of(view))?;
        let copies: Vec<(Copied, u32, Held)> = self.look(|picture| {
            let still = |copied: Copied| {
                let stand = picture.stand(view, copied.number, folder)?;
                let held = held(picture, copied.number)?;
                Some((copied, stand.uid.saturating_add(shift), held))
            };
            let still = copies.into_iter().filter_map(still).collect();
            picture.has_folder(target).then_some(still).ok_or(BoxError::NoFolder)
        })??;
        if copies.is_empty() {
            return Ok(Vec::new());
        }
        let slot = self.draw(copies.len())?;
        let keywords = self.look(|picture| picture.keywords.clone())?;
        let (mut batch, mut effects, mut pairs) = (Batch::new(), Vec::new(), Vec::new());
        let user = self.user();
        let scope = self.records.tenant(user.tenant);
        for (number, (copied, uid, source)) in slot.numbers.clone().zip(&copies) {
            let mod_seq = Some(slot.mod_seq);
            let row = MessageRow { mod_seq, copy: Some(true), trashed: false, ..copied.row.clone() };
            let arrived = Held::arrived(number, row.clone());
            let apart = apart::of_copy(&source.apart);
            let held = Held { folder: target, flags: source.flags, saved, apart, ..arrived };
            let held = held.filled(slot.mod_seq, &mut std::iter::empty());
            let octets = number.to_be_bytes();
            let parts: [&[u8]; 2] = [user.user.as_bytes(), &octets];
            scope.insert(&mut batch, &parts, &row);
            scope.put(&mut batch, &parts, &held.place(&keywords));
            pairs.push((*uid, number.saturating_add(shift)));
            effects.push(Effect::Put(number, held));
        }
        let _committed = slot.commit(&self.records, batch, effects).await?;
        let octets = copies.iter().map(|(copied, ..)| copied.row.octets).sum();
        vault.mailboxes.usage.arrived(user.user, octets);
        Ok(pairs)
    }

    /// Copies that the view alone has.
    async fn copy_apart(
        &self,
        view: ViewId,
        folder: FolderId,
        numbers: Vec<u32>,
        target: FolderId,
        saved: i64,
    ) -> Result<Vec<(u32, u32)>, BoxError> {
        let copied = self.look(|picture| {
            let copied = |number| Some((number, apart_too(held(picture, number)?, view, target, saved)));
            once(numbers).into_iter().filter_map(copied).collect::<Vec<_>>()
        })?;
        self.put_shifted(view, folder, target, copied).await
    }
}

/// Containers that are copied at once.
const COPIES_AT_ONCE: usize = 16;
