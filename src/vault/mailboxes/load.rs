//! Reads a mailbox from the ledger: all of it for the picture, and what a view adds to it.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::picture::{Held, Picture};
use super::sight::Seen;
use super::uid_validity;
use crate::mailbox::{FolderId, Keywords, composed};
use crate::names::ViewId;
use crate::records::{RecordError, Records};
use crate::store::ledger::{Batch, LedgerError};
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{
    FolderRow, HiddenRow, MailboxRow, MessageRow, PlaceRow, Row, StaleSizeRow, ViewRow,
};
use crate::vault::masked::Shelf;

/// The whole mailbox; blocks. Two threads read half of it each. What changes meanwhile may be in it or not.
pub(super) fn read(records: &Arc<Records>, user: UserRef) -> Result<Picture, RecordError> {
    let scope = records.tenant(user.tenant);
    let reserved = scope.get::<MailboxRow>(&[user.user.as_bytes()])?.map_or(0, |row| row.reserved);
    let (first, second) = match reserved < SMALL {
        true => (half(records, user, 0, u32::MAX), Ok(Vec::new())),
        false => std::thread::scope(|threads| {
            let beside = threads.spawn(|| half(records, user, reserved / 2, u32::MAX));
            let first = half(records, user, 0, reserved / 2);
            (first, beside.join().unwrap_or(Err(LedgerError::Stopped.into())))
        }),
    };
    let views: HashSet<ViewId> = registry::views(records, user)?.into_iter().map(|(view, _)| view).collect();
    let mut folders = composed_paths(numbered(records, user, 0, u32::MAX)?);
    // Marks of views that are gone go with the next row that is written.
    let marks = folders.values_mut().filter_map(|row| row.marks.as_mut());
    marks.for_each(|marks| marks.retain(|mark| views.contains(&mark.view)));
    let mut keywords = Keywords::default();
    let rows = first?.into_iter().chain(second?);
    let held = |(number, row, place): (u32, MessageRow, Option<PlaceRow>)| {
        let held = Held::arrived(number, row);
        let mut held = match &place {
            Some(place) => held.placed(place, &mut keywords),
            None => held,
        };
        let is_there = folders.get(&held.folder).is_some_and(|row| row.bare != Some(true));
        if !held.folder.is_given() && !is_there {
            tracing::error!(user = %user.user, "a message is in a folder that is not there");
            held.folder = FolderId::INBOX;
        }
        (number, held)
    };
    let messages = rows.map(held).collect();
    Ok(Picture::new(messages, folders, keywords))
}

/// Folders by number, their paths composed (NFC): rows from before paths were composed may have them otherwise.
/// Of two folders whose paths become the same the older one has it, the other gets a number behind it.
fn composed_paths(rows: Vec<(u32, FolderRow)>) -> BTreeMap<FolderId, FolderRow> {
    let mut taken = HashSet::new();
    let named = |(number, row): (u32, FolderRow)| {
        let wanted = composed(&row.path).into_owned();
        let twins = (2..).map(|count: u32| format!("{wanted} ({count})"));
        let path = std::iter::once(wanted.clone()).chain(twins).find(|path| !taken.contains(path));
        let path = path.unwrap_or(wanted);
        taken.insert(path.clone());
        (FolderId(number), FolderRow { path, ..row })
    };
    rows.into_iter().map(named).collect()
}

/// The messages with numbers from `from` up to before `to`, with their places.
fn half(
    records: &Records,
    user: UserRef,
    from: u32,
    to: u32,
) -> Result<Vec<(u32, MessageRow, Option<PlaceRow>)>, RecordError> {
    // Places first: a message that arrives in between has none, and one that is gone is nobody's.
    let mut places = numbered::<PlaceRow>(records, user, from, to)?.into_iter().peekable();
    let rows = numbered::<MessageRow>(records, user, from, to)?.into_iter();
    let with_place = |(number, row)| {
        while places.next_if(|(other, _)| *other < number).is_some() {}
        let place = places.next_if(|(other, _)| *other == number).map(|(_, place)| place);
        (number, row, place)
    };
    Ok(rows.map(with_place).collect())
}

/// Rows under user and number. One that does not open is left out, and logged.
fn numbered<R: Row>(
    records: &Records,
    user: UserRef,
    from: u32,
    to: u32,
) -> Result<Vec<(u32, R)>, RecordError> {
    let mut rows = Vec::new();
    records.tenant(user.tenant).visit::<R>(&[user.user.as_bytes()], &from.to_be_bytes(), |key, row| {
        match (<[u8; 4]>::try_from(key).map(u32::from_be_bytes), row) {
            (Ok(number), _) if number >= to => return ControlFlow::Break(()),
            (Ok(number), Ok(row)) => rows.push((number, row)),
            _ => tracing::error!(user = %user.user, table = %(R::TABLE as char), "a row does not open"),
        }
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

/// What the view on `shelf` adds; blocks.
pub(super) fn read_view(records: &Records, shelf: &Shelf, row: &ViewRow) -> Result<Seen, RecordError> {
    let mut seen = Seen::new(shelf, uid_validity(row), row.uid_shift.unwrap_or(0));
    let scope = records.tenant(shelf.user.tenant);
    scope.visit::<HiddenRow>(&[shelf.view.as_bytes()], &[], |key, _| {
        seen.hidden.extend(<[u8; 4]>::try_from(key).map(u32::from_be_bytes));
        ControlFlow::Continue(())
    })?;
    scope.visit::<StaleSizeRow>(&[shelf.view.as_bytes()], &[], |key, row| {
        if let (Ok(number), Ok(row)) = (<[u8; 4]>::try_from(key).map(u32::from_be_bytes), row)
            && row.generation == shelf.generation
        {
            seen.sizes.insert(number, row.octets);
        }
        ControlFlow::Continue(())
    })?;
    Ok(seen)
}

/// Keeps sizes for the next time the view is read. Nobody waits for it: one that is lost is found again.
pub(super) fn keep_sizes(records: &Records, shelf: &Shelf, sizes: impl Iterator<Item = (u32, Option<u64>)>) {
    let (mut batch, scope) = (Batch::new(), records.tenant(shelf.user.tenant));
    for (number, octets) in sizes {
        let row = StaleSizeRow { generation: shelf.generation, octets };
        scope.put(&mut batch, &[shelf.view.as_bytes(), &number.to_be_bytes()], &row);
    }
    if !batch.is_empty() {
        drop(records.commit(batch));
    }
}

/// Below so many numbers a second thread is not worth its start.
const SMALL: u32 = 2_000;
