//! Folders, and what is kept of UIDs that were in them.

use minicbor::{Decode, Encode};

use super::id;
use crate::names::ViewId;

/// A folder, under user and number. The folders that every mailbox has need no row.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FolderRow {
    /// Its path.
    #[n(0)]
    pub path: String,
    /// Whether clients are to show it.
    #[n(1)]
    pub subscribed: bool,
    /// When it was made, Unix seconds.
    #[n(2)]
    pub created: i64,
    /// The number that was drawn when it was made: no message had a higher UID then. It parts the folder from
    /// others that had its path before (RFC 9051 §2.3.1.1). None for the folders that every mailbox has, and
    /// for those from before it was kept.
    #[n(3)]
    pub since: Option<u32>,
    /// Above every UID that a message had here that has left, whichever view had it, in rows of earlier
    /// versions: UIDNEXT does not go back. None for none.
    #[n(4)]
    pub uid_next: Option<u32>,
    /// The folder was removed, and its name is still subscribed to (RFC 9051 §6.3.7); none is no.
    #[n(5)]
    pub bare: Option<bool>,
    /// What views had here and have no longer.
    #[n(6)]
    pub marks: Option<Vec<MarkRow>>,
}

/// Above every UID that a view had in a folder and has there no longer, if it has no higher one there.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MarkRow {
    /// The view.
    #[n(0)]
    #[cbor(with = "id")]
    pub view: ViewId,
    /// Its UIDNEXT is not below it.
    #[n(1)]
    pub uid_next: u32,
}

impl FolderRow {
    /// What UIDNEXT is not below for the view.
    pub fn mark_of(&self, view: ViewId) -> u32 {
        let own = self.marks.iter().flatten().find(|mark| mark.view == view);
        own.map_or(0, |mark| mark.uid_next).max(self.uid_next.unwrap_or(0))
    }

    /// Raises that.
    pub fn mark(&mut self, view: ViewId, uid_next: u32) {
        let marks = self.marks.get_or_insert_default();
        match marks.iter_mut().find(|mark| mark.view == view) {
            Some(mark) => mark.uid_next = mark.uid_next.max(uid_next),
            None => marks.push(MarkRow { view, uid_next }),
        }
    }

    /// A folder that no message was in, and nobody subscribed to.
    pub fn new(path: String, created: i64) -> Self {
        Self { path, subscribed: false, created, since: None, uid_next: None, bare: None, marks: None }
    }
}
