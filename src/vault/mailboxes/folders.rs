//! Folders: making, naming and removing them. Paths have been through [`crate::mailbox::folder_name`].

use super::deeds::among;
use super::door::Turn;
use super::picture::{Effect, Picture};
use super::{BoxError, Deletion, enter};
use crate::mailbox::{Folder, FolderId, SEPARATOR, folder_name};
use crate::records::row_key;
use crate::store::ledger::Batch;
use crate::tenant::registry::UserRef;
use crate::tenant::rows::FolderRow;
use crate::vault::Vault;
use crate::vault::masked::Shelf;

/// All folders, INBOX first, the rest by path.
pub async fn folders(vault: &Vault, user: UserRef) -> Result<Vec<Folder>, BoxError> {
    super::pages::look(vault, user, |picture| picture.list()).await
}

/// Makes a folder, and those above it that are missing.
pub async fn create_folder(vault: &Vault, user: UserRef, path: &str) -> Result<FolderId, BoxError> {
    let turn = enter(vault, user).await?;
    turn.create(path, vault.clock.now().unix()).await
}

/// Removes a folder of the user's own that has none below it. What the view has in it is deleted as
/// `deletion` says; messages that stay, seen by others or by nobody, move to the archive.
pub async fn remove_folder(
    vault: &Vault,
    shelf: &Shelf,
    folder: FolderId,
    deletion: Deletion,
) -> Result<(), BoxError> {
    let turn = enter(vault, shelf.user).await?;
    turn.look(|picture| {
        let path = own_path(picture, folder)?;
        let below = picture.folders.values().any(|row| is_below(&row.path, &path));
        if below { Err(BoxError::HasChildren) } else { Ok(()) }
    })??;
    let numbers: Vec<u32> = turn.look(|picture| picture.numbers_in(folder).collect())?;
    let seen = among(&turn, shelf, folder, &numbers).await?;
    turn.delete(vault, shelf, folder, seen, deletion).await?;
    let here = |picture: &mut Picture| {
        let is_here = |number: &u32| picture.messages.get(number).is_some_and(|held| held.folder == folder);
        numbers.into_iter().filter(is_here).collect::<Vec<u32>>()
    };
    let rest = turn.look(here)?;
    turn.shift(rest, FolderId::ARCHIVE, vault.clock.now().unix()).await?;
    let left = turn.look(|picture| bare(picture, folder))?;
    turn.change_folders(vec![(folder, left)]).await
}

/// Gives a folder, and those below it, another path. INBOX stays, and what the view has in it moves to a new
/// folder of that path (RFC 9051 §6.3.6).
pub async fn rename_folder(
    vault: &Vault,
    shelf: &Shelf,
    folder: FolderId,
    path: &str,
) -> Result<(), BoxError> {
    let turn = enter(vault, shelf.user).await?;
    let now = vault.clock.now().unix();
    if folder == FolderId::INBOX {
        let target = turn.create(path, now).await?;
        let numbers: Vec<u32> = turn.look(|picture| picture.numbers_in(folder).collect())?;
        let seen = among(&turn, shelf, folder, &numbers).await?;
        turn.shift(seen, target, now).await?;
        return Ok(());
    }
    let renamed = turn.look(|picture| renamed(picture, folder, path))??;
    let mut changes = turn.missing(parent(path), now)?;
    changes.extend(renamed);
    turn.look(|picture| inherit(picture, &mut changes))?;
    turn.change_folders(changes).await
}

/// Subscribes to the folder of this path, or no longer. Subscriptions outlive their folders (RFC 9051 §6.3.7),
/// and to end what is not there is no error: clients do it for a folder that they have just removed.
pub async fn subscribe(vault: &Vault, user: UserRef, path: &str, subscribed: bool) -> Result<(), BoxError> {
    let turn = enter(vault, user).await?;
    let changes = turn.look(|picture| subscription(picture, path, subscribed))??;
    if changes.is_empty() { Ok(()) } else { turn.change_folders(changes).await }
}

/// The names that are subscribed to and have no folder, by path.
pub async fn bare_subscriptions(vault: &Vault, user: UserRef) -> Result<Vec<String>, BoxError> {
    super::pages::look(vault, user, |picture| {
        let mut paths: Vec<String> = picture.bare.values().map(|row| row.path.clone()).collect();
        paths.sort_unstable();
        paths
    })
    .await
}

impl Turn {
    async fn create(&self, path: &str, now: i64) -> Result<FolderId, BoxError> {
        if self.look(|picture| find(picture, path))?.is_some() {
            return Err(BoxError::Exists);
        }
        let missing = self.missing(Some(path), now)?;
        let made = missing.last().map(|(folder, _)| *folder).ok_or(BoxError::Exists)?;
        let mut changes = missing;
        self.look(|picture| inherit(picture, &mut changes))?;
        self.change_folders(changes).await?;
        Ok(made)
    }

