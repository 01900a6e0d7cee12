//! Lists of messages for the dashboard: masked, with what the password opened; whole, in an unlocked
//! session. Each page costs its own messages, however large the mailbox is.

use std::sync::Arc;

use super::mail::OwnerReader;
use super::sign_ins::Visit;
use super::view::view_identity;
use super::{By, OwnerError, Unlocked};
use crate::audit::{Act, Draft, Extent, Recorded};
use crate::mailbox::FolderId;
use crate::names::{MessageId, ViewId};
use crate::seal::UnsealError;
use crate::store::ledger::Batch;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::MessageRow;
use crate::vault::Vault;
use crate::vault::masked::{MaskError, Shelf, ViewReader};
use crate::vault::pages::{self, Among, Rows, Start};
use crate::vault::summary::{HEAD, Summary};
use crate::wipe::Wiped;

/// One message in a list.
pub struct Line {
    /// Its UID.
    pub uid: u32,
    /// The message.
    pub message: MessageId,
    /// When it was received, Unix seconds.
    pub received: i64,
    /// What the reader may know of it.
    pub shown: Known,
}

/// What a reader may know of a message.
pub enum Known {
    /// This.
    Summary(Summary),
    /// That it is there: the reader has no key to any of it.
    Sealed,
    /// Its container is damaged.
    Damaged,
}

/// A page as the dashboard's view shows it, without what the view leaves out: that such a message is
/// there is nothing that a password tells. The opening of the view is in the audit log already.
pub async fn masked(
    vault: &Arc<Vault>,
    visit: &Visit,
    folder: FolderId,
    mut start: Start,
    limit: usize,
) -> Result<Vec<Line>, OwnerError> {
    let reader = view_reader(vault, visit)?;
    let (mut batch, mut lines) = (Batch::new(), Vec::new());
    loop {
        let missing = limit - lines.len();
        let rows = rows(vault, visit.user, folder, Some(visit.view), start, missing).await?;
        let is_last = rows.len() < missing;
        let (newest, oldest) = (rows.first().map(|(uid, _)| *uid), rows.last().map(|(uid, _)| *uid));
        let mut found = Vec::with_capacity(rows.len());
        for (uid, row) in rows {
            let shown = masked_line(vault, &reader, &mut batch, (uid, &row), &visit.recorded).await?;
            found.extend(shown.map(|shown| line(uid, &row, shown)));
        }
        match (start, newest, oldest) {
            (Start::After(_), Some(newest), _) => {
                start = Start::After(newest);
                found.append(&mut lines);
                lines = found;
            }
            (_, _, Some(oldest)) => {
                start = Start::Before(oldest);
                lines.append(&mut found);
            }
            _ => {}
        }
        if is_last || lines.len() >= limit {
            break;
        }
    }
    keep(vault, batch);
    Ok(lines)
}

/// What the view shows of a message; none if it leaves it out.
async fn masked_line(
    vault: &Vault,
    reader: &ViewReader,
    batch: &mut Batch,
    (uid, row): (u32, &MessageRow),
    recorded: &Recorded,
) -> Result<Option<Known>, OwnerError> {
    let generation = reader.shelf().generation;
    if let Some(summary) = reader.keys().kept_summary(vault, uid, row, generation) {
        return Ok(Some(Known::Summary(summary)));
    }
    match reader.open(uid, row, recorded).await.and_then(|masked| masked.head(HEAD)) {
        Ok(head) => {
            let summary = Summary::of(&head);
            reader.keys().keep_summary(vault, batch, (uid, row, generation), &summary);
            Ok(Some(Known::Summary(summary)))
        }
        Err(MaskError::Gone) => Ok(None),
        Err(MaskError::Damaged) => Ok(Some(Known::Damaged)),
        Err(MaskError::Unavailable) => Err(OwnerError::Unavailable),
    }
}

/// A page as the owner sees it. The page is one audit entry, durable before it is read.
pub async fn whole(
    vault: &Arc<Vault>,
    unlocked: &Unlocked,
    folder: FolderId,
    start: Start,
    limit: usize,
) -> Result<Vec<Line>, OwnerError> {
    let rows = rows(vault, unlocked.user, folder, None, start, limit).await?;
    OwnerReader::new(vault, unlocked)?.lines(rows).await
}

