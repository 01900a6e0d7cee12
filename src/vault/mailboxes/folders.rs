//! Folders: making, naming and removing them. Paths have been through [`crate::mailbox::folder_name`].

use super::{BoxError, Deletion};
use crate::mailbox::{Folder, FolderId};
use crate::tenant::registry::UserRef;
use crate::vault::Vault;
use crate::vault::masked::Shelf;

/// All folders, INBOX first, the rest by path.
pub async fn folders(vault: &Vault, user: UserRef) -> Result<Vec<Folder>, BoxError> {
    let _ = (vault, user);
    Err(BoxError::NoFolder)
}

/// Makes a folder, and those above it that are missing.
pub async fn create_folder(vault: &Vault, user: UserRef, path: &str) -> Result<FolderId, BoxError> {
    let _ = (vault, user, path);
    Err(BoxError::NoFolder)
}

/// Removes a folder of the user's own that has none below it. What the view has in it is deleted as
/// `deletion` says; messages that stay, seen by others or by nobody, move to the archive.
pub async fn remove_folder(
    vault: &Vault,
    shelf: &Shelf,
    folder: FolderId,
    deletion: Deletion,
) -> Result<(), BoxError> {
    let _ = (vault, shelf, folder, deletion);
    Err(BoxError::NoFolder)
}

/// Gives a folder, and those below it, another path. INBOX stays, and what the view has in it moves to a new
/// folder of that path (RFC 9051 §6.3.6).
pub async fn rename_folder(
    vault: &Vault,
    shelf: &Shelf,
    folder: FolderId,
    path: &str,
) -> Result<(), BoxError> {
    let _ = (vault, shelf, folder, path);
    Err(BoxError::NoFolder)
}

/// Subscribes to a folder, or no longer.
pub async fn subscribe(
    vault: &Vault,
    user: UserRef,
    folder: FolderId,
    subscribed: bool,
) -> Result<(), BoxError> {
    let _ = (vault, user, folder, subscribed);
    Err(BoxError::NoFolder)
}
