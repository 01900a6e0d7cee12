//! The picture of one user's mailbox: messages, folders, and for each view that is looked at the rolls of
//! its folders, which follow the messages change by change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::apart::{self, Aparts};
use super::sight::{Seen, Stand};
use crate::mailbox::{Flags, Folder, FolderId, Keywords, Roll};
use crate::names::{MessageId, ViewId};
use crate::tenant::rows::{FolderRow, MessageRow, PlaceRow, ViewEntry};

/// What became different.
pub(super) enum Effect {
    /// A message, by its number, is new or like this now.
    Put(u32, Held),
    /// It is gone.
    Remove(u32),
    /// It is hidden from a view.
    Hide(ViewId, u32),
    /// A folder is new or like this now, or gone.
    Folder(FolderId, Option<FolderRow>),
}

/// A message.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) message: MessageId,
    pub(super) received: i64,
    pub(super) copy: bool,
    /// Tells this sealing from any other.
    pub(super) sealing: u64,
    pub(super) views: Arc<[ViewEntry]>,
    pub(super) folder: FolderId,
    pub(super) uid: u32,
    pub(super) flags: Flags,
    pub(super) mod_seq: u64,
    /// When the shared word about junk last changed by itself: views that have one of their own hear nothing
    /// of that.
    pub(super) judged: u64,
    pub(super) saved: i64,
    /// What single views have of it for themselves.
    pub(super) apart: Aparts,
}

impl Held {
    /// A message without a [`PlaceRow`].
    pub(super) fn arrived(number: u32, row: MessageRow) -> Self {
        Self {
            message: row.message,
            received: row.received,
            copy: row.copy.unwrap_or(false),
            sealing: sealing(&row),
            folder: if row.trashed { FolderId::TRASH } else { FolderId::INBOX },
            uid: number,
            flags: Flags::none(),
            mod_seq: row.mod_seq.unwrap_or(1),
            judged: ANCIENT,
            saved: row.received,
            apart: None,
            views: row.views.into(),
        }
    }

    /// The same, where its row says. Keywords for which there is no room are left out.
    pub(super) fn placed(self, place: &PlaceRow, keywords: &mut Keywords) -> Self {
        let named = place.keywords.iter().filter_map(|name| keywords.intern(name)).map(Flags::keyword);
        let flags = named.fold(Flags::from_bits(place.flags), Flags::with);
        let apart = apart::from_rows(place.apart.as_deref(), keywords);
        Self {
            folder: FolderId(place.folder),
            uid: place.uid,
            flags,
            apart,
            mod_seq: place.mod_seq,
            judged: place.judged.unwrap_or(ANCIENT),
            saved: place.saved,
            ..self
        }
    }

    /// The row that says where it is.
    pub(super) fn place(&self, keywords: &Keywords) -> PlaceRow {
        let names = self.flags.keywords().filter_map(|number| keywords.name(number).map(str::to_owned));
        PlaceRow {
            folder: self.folder.0,
            uid: self.uid,
            flags: self.flags.bits(),
            keywords: names.collect(),
            mod_seq: self.mod_seq,
            saved: self.saved,
            apart: apart::to_rows(&self.apart, keywords),
            judged: Some(self.judged).filter(|judged| *judged > self.mod_seq),
        }
    }

    fn is_at(&self, other: &Self) -> bool {
        (self.folder, self.uid) == (other.folder, other.uid)
    }
}

/// The picture.
#[derive(Default)]
pub(super) struct Picture {
    pub(super) messages: BTreeMap<u32, Held>,
    /// Numbers by UID.
    places: HashMap<FolderId, BTreeMap<u32, u32>>,
    pub(super) folders: BTreeMap<FolderId, FolderRow>,
    /// Folders that are gone, whose names are subscribed to.
    pub(super) bare: BTreeMap<FolderId, FolderRow>,
    pub(super) keywords: Keywords,
    /// The numbers of messages of which there are copies, or were.
    copies: HashMap<MessageId, BTreeSet<u32>>,
    /// The numbers of messages that a view may have elsewhere than all.
    strays: BTreeSet<u32>,
    views: HashMap<ViewId, Seen>,
    /// No change that the picture has is above it; none that it lacks is not.
    highest: u64,
    /// UIDNEXT is not below it in any folder that was there before it was kept by folder.
    floor: u32,
}

