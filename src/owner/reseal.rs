//! The reseal job: mail that was sealed for yesterday's views and policies is unsealed as owner and
//! sealed again for today's, message by message, inside an unlocked session.
//!
//! It begins with a new generation of every view, so that each rendering has unique identifiers of
//! its own (law 6). It may be stopped at any message; begun again it goes on from there, unless a policy
//! or a view is another one meanwhile.

use std::sync::Arc;

use super::account::record;
use super::mail::OwnerReader;
use super::view::change_view;
use super::{OwnerError, Unlocked};
use crate::audit::{Act, Draft, Recorded};
use crate::clock::Timestamp;
use crate::message::Plaintext;
use crate::names::ViewId;
use crate::seal::EnvelopeFacts;
use crate::store::ledger::{Batch, CommitError};
use crate::tenant::registry;
use crate::tenant::rows::{MessageRow, ViewRow};
use crate::vault::seal::{Arrival, SealingError, seal};
use crate::vault::{Vault, mailboxes};

/// What a reseal did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Messages sealed again.
    pub resealed: u64,
    /// Messages that do not open; they stay as they are.
    pub damaged: u64,
}

/// Seals all mail of the unlocked user again. `progress` is told messages done and messages in all.
pub async fn reseal(
    vault: &Arc<Vault>,
    unlocked: &Unlocked,
    progress: impl FnMut(u64, u64),
) -> Result<Resealed, OwnerError> {
    reseal_while(vault, unlocked, || true, progress).await
}