/// One message as the dashboard's view shows it: its row and its octets. One that the view leaves out
/// is not found, and nothing is recorded.
pub async fn masked_message(
    vault: &Arc<Vault>,
    visit: &Visit,
    uid: u32,
    by: By,
) -> Result<(MessageRow, Wiped), OwnerError> {
    let row = in_view(vault, visit, uid).await?;
    let act = Act::MessageFetched { message: row.message, extent: Extent::Whole };
    let recorded = vault.audit.record(visit.user.tenant, Draft::new(by.actor, by.origin, act)).await?;
    let octets = rendered(&view_reader(vault, visit)?, uid, &row, &recorded).await?;
    Ok((row, octets.ok_or(OwnerError::NotFound("message"))?))
}

/// The row of a message that the dashboard's view has; any other one is not found.
pub async fn in_view(vault: &Arc<Vault>, visit: &Visit, uid: u32) -> Result<MessageRow, OwnerError> {
    let missing = || OwnerError::NotFound("message");
    let row = row(vault, visit.user, uid)?;
    let reader = view_reader(vault, visit)?;
    let entry = reader.shelf().entry(&row).ok_or_else(missing)?;
    if reader.shelf().is_stale(entry) {
        // What today's policy makes of it shows only once it is open, for which the entry of the
        // view's opening is enough: nobody is shown anything yet.
        match reader.open(uid, &row, &visit.recorded).await {
            Err(MaskError::Gone) => return Err(missing()),
            Err(MaskError::Unavailable) => return Err(OwnerError::Unavailable),
            Ok(_) | Err(MaskError::Damaged) => {}
        }
    }
    Ok(row)
}

/// A message of the unlocked user as one of their views shows it; none if the view does not have it.
/// `recorded` is the entry that the message is being shown to its owner.
pub async fn as_view_shows(
    vault: &Arc<Vault>,
    unlocked: &Unlocked,
    view: ViewId,
    uid: u32,
    recorded: &Recorded,
) -> Result<Option<Wiped>, OwnerError> {
    let user = unlocked.user;
    let row = row(vault, user, uid)?;
    let view_row = registry::view(&vault.records, user, view)?.ok_or(OwnerError::NotFound("view"))?;
    let identity = view_identity(&unlocked.key, &view_row)?;
    let shelf = Shelf::new(vault, user, view, view_row);
    rendered(&ViewReader::new(vault.clone(), shelf, identity), uid, &row, recorded).await
}

async fn rendered(
    reader: &ViewReader,
    uid: u32,
    row: &MessageRow,
    recorded: &Recorded,
) -> Result<Option<Wiped>, OwnerError> {
    match reader.open(uid, row, recorded).await.and_then(|masked| masked.head(u64::MAX)) {
        Ok(octets) => Ok(Some(octets)),
        Err(MaskError::Gone) => Ok(None),
        Err(MaskError::Damaged) => Err(UnsealError::Layout.into()),
        Err(MaskError::Unavailable) => Err(OwnerError::Unavailable),
    }
}

fn row(vault: &Vault, user: UserRef, uid: u32) -> Result<MessageRow, OwnerError> {
    let row = vault.records.tenant(user.tenant).get(&[user.user.as_bytes(), &uid.to_be_bytes()])?;
    row.ok_or(OwnerError::NotFound("message"))
}

fn view_reader(vault: &Arc<Vault>, visit: &Visit) -> Result<ViewReader, OwnerError> {
    Ok(ViewReader::new(vault.clone(), shelf(vault, visit)?, visit.identity()?))
}

/// The view that the dashboard lists, as it is today.
pub(super) fn shelf(vault: &Vault, visit: &Visit) -> Result<Shelf, OwnerError> {
    let row = registry::view(&vault.records, visit.user, visit.view)?.ok_or(OwnerError::SessionEnded)?;
    Ok(Shelf::new(vault, visit.user, visit.view, row))
}

/// Nobody waits for it: a summary that is lost is read again.
pub(super) fn keep(vault: &Vault, batch: Batch) {
    if !batch.is_empty() {
        drop(vault.records.commit(batch));
    }
}

pub(super) fn line(uid: u32, row: &MessageRow, shown: Known) -> Line {
    Line { uid, message: row.message, received: row.received, shown }
}

/// Rows of a folder, of those that `view` has if one is given.
async fn rows(
    vault: &Arc<Vault>,
    user: UserRef,
    folder: FolderId,
    view: Option<ViewId>,
    start: Start,
    limit: usize,
) -> Result<Rows, OwnerError> {
    Ok(pages::page(vault, user, Among { folder: Some(folder), view }, start, limit).await?)
}