impl Picture {
    /// A picture of these messages, in the order of their numbers.
    pub(super) fn new(
        messages: BTreeMap<u32, Held>,
        folders: BTreeMap<FolderId, FolderRow>,
        keywords: Keywords,
    ) -> Self {
        let (bare, folders) = folders.into_iter().partition(|(_, row)| row.bare == Some(true));
        let mut picture = Self { folders, bare, keywords, ..Self::default() };
        let mut places: HashMap<FolderId, Vec<(u32, u32)>> = HashMap::new();
        for (number, held) in &messages {
            places.entry(held.folder).or_default().push((held.uid, *number));
            if held.copy {
                picture.copies.entry(held.message).or_default();
            }
            if held.apart.is_some() {
                picture.strays.insert(*number);
            }
        }
        picture.places =
            places.into_iter().map(|(folder, pairs)| (folder, BTreeMap::from_iter(pairs))).collect();
        if !picture.copies.is_empty() {
            for (number, held) in &messages {
                if let Some(numbers) = picture.copies.get_mut(&held.message) {
                    numbers.insert(*number);
                }
            }
        }
        picture.messages = messages;
        picture
    }

    /// From here on it follows every change.
    pub(super) fn begin(&mut self, highest: u64, floor: u32) {
        (self.highest, self.floor) = (highest, floor);
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Takes changes that it may have already, before anybody looks at it.
    pub(super) fn catch_up(&mut self, mod_seq: u64, effects: Vec<Effect>) {
        let is_new = |effect: &Effect| match effect {
            Effect::Put(number, held) => {
                self.messages.get(number).is_none_or(|known| known.latest() < held.latest())
            }
            _ => true,
        };
        let effects = effects.into_iter().filter(is_new).collect();
        self.apply(mod_seq, effects);
    }

    /// Takes changes.
    pub(super) fn apply(&mut self, mod_seq: u64, effects: Vec<Effect>) {
        self.highest = self.highest.max(mod_seq);
        for effect in effects {
            match effect {
                Effect::Put(number, held) => self.put(mod_seq, number, held),
                Effect::Remove(number) => self.remove(mod_seq, number),
                Effect::Hide(view, number) => {
                    if let (Some(seen), Some(held)) = (self.views.get_mut(&view), self.messages.get(&number))
                    {
                        seen.hidden.insert(number);
                        seen.take(number, held, mod_seq);
                    }
                }
                Effect::Folder(folder, Some(row)) if row.bare != Some(true) => {
                    self.folders.insert(folder, row);
                }
                Effect::Folder(folder, row) => {
                    self.folders.remove(&folder);
                    self.views.values_mut().for_each(|seen| seen.close_book(folder));
                    match row {
                        Some(row) => drop(self.bare.insert(folder, row)),
                        None => drop(self.bare.remove(&folder)),
                    }
                }
            }
        }
    }

    /// Folders that views' messages with the highest UIDs leave by these changes, with their rows as they are to
    /// be: no view's UIDNEXT goes back, and none tells of mail that the view does not have.
    pub(super) fn marks(&self, effects: &[Effect]) -> BTreeMap<FolderId, FolderRow> {
        let (mut left, mut entered) = (HashMap::new(), HashMap::new());
        let note = |uids: &mut HashMap<(ViewId, FolderId), u32>, (view, folder, uid): Spotted| {
            let highest = uids.entry((view, folder)).or_default();
            *highest = uid.max(*highest);
        };
        for effect in effects {
            let (number, new) = match effect {
                Effect::Put(number, held) => (number, Some(held)),
                Effect::Remove(number) => (number, None),
                Effect::Hide(..) | Effect::Folder(..) => continue,
            };
            let Some(old) = self.messages.get(number) else { continue };
            let now: Vec<_> = new.into_iter().flat_map(|new| self.spots(new)).collect();
            self.spots(old).filter(|spot| !now.contains(spot)).for_each(|spot| note(&mut left, spot));
            now.into_iter().for_each(|spot| note(&mut entered, spot));
        }
        let mut rows: BTreeMap<FolderId, FolderRow> = BTreeMap::new();
        for ((view, folder), uid) in left {
            let (mark, enters) = (uid.saturating_add(1), entered.get(&(view, folder)).copied());
            let Some(row) = rows.get(&folder).cloned().or_else(|| self.row(folder)) else { continue };
            let is_known = row.mark_of(view) >= mark || enters.is_some_and(|enters| enters > uid);
            if !is_known && !self.has_above(view, folder, uid) {
                rows.entry(folder).or_insert(row).mark(view, mark);
            }
        }
        rows
    }

    /// Whether the view has a message with a higher UID in the folder.
    fn has_above(&self, view: ViewId, folder: FolderId, uid: u32) -> bool {
        let above = (Bound::Excluded(uid), Bound::Unbounded);
        let placed = self.places.get(&folder).into_iter().flat_map(|places| places.range(above).rev());
        // Those that the view has here alone are few.
        let mut numbers = placed.map(|(_, number)| number).chain(&self.strays);
        numbers.any(|number| {
            let held = self.messages.get(number).into_iter();
            held.flat_map(|held| self.spots_of(view, held)).any(|(there, its)| there == folder && its > uid)
        })
    }

    /// Where views have a message: the view, the folder and the UID there.
    fn spots<'a>(&'a self, held: &'a Held) -> impl Iterator<Item = Spotted> + 'a {
        let views = held.views.iter().map(|entry| entry.view);
        views.flat_map(move |view| self.spots_of(view, held).map(move |(folder, uid)| (view, folder, uid)))
    }

    /// Where a view has a message. Of one that nobody looks at it is not known whether what it had for itself
    /// counts: both do then.
    fn spots_of<'a>(&self, view: ViewId, held: &'a Held) -> impl Iterator<Item = (FolderId, u32)> + use<'a> {
        let has = held.view(view).is_some();
        let own = held.apart(view).and_then(|apart| apart.spots.as_ref()).filter(|_| has);
        let is_masked = self.views.get(&view).is_some_and(Seen::is_masked);
        let shared = (has && (own.is_none() || !is_masked)).then_some((held.folder, held.uid));
        shared.into_iter().chain(own.into_iter().flatten().map(|spot| (spot.folder, spot.uid)))
    }

    /// The row of a folder; those that every mailbox has need none.
    pub(super) fn row(&self, folder: FolderId) -> Option<FolderRow> {
        let given = FolderId::GIVEN.iter().find(|(id, ..)| *id == folder);
        let fresh = |(_, path, _): &(_, &str, _)| FolderRow {
            subscribed: true,
            ..FolderRow::new((*path).to_owned(), 0)
        };
        self.folders.get(&folder).cloned().or_else(|| given.map(fresh))
    }

    fn put(&mut self, mod_seq: u64, number: u32, held: Held) {
        let old = self.messages.insert(number, held.clone());
        let moved = old.as_ref().is_none_or(|old| !old.is_at(&held));
        if let Some(old) = old.as_ref().filter(|_| moved) {
            self.vacate(old);
        }
        if moved {
            self.places.entry(held.folder).or_default().insert(held.uid, number);
        }
        if held.copy && !self.copies.contains_key(&held.message) {
            let same = |(number, other): (&u32, &Held)| (other.message == held.message).then_some(*number);
            let numbers = self.messages.iter().filter_map(same).collect();
            self.copies.insert(held.message, numbers);
        } else if let Some(numbers) = self.copies.get_mut(&held.message) {
            numbers.insert(number);
        }
        if held.apart.is_some() {
            self.strays.insert(number);
        }
        for seen in self.views.values_mut() {
            seen.change(number, old.as_ref(), &held, &self.keywords, mod_seq);
        }
    }

    fn remove(&mut self, mod_seq: u64, number: u32) {
        let Some(held) = self.messages.remove(&number) else { return };
        self.vacate(&held);
        self.strays.remove(&number);
        if let Some(numbers) = self.copies.get_mut(&held.message) {
            numbers.remove(&number);
        }
        for seen in self.views.values_mut() {
            seen.take(number, &held, mod_seq);
            seen.hidden.remove(&number);
            seen.sizes.remove(&number);
        }
    }

    fn vacate(&mut self, held: &Held) {
        if let Some(numbers) = self.places.get_mut(&held.folder) {
            numbers.remove(&held.uid);
        }
    }

    /// The numbers of the messages in a folder, by rising UID.
    pub(super) fn numbers_in(&self, folder: FolderId) -> impl Iterator<Item = u32> {
        self.places.get(&folder).into_iter().flat_map(|numbers| numbers.values().copied())
    }

    /// The numbers of the other copies of a message.
    pub(super) fn copies_of(&self, number: u32) -> impl Iterator<Item = u32> {
        let message = self.messages.get(&number).map(|held| held.message);
        let numbers = message.and_then(|message| self.copies.get(&message));
        numbers.into_iter().flatten().copied().filter(move |other| *other != number)
    }

    /// Whether there is such a folder.
    pub(super) fn has_folder(&self, folder: FolderId) -> bool {
        match folder.is_given() {
            true => FolderId::GIVEN.iter().any(|(given, ..)| *given == folder),
            false => self.folders.contains_key(&folder),
        }
    }

    /// All folders, INBOX first, the rest by path.
    pub(super) fn list(&self) -> Vec<Folder> {
        let subscribed = |folder| self.folders.get(&folder).is_none_or(|row| row.subscribed);
        let given = FolderId::GIVEN.into_iter().map(|(id, path, special)| Folder {
            id,
            path: path.to_owned(),
            special,
            subscribed: subscribed(id),
        });
        let own = self.folders.iter().filter(|(id, _)| !id.is_given()).map(|(id, row)| Folder {
            id: *id,
            path: row.path.clone(),
            special: None,
            subscribed: row.subscribed,
        });
        let mut folders: Vec<_> = given.chain(own).collect();
        folders.sort_by(|one, other| {
            (one.id != FolderId::INBOX, &one.path).cmp(&(other.id != FolderId::INBOX, &other.path))
        });
        folders
    }

    /// The rendering that is looked at, if the view is.
    pub(super) fn generation_of(&self, view: ViewId) -> Option<u32> {
        self.views.get(&view).map(|seen| seen.generation)
    }

    pub(super) fn see(&mut self, view: ViewId, seen: Seen) {
        self.views.insert(view, seen);
    }

    /// Keeps sizes, and puts messages that waited for them into their rolls.
    pub(super) fn size(&mut self, view: ViewId, sizes: impl Iterator<Item = (u32, Option<u64>)>) {
        let Some(seen) = self.views.get_mut(&view) else { return };
        for (number, size) in sizes {
            seen.sizes.insert(number, size);
            if let Some(held) = self.messages.get(&number) {
                seen.sized(number, held, &self.keywords);
            }
        }
    }

    /// The roll of a folder, or what is missing to it; none if it was not made yet.
    pub(super) fn roll(&self, view: ViewId, folder: FolderId) -> Option<Result<&Roll, Vec<u32>>> {
        self.views.get(&view)?.roll(folder)
    }

    /// Whether the view has the message with this UID in the folder; its number.
    pub(super) fn visible(&self, view: ViewId, folder: FolderId, uid: u32) -> Option<u32> {
        self.views.get(&view)?.visible(folder, uid)
    }

    /// The octets that a view shows in all folders together, as it was sealed.
    pub(super) fn shown(&self, view: ViewId) -> u64 {
        self.messages.values().filter_map(|held| held.view(view)).map(|entry| entry.octets).sum()
    }

    /// What the view adds to the mailbox's UIDs.
    pub(super) fn shift_of(&self, view: ViewId) -> u32 {
        self.views.get(&view).map_or(0, |seen| seen.shift)
    }

    /// A message as the view has it in the folder.
    pub(super) fn stand(&self, view: ViewId, number: u32, folder: FolderId) -> Option<Stand> {
        let seen = self.views.get(&view)?;
        seen.stand(self.messages.get(&number)?, folder, &self.keywords)
    }

    /// The keywords that say that a message is no junk are in use, if there is room.
    pub(super) fn know_not_junk(&mut self) {
        for name in crate::mailbox::NOT_JUNK {
            let _number = self.keywords.intern(name);
        }
    }

    /// Makes the roll of a folder.
    pub(super) fn open_book(&mut self, view: ViewId, folder: FolderId) {
        let uid_next = self.uid_next(view, folder);
        let since = self.folders.get(&folder).and_then(|row| row.since).unwrap_or(0);
        let Some(seen) = self.views.get_mut(&view).filter(|seen| !seen.has_book(folder)) else {
            return;
        };
        let uid_next = uid_next.saturating_add(seen.shift);
        // A folder that is made again has another UIDVALIDITY, and a higher one.
        let mut roll = Roll::empty(seen.uid_validity.wrapping_add(since).max(1));
        (roll.uid_next, roll.highest_mod_seq, roll.changes_since) = (uid_next, self.highest, self.highest);
        roll.keywords = self.keywords.clone();
        let numbers = self.places.get(&folder).into_iter().flat_map(BTreeMap::values);
        // Those that the view has elsewhere, or here alone, come last: they are few.
        let strays = self.strays.iter();
        let message = |number: &u32| Some((*number, self.messages.get(number)?));
        let numbers = numbers.filter(|number| !self.strays.contains(number)).chain(strays);
        seen.open_book(folder, roll, numbers.filter_map(message));
    }
}

