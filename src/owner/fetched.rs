//! What a device has seen: the messages that were fetched with its credential, as the audit log has
//! them. Deciding what becomes of the credential is `view`'s.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::lines::{Known, Line, line};
use super::mail::OwnerReader;
use super::view::Located;
use super::{OwnerError, Unlocked};
use crate::audit::{Act, Actor};
use crate::clock::Timestamp;
use crate::names::MessageId;
use crate::tenant::registry::UserRef;
use crate::tenant::rows::MessageRow;
use crate::vault::Vault;
use crate::vault::pages::Rows;

/// The messages that a credential fetched, whole or in part, and when it last did.
pub async fn fetched(vault: &Vault, located: &Located) -> Result<BTreeMap<MessageId, Timestamp>, OwnerError> {
    let wanted = Actor::View { view: located.view, credential: located.credential };
    let mut messages = BTreeMap::new();
    let mut from = 0;
    loop {
        let entries = vault.audit.read(located.user.tenant, from, PAGE).await?;
        let Some(last) = entries.last().and_then(|entry| entry.as_ref().ok()) else { break };
        from = last.sequence + 1;
        for entry in entries.into_iter().flatten().filter(|entry| entry.draft.actor == wanted) {
            if let Act::MessageFetched { message, .. } = entry.draft.act {
                messages.insert(message, entry.time);
            }
        }
    }
    Ok(messages)
}

/// The rows of these messages, newest first. Those that were deleted since have none.
pub async fn rows_of(
    vault: &Arc<Vault>,
    user: UserRef,
    messages: &BTreeMap<MessageId, Timestamp>,
) -> Result<Rows, OwnerError> {
    let (vault, wanted) = (vault.clone(), messages.keys().copied().collect::<Vec<_>>());
    let scan = move || {
        let mut rows = Rows::new();
        let scope = vault.records.tenant(user.tenant);
        scope.visit::<MessageRow>(&[user.user.as_bytes()], &[], |key, row| {
            // A row that does not open is told where the mailbox is read.
            if let (Ok(uid), Ok(row)) = (<[u8; 4]>::try_from(key).map(u32::from_be_bytes), row)
                && wanted.binary_search(&row.message).is_ok()
            {
                rows.push((uid, row));
            }
            ControlFlow::Continue(())
        })?;
        rows.reverse();
        Ok::<_, crate::records::RecordError>(rows)
    };
    // It walks the whole mailbox: not where other sessions wait.
    Ok(tokio::task::spawn_blocking(scan).await.map_err(|_| OwnerError::Stopping)??)
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

/// Audit entries read at once.
const PAGE: usize = 1000;
