//! Pages of a mailbox: its rows by UID, newest first, without reading the rest of it.

use std::ops::ControlFlow;

use super::Vault;
use crate::records::RecordError;
use crate::tenant::registry::UserRef;
use crate::tenant::rows::{MailboxRow, MessageRow};

/// What a page begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The newest message.
    Newest,
    /// Messages older than this UID.
    Before(u32),
    /// Messages newer than this UID, those next to it.
    After(u32),
}

/// Rows with their UIDs, newest first.
pub type Rows = Vec<(u32, MessageRow)>;

/// At most `limit` rows that `wanted` takes, from `start` on. Blocks: where `wanted` takes few, it
/// may walk the whole mailbox. A row that does not open is left out, and logged.
pub fn page(
    vault: &Vault,
    user: UserRef,
    start: Start,
    limit: usize,
    wanted: impl Fn(&MessageRow) -> bool,
) -> Result<Rows, RecordError> {
    match start {
        Start::After(uid) => {
            let mut rows = span(vault, user, uid.saturating_add(1)..u32::MAX, limit, &wanted)?;
            rows.reverse();
            Ok(rows)
        }
        Start::Newest => downwards(vault, user, top(vault, user)?, limit, &wanted),
        Start::Before(uid) => downwards(vault, user, uid.min(top(vault, user)?), limit, &wanted),
    }
}

/// Walks down in stretches that grow, so that neither a full page nor an empty mailbox costs much.
fn downwards(
    vault: &Vault,
    user: UserRef,
    mut end: u32,
    limit: usize,
    wanted: &impl Fn(&MessageRow) -> bool,
) -> Result<Rows, RecordError> {
    let mut rows = Rows::new();
    let mut stretch = u32::try_from(limit).unwrap_or(u32::MAX).saturating_mul(2).max(FIRST_STRETCH);
    while end > 0 && rows.len() < limit {
        let begin = end.saturating_sub(stretch);
        let found = span(vault, user, begin..end, usize::MAX, wanted)?;
        rows.extend(found.into_iter().rev().take(limit - rows.len()));
        end = begin;
        stretch = stretch.saturating_mul(4);
    }
    Ok(rows)
}

/// The rows of a range of UIDs, oldest first.
fn span(
    vault: &Vault,
    user: UserRef,
    uids: std::ops::Range<u32>,
    limit: usize,
    wanted: &impl Fn(&MessageRow) -> bool,
) -> Result<Rows, RecordError> {
    let mut rows = Rows::new();
    let scope = vault.records.tenant(user.tenant);
    scope.visit::<MessageRow>(&[user.user.as_bytes()], &uids.start.to_be_bytes(), |key, row| {
        let Ok(uid) = <[u8; 4]>::try_from(key).map(u32::from_be_bytes) else {
            return ControlFlow::Continue(());
        };
        if uid >= uids.end || rows.len() >= limit {
            return ControlFlow::Break(());
        }
        match row {
            Ok(row) if wanted(&row) => rows.push((uid, row)),
            Ok(_) => {}
            Err(_) => tracing::error!(user = %user.user, "a message row does not open"),
        }
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

/// Above every UID of the mailbox.
fn top(vault: &Vault, user: UserRef) -> Result<u32, RecordError> {
    let row: Option<MailboxRow> = vault.records.tenant(user.tenant).get(&[user.user.as_bytes()])?;
    Ok(row.map_or(0, |row| row.reserved))
}

const FIRST_STRETCH: u32 = 128;
