//! What happens to messages. All of it is durable, and in the picture, when it returns.

use super::BoxError;
use crate::audit::{Actor, Origin};
use crate::mailbox::{FlagChange, FolderId};
use crate::policy::OnDelete;
use crate::tenant::registry::UserRef;
use crate::vault::Vault;
use crate::vault::masked::Shelf;
use crate::vault::seal::Stored;

/// What a deletion means, and who deletes: for the audit log, where messages are destroyed.
#[derive(Clone, Copy, Debug)]
pub struct Deletion {
    /// What the view's policy says.
    pub on_delete: OnDelete,
    /// Who.
    pub actor: Actor,
    /// From where.
    pub origin: Origin,
}

/// Changes the flags of messages that the view has in `folder`. With `unchanged_since`, only of those whose
/// mod-sequence is not above it (RFC 7162 §3.1.3). The UIDs of the others.
pub async fn set_flags(
    vault: &Vault,
    shelf: &Shelf,
    folder: FolderId,
    uids: &[u32],
    change: &FlagChange,
    unchanged_since: Option<u64>,
) -> Result<Vec<u32>, BoxError> {
    let _ = (vault, shelf, folder, uids, change, unchanged_since);
    Err(BoxError::NoFolder)
}

/// Moves messages that the view has in `folder`. UIDs here and there, in the order of `uids`.
pub async fn shift(
    vault: &Vault,
    shelf: &Shelf,
    folder: FolderId,
    uids: &[u32],
    target: FolderId,
) -> Result<Vec<(u32, u32)>, BoxError> {
    let _ = (vault, shelf, folder, uids, target);
    Err(BoxError::NoFolder)
}

/// Copies messages that the view has in `folder`, with their flags. UIDs here and there, in the order of
/// `uids`.
pub async fn copy(
    vault: &Vault,
    shelf: &Shelf,
    folder: FolderId,
    uids: &[u32],
    target: FolderId,
) -> Result<Vec<(u32, u32)>, BoxError> {
    let _ = (vault, shelf, folder, uids, target);
    Err(BoxError::NoFolder)
}

/// Deletes messages that the view has in `folder`, as its policy says: hides them from the view, moves them
/// to the trash, or destroys them.
pub async fn delete(
    vault: &Vault,
    shelf: &Shelf,
    folder: FolderId,
    uids: &[u32],
    deletion: Deletion,
) -> Result<(), BoxError> {
    let _ = (vault, shelf, folder, uids, deletion);
    Err(BoxError::NoFolder)
}

/// Places a message that was just sealed. Its UID in `folder`.
pub async fn place(
    vault: &Vault,
    user: UserRef,
    stored: Stored,
    folder: FolderId,
    flags: &FlagChange,
) -> Result<u32, BoxError> {
    let _ = (vault, user, stored, folder, flags);
    Err(BoxError::NoFolder)
}
