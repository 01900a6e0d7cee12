//! Folders on the pages: their names and addresses, the list of them beside the mail, moving a message from
//! one to another, marking it as read and unread. Flags and folders are the same in every mail client.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Redirect;
use serde::Deserialize;

use super::House;
use super::trouble::Trouble;
use super::visitor::{Nothing, Posted, Visitor};
use crate::mailbox::{Folder, FolderId};
use crate::owner::folders::{self, Shelved};
use crate::owner::lines;

/// A folder as a page shows it.
pub struct Shown {
    /// In addresses and forms.
    pub key: String,
    /// For people.
    pub name: String,
    /// Unread messages, if there are any and it may be told.
    pub unread: Option<u64>,
    /// Whether the page is about it.
    pub current: bool,
}

impl Shown {
    /// Where its messages are listed.
    pub fn link(&self) -> String {
        link(&self.key)
    }
}

/// All folders: those that every mailbox has, then the person's own by path. `current` has to be one of them.
pub async fn list(house: &House, visitor: &Visitor, current: FolderId) -> Result<Vec<Shown>, Trouble> {
    let mut shelved = folders::list(&house.vault, &visitor.visit, visitor.open_until().is_some()).await?;
    if !shelved.iter().any(|one| one.folder.id == current) {
        return Err(Trouble::NotFound("folder"));
    }
    // A stable sort: the person's own stay by path.
    shelved.sort_by_key(|one| rank(one.folder.id));
    let shown = |Shelved { folder, unread }: Shelved| Shown {
        key: key(folder.id),
        unread: unread.filter(|unread| *unread > 0),
        current: folder.id == current,
        name: name(folder),
    };
    Ok(shelved.into_iter().map(shown).collect())
}

/// The folder that an address or a form means; without any, the inbox.
pub fn parse(key: &str) -> Result<FolderId, Trouble> {
    if key.is_empty() {
        return Ok(FolderId::INBOX);
    }
    let mut given = FolderId::GIVEN.iter().map(|(folder, ..)| *folder);
    let own = || key.parse().ok().map(FolderId).filter(|folder| !folder.is_given());
    given.find(|folder| self::key(*folder) == key).or_else(own).ok_or(Trouble::NotFound("folder"))
}

/// A folder in addresses: those that every mailbox has by name, others by number, which outlasts their path.
pub fn key(folder: FolderId) -> String {
    let given = FolderId::GIVEN.iter().find(|(id, ..)| *id == folder);
    given.map_or_else(|| folder.0.to_string(), |(_, path, _)| path.to_ascii_lowercase())
}

/// Where a form wants the message.
#[derive(Deserialize)]
pub struct Target {
    folder: String,
}

/// `POST /mail/{uid}/move`. It reveals nothing and needs no unlock; without one there are only the messages
/// of the dashboard's view.
pub async fn shift(
    State(house): State<Arc<House>>,
    Path(uid): Path<u32>,
    Posted { visitor, form }: Posted<Target>,
) -> Result<Redirect, Trouble> {
    known(&house, &visitor, uid).await?;
    let target = parse(&form.folder)?;
    let from = folders::shift(&house.vault, visitor.visit.user, uid, target).await?;
    Ok(back(from, "moved"))
}

/// `POST /mail/{uid}/seen`, and `/mail/{uid}/unseen`. The same holds.
pub async fn mark<const SEEN: bool>(
    State(house): State<Arc<House>>,
    Path(uid): Path<u32>,
    Posted { visitor, .. }: Posted<Nothing>,
) -> Result<Redirect, Trouble> {
    known(&house, &visitor, uid).await?;
    let user = visitor.visit.user;
    let standing = folders::standing(&house.vault, user, uid).await?;
    folders::mark(&house.vault, user, uid, SEEN).await?;
    // Not to the message: to open it would mark it as read again.
    Ok(back(standing.folder, if SEEN { "seen" } else { "unseen" }))
}

/// Whether the visitor may know of the message: while it is locked, if the dashboard's view has it.
pub async fn known(house: &House, visitor: &Visitor, uid: u32) -> Result<(), Trouble> {
    if visitor.open_until().is_none() {
        lines::in_view(&house.vault, &visitor.visit, uid).await?;
    }
    Ok(())
}

fn back(folder: FolderId, said: &str) -> Redirect {
    Redirect::to(&format!("/mail?folder={}&said={said}", key(folder)))
}

fn link(key: &str) -> String {
    match parse(key) {
        Ok(FolderId::INBOX) => "/mail".to_owned(),
        _ => format!("/mail?folder={key}"),
    }
}

fn name(folder: Folder) -> String {
    if folder.id == FolderId::INBOX { "Inbox".to_owned() } else { folder.path }
}

/// The inbox, what one writes, what one keeps, what one does not want; then the person's own.
fn rank(folder: FolderId) -> usize {
    let order = [
        FolderId::INBOX,
        FolderId::DRAFTS,
        FolderId::SENT,
        FolderId::ARCHIVE,
        FolderId::JUNK,
        FolderId::TRASH,
    ];
    order.iter().position(|given| *given == folder).unwrap_or(order.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_has_one_address() {
        let own = [FolderId(FolderId::FIRST_OWN), FolderId(u32::MAX)];
        for folder in FolderId::GIVEN.iter().map(|(folder, ..)| *folder).chain(own) {
            assert_eq!(parse(&key(folder)).ok(), Some(folder));
        }
        assert_eq!(parse("").ok(), Some(FolderId::INBOX));
        assert_eq!((key(FolderId::TRASH).as_str(), link("inbox").as_str()), ("trash", "/mail"));
        assert_eq!(link("300"), "/mail?folder=300");
    }

    #[test]
    fn what_names_no_folder_is_not_there() {
        for key in ["0", "4", "255", "-1", "4294967296", "Trash", "trash ", "../trash", "work"] {
            assert!(matches!(parse(key), Err(Trouble::NotFound("folder"))), "{key}");
        }
    }

    #[test]
    fn the_given_folders_come_first() {
        let ranks: std::collections::BTreeSet<_> =
            FolderId::GIVEN.iter().map(|(folder, ..)| rank(*folder)).collect();
        assert_eq!((ranks.len(), rank(FolderId::INBOX)), (6, 0));
        assert!(ranks.iter().all(|given| *given < rank(FolderId(300))));
    }
}
