//! The reseal job: mail that was sealed for yesterday's views and policies is unsealed as owner and
//! sealed again for today's, message by message, inside an unlocked session.
//!
//! It begins with a new generation of every view, so that each rendering has unique identifiers of
//! its own (law 6). It may be stopped at any message; begun again it goes on from there, unless a policy
//! or a view is another one meanwhile.

use std::sync::Arc;

use super::account::record;
use super::checked::{About, Caller, PolicyCheck, act};
use super::mail::OwnerReader;
use super::view::change_view;
use super::{OwnerError, Unlocked};
use crate::audit::{Act, Purpose, Recorded};
use crate::clock::Timestamp;
use crate::message::Plaintext;
use crate::names::ViewId;
use crate::seal::EnvelopeFacts;
use crate::store::ledger::CommitError;
use crate::tenant::registry;
use crate::tenant::rows::{MessageRow, ViewRow};
use crate::vault::seal::{Arrival, SealingError, make_room, seal};
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
    reseal_while(vault, unlocked, || unlocked.is_live(), progress).await
}

/// The same, for as long as `live` says so: it is asked before every message, and when it says no,
/// the job ends there with [`OwnerError::SessionEnded`].
pub async fn reseal_while(
    vault: &Arc<Vault>,
    unlocked: &Unlocked,
    live: impl Fn() -> bool,
    mut progress: impl FnMut(u64, u64),
) -> Result<Resealed, OwnerError> {
    let mut reader = OwnerReader::new(vault, unlocked)?;
    let rows = reader.rows()?;
    let total = rows.len() as u64;
    let mut done = Resealed::default();
    let begun = begin(vault, unlocked, total).await?;
    // Without any view there is nothing to seal for: the owner's part never changes.
    let Some((Begun { before, goes_on }, recorded)) = begun else { return Ok(done) };
    let views: Vec<ViewId> = before.iter().map(|(view, _)| *view).collect();
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
    filled(vault, unlocked, &views, done).await?;
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

/// Records the end, and notes that no older mail is missing in the views that are still there.
async fn filled(
    vault: &Vault,
    unlocked: &Unlocked,
    views: &[ViewId],
    done: Resealed,
) -> Result<(), OwnerError> {
    let user = unlocked.user;
    let scope = vault.records.tenant(user.tenant);
    let noted = act(vault, About::Tenant(user.tenant), Caller::unlocked(unlocked), |checked| {
        for view in views {
            let parts: [&[u8]; 2] = [user.user.as_bytes(), view.as_bytes()];
            let row: Option<ViewRow> = checked.get(&scope, &parts)?;
            if let Some(row) = row.filter(|row| row.unfilled.is_some()) {
                scope.put(checked.batch(), &parts, &ViewRow { unfilled: None, ..row });
            }
        }
        Ok((ended(views, done), ()))
    });
    noted.await.map(|_done| ())
}

/// Records how far the job came.
async fn end(vault: &Vault, unlocked: &Unlocked, views: &[ViewId], done: Resealed) -> Result<(), OwnerError> {
    for act in ended(views, done) {
        record(vault, unlocked.user.tenant, unlocked.by(), act).await?;
    }
    Ok(())
}

fn ended(views: &[ViewId], done: Resealed) -> Vec<Act> {
    let end = |view: &ViewId| Act::ResealEnded { view: *view, resealed: done.resealed, failed: done.damaged };
    views.iter().map(end).collect()
}

/// What a job begins with.
struct Begun {
    /// The views before it.
    before: Vec<(ViewId, ViewRow)>,
    /// Whether it only goes on.
    goes_on: bool,
}

/// Records the job, durably, then moves every view to a new generation, unless it only goes on; with the
/// entry that lets mail be opened for it. None if there are no views.
async fn begin(
    vault: &Vault,
    unlocked: &Unlocked,
    messages: u64,
) -> Result<Option<(Begun, Recorded)>, OwnerError> {
    let user = unlocked.user;
    let done = act(vault, About::Tenant(user.tenant), Caller::unlocked(unlocked), |checked| {
        let before = registry::views(&vault.records, user)?;
        let goes_on = before.iter().all(|(_, row)| is_begun(row));
        for (view, row) in before.iter().filter(|_| !goes_on) {
            let policy = match checked.policy(&row.policy) {
                Ok(policy) => Some(policy),
                Err(PolicyCheck::Unavailable(_)) => None,
                Err(PolicyCheck::Failed(error)) => return Err(error),
            };
            change_view(vault, checked.batch(), user, *view, policy.as_ref(), |row| {
                row.unfilled = Some(row.generation);
            })?;
        }
        let begun = before.iter().map(|(view, _)| Act::ResealBegun { view: *view, messages });
        Ok((begun.collect(), Begun { before, goes_on }))
    });
    let mut done = done.await?;
    Ok(done.recorded.pop().map(|last| (done.value, last)))
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
        let stored = match seal(vault, arrival).await {
            // A view was removed meanwhile: the next attempt does without it.
            Err(SealingError::ReaderGone) => continue,
            sealed => sealed.map_err(sealing)?,
        };
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
    let opened = reader.open(uid, row, (recorded, Purpose::Work)).await?;
    let facts = &opened.manifest().envelope;
    let envelope = EnvelopeFacts {
        reverse_path: facts.reverse_path.clone(),
        addressee: facts.addressee.clone(),
        protocol: facts.protocol.clone(),
    };
    let content = Plaintext::from(reader.whole(opened).await?);
    // In this order: what is read may wait for what is sealed, and never the other way round.
    let room = make_room(reader.vault(), user, content.expose().len()).await;
    Ok(Arrival {
        room,
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
        SealingError::Seal(_) | SealingError::Ended | SealingError::NoRoom => OwnerError::Stopping,
    }
}

/// A message that changes more often than this while it is sealed is left to the next reseal.
const MAX_ATTEMPTS: usize = 8;
