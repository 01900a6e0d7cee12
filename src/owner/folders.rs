//! Folders for their owner: what there is, how much of it is unread, and moving and marking messages. Flags
//! and folders are shared with every mail client, and so is what is done here. None of it reveals anything,
//! so none of it needs an unlock (law 7); whether the person may know of the message is the caller's to see to.

use std::sync::Arc;

use super::OwnerError;
use super::lines::shelf;
use super::sign_ins::Visit;
use super::view::FIRST_GENERATION;
use crate::mailbox::{FlagChange, FlagEdit, Flags, Folder, FolderId};
use crate::tenant::registry::UserRef;
use crate::vault::pages::{self, Standing};
use crate::vault::{Vault, mailboxes};

/// A folder, and how many messages in it are unread, where that may be told.
pub struct Shelved {
    /// The folder.
    pub folder: Folder,
    /// Messages without `\Seen`.
    pub unread: Option<u64>,
}

/// All folders, INBOX first, the rest by path. While it is locked, only messages of the dashboard's view count
/// as unread (law 2). Once that view has been given another policy nothing is counted: what today's policy
/// leaves out of older mail shows only when it is opened.
pub async fn list(vault: &Arc<Vault>, visit: &Visit, is_open: bool) -> Result<Vec<Shelved>, OwnerError> {
    let shelf = shelf(vault, visit)?;
    let view = (!is_open).then_some(shelf.view);
    let counts = match is_open || shelf.generation == FIRST_GENERATION {
        true => Some(pages::counts(vault, visit.user, view).await?),
        false => None,
    };
    let unread =
        |folder: FolderId| counts.as_ref().map(|counts| counts.get(&folder).map_or(0, |count| count.unseen));
    let folders = mailboxes::folders(vault, visit.user).await?;
    Ok(folders.into_iter().map(|folder| Shelved { unread: unread(folder.id), folder }).collect())
}

/// Where a message is, and with which flags.
pub async fn standing(vault: &Vault, user: UserRef, uid: u32) -> Result<Standing, OwnerError> {
    let standing = pages::standings(vault, user, &[uid]).await?.pop().flatten();
    standing.ok_or(OwnerError::NotFound("message"))
}

/// Moves a message; says where it was. In the folder that it is in already it stays as it is.
pub async fn shift(vault: &Vault, user: UserRef, uid: u32, target: FolderId) -> Result<FolderId, OwnerError> {
    let Standing { folder, .. } = standing(vault, user, uid).await?;
    if folder != target {
        mailboxes::relocate(vault, user, &[uid], target).await?;
    }
    Ok(folder)
}

/// Marks a message as read, or as unread.
pub async fn mark(vault: &Vault, user: UserRef, uid: u32, read: bool) -> Result<(), OwnerError> {
    let edit = if read { FlagEdit::Add } else { FlagEdit::Remove };
    let change = FlagChange { edit, system: Flags::SEEN, keywords: Vec::new() };
    Ok(mailboxes::flag(vault, user, &[uid], &change).await?)
}
