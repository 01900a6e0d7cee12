//! The roll of a folder: which messages a view has in it, under which UIDs, with which flags. A value: what
//! changes the folder makes a new roll, and [`Roll::since`] tells what a holder of an older one must learn.

use imbl::Vector;

use super::{Flags, Keywords};
use crate::names::MessageId;

/// The messages of one view in one folder, at one moment.
#[derive(Clone, Debug)]
pub struct Roll {
    /// RFC 9051 §2.3.1.1; another one for every rendering of the view (law 6).
    pub uid_validity: u32,
    /// The UID that no message has yet.
    pub uid_next: u32,
    /// RFC 7162 §3.1.2.1: no change so far has a higher one.
    pub highest_mod_seq: u64,
    /// The messages, by rising UID.
    pub entries: Vector<Entry>,
    /// The newest changes, by rising mod-sequence.
    pub changes: Vector<Change>,
    /// Every change after this mod-sequence is in `changes`.
    pub changes_since: u64,
    /// The keywords that flags refer to.
    pub keywords: Keywords,
}

/// One message of a roll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its UID in the folder.
    pub uid: u32,
    /// Its number in the store, which it keeps wherever it is moved.
    pub number: u32,
    /// The message; copies of it have the same (RFC 8474 §5.1).
    pub message: MessageId,
    /// Its flags.
    pub flags: Flags,
    /// When it last changed (RFC 7162 §3.1.1).
    pub mod_seq: u64,
    /// The view's exact octets.
    pub octets: u64,
    /// Tells this sealing of the message from any other.
    pub sealing: u64,
    /// When it was received, Unix seconds.
    pub received: i64,
    /// When it came into this folder, Unix seconds (RFC 8514 §2).
    pub saved: i64,
}

/// One change of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The change's mod-sequence.
    pub mod_seq: u64,
    /// The message's UID.
    pub uid: u32,
}

/// What the holder of an older roll must learn, in the order in which a client must hear it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// UIDs that are gone, rising.
    pub vanished: Vec<u32>,
    /// UIDs whose flags changed, rising; none of them is new.
    pub changed: Vec<u32>,
    /// Whether there are new messages.
    pub arrived: bool,
}

impl Roll {
    /// An empty one.
    pub fn empty(uid_validity: u32) -> Self {
        Self {
            uid_validity,
            uid_next: 1,
            highest_mod_seq: 1,
            entries: Vector::new(),
            changes: Vector::new(),
            changes_since: 1,
            keywords: Keywords::default(),
        }
    }

    /// Where the message with this UID stands, from 0; or where it would.
    pub fn position(&self, uid: u32) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&uid, |entry| entry.uid)
    }

    /// The message with this UID.
    pub fn get(&self, uid: u32) -> Option<&Entry> {
        self.position(uid).ok().and_then(|index| self.entries.get(index))
    }

    /// What became different since `old`, an earlier roll of the same folder and view.
    pub fn since(&self, old: &Self) -> News {
        if self.highest_mod_seq == old.highest_mod_seq {
            return News::default();
        }
        let mut touched: Vec<u32> = if old.highest_mod_seq >= self.changes_since {
            let newer = self.changes.iter().rev().take_while(|change| change.mod_seq > old.highest_mod_seq);
            newer.map(|change| change.uid).collect()
        } else {
            let uids = |roll: &Self| roll.entries.iter().map(|entry| entry.uid).collect::<Vec<_>>();
            [uids(old), uids(self)].concat()
        };
        touched.sort_unstable();
        touched.dedup();
        let mut news = News::default();
        for uid in touched {
            match (old.get(uid), self.get(uid)) {
                (Some(_), None) => news.vanished.push(uid),
                (Some(old), Some(new)) if old.mod_seq != new.mod_seq => news.changed.push(uid),
                (None, Some(_)) => news.arrived = true,
                _ => {}
            }
        }
        news
    }
}
