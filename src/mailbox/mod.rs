//! What a mailbox looks like to a mail client, as values: folders, flags, and the roll of messages that
//! one view has in one folder (RFC 9051 §2.3). Rolls share what did not change, so a session keeps the one
//! it knows while the mailbox moves on, and learns from the next one what became different.
//!
//! It knows no storage, no keys, no protocol text; `vault::mailboxes` makes rolls, the gateway reads them.

mod flags;
mod folder;
mod roll;

pub use flags::{FlagChange, FlagEdit, Flags, Keywords, MAX_KEYWORD, MAX_KEYWORDS, NOT_JUNK};
pub use folder::{
    Folder, FolderId, FolderNameError, MAX_PATH, SEPARATOR, SpecialUse, composed, folder_name, spelt,
};
pub use roll::{Change, Entry, News, Roll};