    /// New folders for those of `path` and above it that are missing, the highest first.
    fn missing(&self, path: Option<&str>, now: i64) -> Result<Vec<Change>, BoxError> {
        let above = std::iter::successors(path, |path| parent(path));
        let missing: Vec<&str> = self.look(|picture| {
            let missing: Vec<&str> = above.take_while(|path| find(picture, path).is_none()).collect();
            let own = picture.folders.keys().filter(|folder| !folder.is_given()).count();
            if own + missing.len() > MAX_FOLDERS { Err(BoxError::Limit) } else { Ok(missing) }
        })??;
        // A slot that is given up: its numbers are lost, which numbers may be.
        let numbers = self.draw(missing.len())?.numbers.clone();
        let made = |(number, path): (u32, &str)| {
            let row = FolderRow { since: Some(number), ..FolderRow::new(path.to_owned(), now) };
            (FolderId(FolderId::FIRST_OWN + number), Some(row))
        };
        Ok(numbers.zip(missing.into_iter().rev()).map(made).collect())
    }

    async fn change_folders(&self, changes: Vec<Change>) -> Result<(), BoxError> {
        let user = self.mailbox.user();
        let (mut batch, scope) = (Batch::new(), self.records.tenant(user.tenant));
        for (folder, row) in &changes {
            let number = folder.0.to_be_bytes();
            let parts: [&[u8]; 2] = [user.user.as_bytes(), &number];
            match row {
                Some(row) => scope.put(&mut batch, &parts, row),
                None => drop(batch.delete(row_key::<FolderRow>(&parts))),
            }
        }
        let effects = changes.into_iter().map(|(folder, row)| Effect::Folder(folder, row)).collect();
        let _committed = self.draw(0)?.commit(&self.records, batch, effects).await?;
        Ok(())
    }
}

/// A folder as it is to be; none if it is to go.
type Change = (FolderId, Option<FolderRow>);

/// What is left of a folder that is removed: its name, if somebody subscribed to it.
fn bare(picture: &Picture, folder: FolderId) -> Option<FolderRow> {
    let row =
        picture.folders.get(&folder).filter(|row| row.subscribed && picture.bare.len() < MAX_FOLDERS)?;
    Some(FolderRow { bare: Some(true), ..row.clone() })
}

/// Folders that get a name that is subscribed to are subscribed to; the bare name goes.
fn inherit(picture: &Picture, changes: &mut Vec<Change>) {
    let mut gone = Vec::new();
    for row in changes.iter_mut().filter_map(|(_, row)| row.as_mut()) {
        if let Some(folder) = find_bare(picture, &row.path) {
            row.subscribed = true;
            gone.push((folder, None));
        }
    }
    changes.append(&mut gone);
}

/// What changes when somebody subscribes to a path, or no longer; nothing if it is so already.
fn subscription(picture: &Picture, path: &str, subscribed: bool) -> Result<Vec<Change>, BoxError> {
    let bare = find_bare(picture, path);
    let Some(folder) = find(picture, path) else {
        return match (bare, subscribed) {
            (Some(folder), false) => Ok(vec![(folder, None)]),
            (None, true) => Err(BoxError::NoFolder),
            _ => Ok(Vec::new()),
        };
    };
    let row = picture.row(folder).filter(|row| row.subscribed != subscribed);
    Ok(row.map(|row| (folder, Some(FolderRow { subscribed, ..row }))).into_iter().collect())
}

/// The rows of a folder and those below it under another path.
fn renamed(picture: &Picture, folder: FolderId, path: &str) -> Result<Vec<Change>, BoxError> {
    let old = own_path(picture, folder)?;
    if find(picture, path).is_some() {
        return Err(BoxError::Exists);
    }
    if is_below(path, &old) {
        return Err(BoxError::Fixed);
    }
    let touched = picture.folders.iter().filter(|(_, row)| row.path == old || is_below(&row.path, &old));
    let moved = |(id, row): (&FolderId, &FolderRow)| {
        let path = folder_name(&format!("{path}{}", &row.path[old.len()..]))?;
        Ok((*id, Some(FolderRow { path, ..row.clone() })))
    };
    touched.filter(|(id, _)| !id.is_given()).map(moved).collect()
}

fn own_path(picture: &Picture, folder: FolderId) -> Result<String, BoxError> {
    match folder.is_given() {
        true => Err(BoxError::Fixed),
        false => picture.folders.get(&folder).map(|row| row.path.clone()).ok_or(BoxError::NoFolder),
    }
}

fn find(picture: &Picture, path: &str) -> Option<FolderId> {
    let given = FolderId::GIVEN.iter().find(|(_, given, _)| *given == path).map(|(folder, ..)| *folder);
    given.or_else(|| picture.folders.iter().find(|(_, row)| row.path == path).map(|(folder, _)| *folder))
}

fn find_bare(picture: &Picture, path: &str) -> Option<FolderId> {
    picture.bare.iter().find(|(_, row)| row.path == path).map(|(folder, _)| *folder)
}

fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with(SEPARATOR))
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once(SEPARATOR).map(|(above, _)| above)
}

/// Folders of a user's own.
const MAX_FOLDERS: usize = 1_000;
