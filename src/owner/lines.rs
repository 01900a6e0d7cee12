//! Lists of messages for the dashboard: masked, with what the password opened; whole, in an unlocked
//! session. Each page costs its own messages, however large the mailbox is.

use std::sync::Arc;

use super::mail::OwnerReader;
use super::sign_ins::Visit;
use super::view::view_identity;
use super::{By, OwnerError, Unlocked};
use crate::audit::{Act, Draft, Extent, Recorded};
use crate::names::{MessageId, ViewId};
use crate::seal::UnsealError;
use crate::store::ledger::Batch;
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::MessageRow;
use crate::vault::Vault;
use crate::vault::masked::{MaskError, Shelf, ViewReader};
use crate::vault::pages::{self, Rows, Start};
use crate::vault::summary::{HEAD, Summary};
use crate::wipe::Wiped;

/// Which messages a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// Those that were not thrown away.
    Inbox,
    /// Those that were.
    Trash,
}

/// One message in a list.
pub struct Line {
    /// Its UID.
    pub uid: u32,
    /// The message.
    pub message: MessageId,
    /// When it was received, Unix seconds.
    pub received: i64,
    /// Its octets.
    pub octets: u64,
    /// What the reader may know of it.
    pub shown: Known,
}

/// What a reader may know of a message.
pub enum Known {
    /// This.
    Summary(Summary),
    /// It came before the view, or the view's policy leaves it out.
    Sealed,
    /// Its container is damaged.
    Damaged,
}

/// A page as the dashboard's view shows it. The opening of the view is in the audit log already.
pub async fn masked(
    vault: &Arc<Vault>,
    visit: &Visit,
    folder: Folder,
    start: Start,
    limit: usize,
) -> Result<Vec<Line>, OwnerError> {
    let rows = rows(vault, visit.user, folder, start, limit).await?;
    let reader = ViewReader::new(vault.clone(), shelf(vault, visit)?, visit.identity()?);
    let mut batch = Batch::new();
    let mut lines = Vec::with_capacity(rows.len());
    for (uid, row) in rows {
        let generation = reader.shelf().generation;
        let shown = match reader.keys().kept_summary(vault, uid, &row, generation) {
            Some(summary) => Known::Summary(summary),
            None => {
                match reader.open(uid, &row, &visit.recorded).await.and_then(|masked| masked.head(HEAD)) {
                    Ok(head) => {
                        let summary = Summary::of(&head);
                        reader.keys().keep_summary(vault, &mut batch, (uid, &row, generation), &summary);
                        Known::Summary(summary)
                    }
                    Err(MaskError::Gone) => Known::Sealed,
                    Err(MaskError::Damaged) => Known::Damaged,
                    Err(MaskError::Unavailable) => return Err(OwnerError::Unavailable),
                }
            }
        };
        lines.push(line(uid, &row, shown));
    }
    keep(vault, batch);
    Ok(lines)
}

/// A page as the owner sees it. The page is one audit entry, durable before it is read.
pub async fn whole(
    vault: &Arc<Vault>,
    unlocked: &Unlocked,
    folder: Folder,
    start: Start,
    limit: usize,
) -> Result<Vec<Line>, OwnerError> {
    let rows = rows(vault, unlocked.user, folder, start, limit).await?;
    OwnerReader::new(vault, unlocked)?.lines(rows).await
}

/// One message as the dashboard's view shows it: its row and its octets.
pub async fn masked_message(
    vault: &Arc<Vault>,
    visit: &Visit,
    uid: u32,
    by: By,
) -> Result<(MessageRow, Option<Wiped>), OwnerError> {
    let user = visit.user;
    let row: Option<MessageRow> =
        vault.records.tenant(user.tenant).get(&[user.user.as_bytes(), &uid.to_be_bytes()])?;
    let row = row.ok_or(OwnerError::NotFound("message"))?;
    let act = Act::MessageFetched { message: row.message, extent: Extent::Whole };
    let recorded = vault.audit.record(user.tenant, Draft::new(by.actor, by.origin, act)).await?;
    let reader = ViewReader::new(vault.clone(), shelf(vault, visit)?, visit.identity()?);
    let octets = rendered(&reader, uid, &row, &recorded).await?;
    Ok((row, octets))
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
    let row: Option<MessageRow> =
        vault.records.tenant(user.tenant).get(&[user.user.as_bytes(), &uid.to_be_bytes()])?;
    let row = row.ok_or(OwnerError::NotFound("message"))?;
    let view_row = registry::view(&vault.records, user, view)?.ok_or(OwnerError::NotFound("view"))?;
    let identity = view_identity(&unlocked.key, &view_row)?;
    let shelf = Shelf { user, view, generation: view_row.generation, policy: view_row.policy };
    rendered(&mut ViewReader::new(vault.clone(), shelf, identity), uid, &row, recorded).await
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

/// The view that the dashboard lists, as it is today.
pub(super) fn shelf(vault: &Vault, visit: &Visit) -> Result<Shelf, OwnerError> {
    let row = registry::view(&vault.records, visit.user, visit.view)?.ok_or(OwnerError::SessionEnded)?;
    Ok(Shelf { user: visit.user, view: visit.view, generation: row.generation, policy: row.policy })
}

/// Nobody waits for it: a summary that is lost is read again.
pub(super) fn keep(vault: &Vault, batch: Batch) {
    if !batch.is_empty() {
        drop(vault.records.commit(batch));
    }
}

pub(super) fn line(uid: u32, row: &MessageRow, shown: Known) -> Line {
    Line { uid, message: row.message, received: row.received, octets: row.octets, shown }
}

async fn rows(
    vault: &Arc<Vault>,
    user: UserRef,
    folder: Folder,
    start: Start,
    limit: usize,
) -> Result<Rows, OwnerError> {
    let vault = vault.clone();
    let read =
        move || pages::page(&vault, user, start, limit, |row| row.trashed == (folder == Folder::Trash));
    // A page of the trash may walk the whole mailbox: not where other sessions wait.
    let rows = tokio::task::spawn_blocking(read).await.map_err(|_| OwnerError::Stopping)?;
    Ok(rows?)
}
