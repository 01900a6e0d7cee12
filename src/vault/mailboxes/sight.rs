//! What one view sees of a mailbox: the rolls of its folders, which follow the messages change by change.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::picture::Held;
use crate::mailbox::{Change, Entry, FolderId, Keywords, Roll};
use crate::names::ViewId;

/// What a view sees.
pub(super) struct Seen {
    view: ViewId,
    pub(super) generation: u32,
    pub(super) uid_validity: u32,
    /// Numbers of the messages that its clients deleted.
    pub(super) hidden: HashSet<u32>,
    /// Sizes, by number, of messages that were sealed for an older rendering; none for those left out.
    pub(super) sizes: HashMap<u32, Option<u64>>,
    books: HashMap<FolderId, Book>,
}

/// A roll, and what is missing before it may be shown.
struct Book {
    roll: Roll,
    /// Numbers of messages whose size is not known.
    unknown: BTreeSet<u32>,
}

/// A message in the eyes of a view.
enum Sight {
    LeftOut,
    Sized(u64),
    Unsized,
}

impl Seen {
    /// Nothing hidden, no sizes, no rolls yet.
    pub(super) fn new(view: ViewId, generation: u32, uid_validity: u32) -> Self {
        Self {
            view,
            generation,
            uid_validity,
            hidden: HashSet::new(),
            sizes: HashMap::new(),
            books: HashMap::new(),
        }
    }

    pub(super) fn has_book(&self, folder: FolderId) -> bool {
        self.books.contains_key(&folder)
    }

    pub(super) fn close_book(&mut self, folder: FolderId) {
        self.books.remove(&folder);
    }

    /// Fills an empty roll with these messages, which come by rising UID.
    pub(super) fn open_book<'a>(
        &mut self,
        folder: FolderId,
        mut roll: Roll,
        messages: impl Iterator<Item = (u32, &'a Held)>,
    ) {
        let mut unknown = BTreeSet::new();
        for (number, held) in messages {
            match self.sight(number, held) {
                Sight::Sized(octets) => roll.entries.push_back(held.entry(number, octets)),
                Sight::Unsized => drop(unknown.insert(number)),
                Sight::LeftOut => {}
            }
        }
        self.books.insert(folder, Book { roll, unknown });
    }

    /// The roll of a folder, or the numbers of the messages that are to be sized first.
    pub(super) fn roll(&self, folder: FolderId) -> Option<Result<&Roll, Vec<u32>>> {
        let book = self.books.get(&folder)?;
        let unknown: Vec<u32> = book.unknown.iter().copied().collect();
        Some(if unknown.is_empty() { Ok(&book.roll) } else { Err(unknown) })
    }

    /// The number of the message that the view has under this UID.
    pub(super) fn visible(&self, folder: FolderId, uid: u32) -> Option<u32> {
        self.books.get(&folder)?.roll.get(uid).map(|entry| entry.number)
    }

    /// A message is new where it is, or changed there.
    pub(super) fn put(&mut self, number: u32, held: &Held, keywords: &Keywords, mod_seq: u64) {
        let sight = self.sight(number, held);
        let Some(book) = self.books.get_mut(&held.folder) else { return };
        match sight {
            Sight::Sized(octets) => {
                book.unknown.remove(&number);
                book.roll.keywords = keywords.clone();
                book.enter(held.entry(number, octets));
            }
            Sight::Unsized => drop(book.unknown.insert(number)),
            Sight::LeftOut => return,
        }
        book.note(Change { mod_seq, uid: held.uid });
    }

    /// A message is no longer where `old` says, or no longer for this view.
    pub(super) fn take(&mut self, number: u32, old: &Held, mod_seq: u64) {
        let Some(book) = self.books.get_mut(&old.folder) else { return };
        if book.unknown.remove(&number) {
            return book.note(Change { mod_seq, uid: old.uid });
        }
        if let Ok(place) = book.roll.position(old.uid) {
            book.roll.entries.remove(place);
            book.note(Change { mod_seq, uid: old.uid });
        }
    }

    /// The size of a message has become known.
    pub(super) fn sized(&mut self, number: u32, held: &Held) {
        let sight = self.sight(number, held);
        if let Some(book) = self.books.get_mut(&held.folder)
            && book.unknown.remove(&number)
            && let Sight::Sized(octets) = sight
        {
            book.enter(held.entry(number, octets));
        }
    }

    fn sight(&self, number: u32, held: &Held) -> Sight {
        let Some(entry) = held.view(self.view).filter(|_| !self.hidden.contains(&number)) else {
            return Sight::LeftOut;
        };
        if entry.generation >= self.generation {
            return Sight::Sized(entry.octets);
        }
        match self.sizes.get(&number) {
            Some(Some(octets)) => Sight::Sized(*octets),
            Some(None) => Sight::LeftOut,
            None => Sight::Unsized,
        }
    }
}

impl Book {
    fn enter(&mut self, entry: Entry) {
        self.roll.uid_next = self.roll.uid_next.max(entry.uid + 1);
        match self.roll.position(entry.uid) {
            Ok(place) => drop(self.roll.entries.set(place, entry)),
            Err(place) if place == self.roll.entries.len() => self.roll.entries.push_back(entry),
            Err(place) => self.roll.entries.insert(place, entry),
        }
    }

    fn note(&mut self, change: Change) {
        let roll = &mut self.roll;
        roll.highest_mod_seq = roll.highest_mod_seq.max(change.mod_seq);
        roll.changes.push_back(change);
        while roll.changes.len() > MAX_CHANGES {
            if let Some(oldest) = roll.changes.pop_front() {
                roll.changes_since = oldest.mod_seq;
            }
        }
    }
}

/// Changes that a roll remembers: whoever has missed more compares the whole.
const MAX_CHANGES: usize = 4096;
