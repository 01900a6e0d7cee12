//! What one view sees of a mailbox: the rolls of its folders, which follow the messages change by change.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::apart::{Apart, Spot};
use super::picture::Held;
use crate::mailbox::{Change, Entry, Flags, FolderId, Keywords, Roll};
use crate::names::ViewId;
use crate::vault::masked::{Manner, Shelf};

/// What a view sees.
pub(super) struct Seen {
    view: ViewId,
    pub(super) generation: u32,
    pub(super) uid_validity: u32,
    /// What is added to the mailbox's UIDs.
    pub(super) shift: u32,
    manner: Manner,
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
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    LeftOut,
    Sized(u64),
    Unsized,
}

/// Where and how a view has a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) folder: FolderId,
    /// From the mailbox's counter.
    pub(super) uid: u32,
    pub(super) saved: i64,
    pub(super) flags: Flags,
    pub(super) mod_seq: u64,
}

impl Seen {
    /// Nothing hidden, no sizes, no rolls yet.
    pub(super) fn new(shelf: &Shelf, uid_validity: u32, shift: u32) -> Self {
        Self {
            view: shelf.view,
            generation: shelf.generation,
            uid_validity,
            shift,
            manner: shelf.manner,
            hidden: HashSet::new(),
            sizes: HashMap::new(),
            books: HashMap::new(),
        }
    }

    /// Whether it has things for itself.
    pub(super) fn is_masked(&self) -> bool {
        self.manner.masked
    }

    /// Whether the view has the message in the folder where all have it.
    pub(super) fn shares(&self, held: &Held, folder: FolderId) -> bool {
        held.folder == folder && self.apart(held).is_none_or(|apart| apart.spots.is_none())
    }

    pub(super) fn has_book(&self, folder: FolderId) -> bool {
        self.books.contains_key(&folder)
    }

    pub(super) fn close_book(&mut self, folder: FolderId) {
        self.books.remove(&folder);
    }