/// The same, for as long as `live` says so: it is asked before every message, and when it says no,
/// the job ends there with [`OwnerError::SessionEnded`].
pub async fn reseal_while(
    vault: &Arc<Vault>,
    unlocked: &Unlocked,
    live: impl Fn() -> bool,
    mut progress: impl FnMut(u64, u64),
) -> Result<Resealed, OwnerError> {
    let user = unlocked.user;
    let mut reader = OwnerReader::new(vault, unlocked)?;
    let rows = reader.rows()?;
    let before = registry::views(&vault.records, user)?;
    let goes_on = !before.is_empty() && before.iter().all(|(_, row)| is_begun(row));
    let views: Vec<ViewId> = before.iter().map(|(view, _)| *view).collect();
    let recorded = begin(vault, unlocked, &views, rows.len() as u64, goes_on).await?;
    let total = rows.len() as u64;
    let mut done = Resealed::default();
    for (uid, row) in rows {
        if goes_on && is_done(&row, &before) {
            done.resealed += 1;
            continue;
        }
        if !live() {
            end(vault, unlocked, &views, done).await?;
            return Err(OwnerError::SessionEnded);
        }
        match one(vault, unlocked, &mut reader, uid, &recorded).await {
            Ok(()) => done.resealed += 1,
            Err(OwnerError::Damaged(_)) => done.damaged += 1,
            // Deleted since the list was made.
            Err(OwnerError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        progress(done.resealed + done.damaged, total);
    }
    filled(vault, unlocked, &views).await?;
    end(vault, unlocked, &views, done).await?;
    Ok(done)
}

/// Whether the sealing anew has begun for this view, and nothing changed since.
fn is_begun(row: &ViewRow) -> bool {
    row.unfilled.is_some_and(|begun| begun == row.generation)
}

/// Whether the message was sealed since that.
fn is_done(row: &MessageRow, views: &[(ViewId, ViewRow)]) -> bool {
    let is_new = |entry: &crate::tenant::rows::ViewEntry| {
        views.iter().any(|(view, row)| *view == entry.view && row.generation == entry.generation)
    };
    row.views.iter().any(is_new)
}

/// Notes that no older mail is missing in these views.
async fn filled(vault: &Vault, unlocked: &Unlocked, views: &[ViewId]) -> Result<(), OwnerError> {
    let (user, mut batch) = (unlocked.user, Batch::new());
    let scope = vault.records.tenant(user.tenant);
    for view in views {
        let parts: [&[u8]; 2] = [user.user.as_bytes(), view.as_bytes()];
        let read = scope.get_versioned::<ViewRow>(&parts)?.filter(|read| read.row.unfilled.is_some());
        if let Some(read) = read {
            scope.replace(&mut batch, &parts, read.sealed, &ViewRow { unfilled: None, ..read.row });
        }
    }
    if !batch.is_empty() {
        let _committed = vault.records.commit(batch).await?;
    }
    Ok(())
}

/// Records how far the job came.
async fn end(vault: &Vault, unlocked: &Unlocked, views: &[ViewId], done: Resealed) -> Result<(), OwnerError> {
    for view in views {
        let act = Act::ResealEnded { view: *view, resealed: done.resealed, failed: done.damaged };
        record(vault, unlocked.user.tenant, unlocked.by(), act).await?;
    }
    Ok(())
}

/// Records the job, durably, then moves every view to a new generation, unless it only goes on.
async fn begin(
    vault: &Vault,
    unlocked: &Unlocked,
    views: &[ViewId],
    messages: u64,
    goes_on: bool,
) -> Result<Recorded, OwnerError> {
    let user = unlocked.user;
    let by = unlocked.by();
    let draft = |act| Draft::new(by.actor, by.origin, act);
    let mut last = vault.audit.record(user.tenant, draft(Act::ListRead { messages })).await?;
    let mut batch = Batch::new();
    for view in views {
        last = vault.audit.record(user.tenant, draft(Act::ResealBegun { view: *view, messages })).await?;
        if !goes_on {
            let row = registry::view(&vault.records, user, *view)?;
            let policy = row.map(|row| vault.policies.find(&vault.records, user.tenant, &row.policy));
            let policy = policy.and_then(Result::ok);
            change_view(vault, &mut batch, user, *view, policy.as_deref(), |row| {
                row.unfilled = Some(row.generation);
            })?;
        }
    }
    if !batch.is_empty() {
        let _committed = vault.records.commit(batch).await?;
    }
    Ok(last)
}

/// Reads the row anew each time: another reseal may have been faster.
async fn one(
    vault: &Arc<Vault>,
    unlocked: &Unlocked,
    reader: &mut OwnerReader<'_>,
    uid: u32,
    recorded: &Recorded,
) -> Result<(), OwnerError> {
    let user = unlocked.user;
    let scope = vault.records.tenant(user.tenant);
    for _ in 0..MAX_ATTEMPTS {
        let row: Option<MessageRow> = scope.get(&[user.user.as_bytes(), &uid.to_be_bytes()])?;
        let row = row.ok_or(OwnerError::NotFound("message"))?;
        let arrival = arrival(reader, user, uid, &row, recorded).await?;
        let stored = seal(vault, arrival).await.map_err(sealing)?;
        // A container that finds no place stays unreferenced, for the sweeper.
        if mailboxes::reseal(vault, user, uid, row.container, stored).await? {
            return Ok(());
        }
    }
    Err(CommitError::Conflict.into())
}

/// A stored message as it came, to be sealed again for `user`.
pub(super) async fn arrival(
    reader: &mut OwnerReader<'_>,
    user: registry::UserRef,
    uid: u32,
    row: &MessageRow,
    recorded: &Recorded,
) -> Result<Arrival, OwnerError> {
    let opened = reader.open(uid, row, recorded).await?;
    let facts = &opened.manifest().envelope;
    let envelope = EnvelopeFacts {
        reverse_path: facts.reverse_path.clone(),
        addressee: facts.addressee.clone(),
        protocol: facts.protocol.clone(),
    };
    let content = Plaintext::from(reader.whole(opened).await?);
    Ok(Arrival {
        user,
        message: row.message,
        content,
        received: Timestamp::from_unix(row.received),
        envelope,
        // What a client uploaded stays whole in its view.
        uploader: row.views.iter().find(|entry| entry.is_own()).map(|entry| entry.view),
    })
}

/// What sealing says, as the owner hears it.
pub(super) fn sealing(error: SealingError) -> OwnerError {
    match error {
        SealingError::Records(error) => error.into(),
        SealingError::Blobs(error) => error.into(),
        SealingError::Keyring(error) => error.into(),
        SealingError::Policy(error) => error.into(),
        SealingError::ReaderGone => OwnerError::NotFound("view"),
        SealingError::Seal(_) | SealingError::Ended => OwnerError::Stopping,
    }
}

/// A message that changes more often than this while it is sealed is left to the next reseal.
const MAX_ATTEMPTS: usize = 8;