impl Picture {
    /// Above every UID that the view ever had in the folder, and changed by nothing else (RFC 9051 §2.3.1.1).
    fn uid_next(&self, view: ViewId, folder: FolderId) -> u32 {
        let Some(seen) = self.views.get(&view) else { return 1 };
        let has = |(_, number): &(&u32, &u32)| {
            let held = self.messages.get(*number).filter(|held| held.view(view).is_some());
            // What it has here for itself alone is added by whoever opens the book.
            held.is_some_and(|held| seen.shares(held, folder))
        };
        let last = self.places.get(&folder).and_then(|places| places.iter().rev().find(has));
        let row = self.folders.get(&folder);
        let begun = row.and_then(|row| row.since).map_or(self.floor, |since| since.saturating_add(1));
        let left = row.map_or(0, |row| row.mark_of(view));
        last.map_or(1, |(uid, _)| *uid + 1).max(begun).max(left)
    }
}

impl Held {
    /// The view's entry.
    pub(super) fn view(&self, view: ViewId) -> Option<&ViewEntry> {
        self.views.iter().find(|entry| entry.view == view)
    }
}

/// A view, a folder, and the UID of a message that it has there.
type Spotted = (ViewId, FolderId, u32);

/// The mod-sequence of what never changed: below all that are drawn.
const ANCIENT: u64 = 1;

/// Containers have names that are never used twice.
pub(super) fn sealing(row: &MessageRow) -> u64 {
    let [first @ .., _, _, _, _, _, _, _, _] = *row.container.as_bytes();
    u64::from_be_bytes(first)
}