    /// Fills an empty roll with those of these messages that are in the folder, which come by rising UID for
    /// the most part.
    pub(super) fn open_book<'a>(
        &mut self,
        folder: FolderId,
        roll: Roll,
        messages: impl Iterator<Item = (u32, &'a Held)>,
    ) {
        let mut book = Book { roll, unknown: BTreeSet::new() };
        for (number, held) in messages {
            let sight = self.sight(number, held);
            if sight == Sight::LeftOut {
                continue;
            }
            let Some(stand) = self.stand(held, folder, &book.roll.keywords) else { continue };
            match sight {
                Sight::Sized(octets) => book.enter(self.entry(number, held, &stand, octets)),
                _ => drop(book.unknown.insert(number)),
            }
        }
        self.books.insert(folder, book);
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

    /// A message is new, or another than it was. Only what is different for this view is noted.
    pub(super) fn change(
        &mut self,
        number: u32,
        old: Option<&Held>,
        new: &Held,
        keywords: &Keywords,
        mod_seq: u64,
    ) {
        let before = old.map_or_else(Vec::new, |old| self.stands(old, keywords));
        let after = self.stands(new, keywords);
        let is_at = |one: &Stand, other: &Stand| (one.folder, one.uid) == (other.folder, other.uid);
        for gone in before.iter().filter(|old| !after.iter().any(|new| is_at(old, new))) {
            self.leave(number, gone, mod_seq);
        }
        for stand in after.iter().filter(|new| !before.contains(new)) {
            self.put(number, new, stand, keywords, mod_seq);
        }
    }

    fn put(&mut self, number: u32, held: &Held, stand: &Stand, keywords: &Keywords, mod_seq: u64) {
        let (sight, shift) = (self.sight(number, held), self.shift);
        let entry = |octets| self.entry(number, held, stand, octets);
        let entry = if let Sight::Sized(octets) = sight { Some(entry(octets)) } else { None };
        let Some(book) = self.books.get_mut(&stand.folder) else { return };
        match (sight, entry) {
            (Sight::Sized(_), Some(entry)) => {
                book.unknown.remove(&number);
                book.roll.keywords = keywords.clone();
                book.enter(entry);
            }
            (Sight::Unsized, _) => drop(book.unknown.insert(number)),
            _ => return,
        }
        book.note(Change { mod_seq, uid: stand.uid.saturating_add(shift) });
    }

    /// A message is no longer for this view.
    pub(super) fn take(&mut self, number: u32, old: &Held, mod_seq: u64) {
        for stand in self.stands(old, &Keywords::default()) {
            self.leave(number, &stand, mod_seq);
        }
    }

    /// A message is no longer there.
    fn leave(&mut self, number: u32, stand: &Stand, mod_seq: u64) {
        let uid = stand.uid.saturating_add(self.shift);
        let Some(book) = self.books.get_mut(&stand.folder) else { return };
        if book.unknown.remove(&number) {
            return book.note(Change { mod_seq, uid });
        }
        if let Ok(place) = book.roll.position(uid) {
            book.roll.entries.remove(place);
            book.note(Change { mod_seq, uid });
        }
    }

    /// The size of a message has become known.
    pub(super) fn sized(&mut self, number: u32, held: &Held, keywords: &Keywords) {
        let sight = self.sight(number, held);
        for stand in self.stands(held, keywords) {
            let entry = |octets| self.entry(number, held, &stand, octets);
            let entry = if let Sight::Sized(octets) = sight { Some(entry(octets)) } else { None };
            if let Some(book) = self.books.get_mut(&stand.folder)
                && book.unknown.remove(&number)
                && let Some(entry) = entry
            {
                book.enter(entry);
            }
        }
    }

    /// Where and how the view has a message in the folder.
    pub(super) fn stand(&self, held: &Held, folder: FolderId, keywords: &Keywords) -> Option<Stand> {
        let own = self.apart(held).and_then(|apart| apart.spots.as_ref());
        let spot = match own {
            Some(spots) => Some(spots.iter().find(|spot| spot.folder == folder)?),
            None if held.folder == folder => None,
            None => return None,
        };
        Some(self.standing(held, spot, keywords))
    }

    /// The same, wherever it is.
    fn stands(&self, held: &Held, keywords: &Keywords) -> Vec<Stand> {
        match self.apart(held).and_then(|apart| apart.spots.as_ref()) {
            Some(spots) => spots.iter().map(|spot| self.standing(held, Some(spot), keywords)).collect(),
            None => vec![self.standing(held, None, keywords)],
        }
    }

    /// A view that shows everything has nothing for itself.
    fn apart<'a>(&self, held: &'a Held) -> Option<&'a Apart> {
        held.apart(self.view).filter(|_| self.manner.masked)
    }

    fn standing(&self, held: &Held, spot: Option<&Spot>, keywords: &Keywords) -> Stand {
        let mut flags = held.flags;
        if let Some(spot) = spot {
            let deleted = if spot.deleted { Flags::DELETED } else { Flags::none() };
            flags = flags.without(Flags::DELETED).with(deleted);
        }
        let apart = self.apart(held);
        if self.manner.masked {
            let judged =
                apart.and_then(|apart| apart.judged).unwrap_or_else(|| self.presumed(held, keywords));
            flags = flags.without(keywords.judgements()).with(judged);
        }
        // What all hold for junk is not what this view holds for it.
        let own = if self.manner.masked { apart.map_or(0, |apart| apart.mod_seq) } else { held.judged };
        let mod_seq = held.mod_seq.max(own);
        let (folder, uid, saved) =
            spot.map_or((held.folder, held.uid, held.saved), |spot| (spot.folder, spot.uid, spot.saved));
        Stand { folder, uid, saved, flags, mod_seq }
    }

    /// What a message is held for of which the view's clients have said nothing: a placeholder is no junk, or
    /// they would learn that all placeholders are.
    fn presumed(&self, held: &Held, keywords: &Keywords) -> Flags {
        let Some(entry) = held.view(self.view).filter(|entry| !entry.is_own()) else { return Flags::none() };
        let is_stale = entry.generation < self.generation;
        let sealed = match entry.is_text_sealed() {
            Some(sealed) if !is_stale => sealed,
            known => known.unwrap_or(false) || self.manner.seals_text,
        };
        if sealed { keywords.not_junk() } else { Flags::none() }
    }

    fn entry(&self, number: u32, held: &Held, stand: &Stand, octets: u64) -> Entry {
        Entry {
            uid: stand.uid.saturating_add(self.shift),
            number,
            message: held.message,
            flags: stand.flags,
            mod_seq: stand.mod_seq,
            octets,
            sealing: held.sealing,
            received: held.received,
            saved: stand.saved,
        }
    }

    fn sight(&self, number: u32, held: &Held) -> Sight {
        let Some(entry) = held.view(self.view).filter(|_| !self.hidden.contains(&number)) else {
            return Sight::LeftOut;
        };
        if entry.generation >= self.generation || entry.is_own() {
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
