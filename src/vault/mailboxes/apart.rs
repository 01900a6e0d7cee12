//! What one masked view has of a message for itself: what its clients hold for junk, and where they put it.
//!
//! A client that sees a mask judges the mask. So its word about junk counts for its own view, and nobody else
//! sees a message move or change by it (docs/imap.md, "Junk").

use std::sync::Arc;

use super::picture::Held;
use crate::mailbox::{FlagEdit, Flags, FolderId, Keywords};
use crate::names::ViewId;
use crate::tenant::rows::{ApartRow, SpotRow};
use crate::vault::masked::Shelf;

/// What one view has for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Apart {
    pub(super) view: ViewId,
    /// When it last changed.
    pub(super) mod_seq: u64,
    /// The keywords about junk that its clients set; none if they have not said anything.
    pub(super) judged: Option<Flags>,
    /// Where the view has the message, at most once a folder; none if it is where all have it.
    pub(super) spots: Option<Vec<Spot>>,
}

/// A place where a view has a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) folder: FolderId,
    pub(super) uid: u32,
    pub(super) saved: i64,
    pub(super) deleted: bool,
}

/// All views' of one message; most messages have none.
pub(super) type Aparts = Option<Arc<Vec<Apart>>>;

impl Held {
    /// What the view has for itself.
    pub(super) fn apart(&self, view: ViewId) -> Option<&Apart> {
        self.apart.as_ref()?.iter().find(|apart| apart.view == view)
    }

    /// The same message, with `change` made to what the view has for itself. 0 stands for the mod-sequence
    /// that is drawn for the change.
    pub(super) fn with_apart(mut self, view: ViewId, change: impl FnOnce(&mut Apart)) -> Self {
        let mut all = self.apart.as_ref().map_or_else(Vec::new, |all| all.to_vec());
        let at = all.iter().position(|apart| apart.view == view).unwrap_or_else(|| {
            all.push(Apart { view, mod_seq: 0, judged: None, spots: None });
            all.len() - 1
        });
        change(&mut all[at]);
        all[at].mod_seq = 0;
        self.apart = Some(Arc::new(all));
        self
    }

    /// Of the words that a masked view presumes of a placeholder, those that a change of flags gives up: all of
    /// them as soon as its client says anything against one, for clients know one pair of words and leave the
    /// other standing. RFC 9051 §2.3.2: a message with both `$Junk` and `$NotJunk` counts as if it had none.
    pub(super) fn disclaimed(
        &self,
        shelf: &Shelf,
        flags: Flags,
        (how, named): (FlagEdit, Flags),
        keywords: &Keywords,
    ) -> Flags {
        let is_said = self.apart(shelf.view).is_some_and(|apart| apart.judged.is_some());
        if !shelf.manner.masked || is_said {
            return Flags::none();
        }
        let presumed = flags.and(keywords.judgements());
        let against = match how {
            FlagEdit::Replace => Flags::none(),
            FlagEdit::Add => keywords.junk(),
            FlagEdit::Remove => presumed,
        };
        if named.and(against) == Flags::none() { Flags::none() } else { presumed }
    }

    /// Where the view has it.
    pub(super) fn spots(&self, view: ViewId) -> Vec<Spot> {
        let own = self.apart(view).and_then(|apart| apart.spots.clone());
        let deleted = self.flags.contains(Flags::DELETED);
        own.unwrap_or_else(|| vec![Spot { folder: self.folder, uid: self.uid, saved: self.saved, deleted }])
    }

    /// Whether the view has it in `folder` for itself alone.
    pub(super) fn is_stray(&self, view: ViewId, folder: FolderId) -> bool {
        self.apart(view).is_some_and(|apart| apart.spots.is_some()) && self.folder != folder
    }

    /// Put where all have it: the last move that all see holds for all. What was judged stays.
    pub(super) fn together(mut self) -> Self {
        let strays = self.apart.as_ref().is_some_and(|all| all.iter().any(|apart| apart.spots.is_some()));
        if let Some(all) = self.apart.as_mut().filter(|_| strays) {
            Arc::make_mut(all).iter_mut().filter(|apart| apart.spots.is_some()).for_each(|apart| {
                (apart.spots, apart.mod_seq) = (None, 0);
            });
        }
        self
    }

    /// With these shared flags. 0 stands for the mod-sequence that is drawn for the change; a word about junk has
    /// one of its own.
    pub(super) fn with_flags(self, flags: Flags, judgements: Flags) -> Self {
        match flags.without(judgements) == self.flags.without(judgements) {
            true if flags == self.flags => self,
            true => Self { flags, judged: 0, ..self },
            false => Self { flags, mod_seq: 0, ..self },
        }
    }

    /// How many UIDs are to be drawn for it: 0 stands for each.
    pub(super) fn blanks(&self) -> usize {
        let spots = self.apart.iter().flat_map(|all| all.iter()).filter_map(|apart| apart.spots.as_ref());
        usize::from(self.uid == 0) + spots.flatten().filter(|spot| spot.uid == 0).count()
    }

    /// Fills in what was drawn where 0 stands.
    pub(super) fn filled(mut self, mod_seq: u64, uids: &mut impl Iterator<Item = u32>) -> Self {
        fill(&mut self.uid, uids);
        for own in [&mut self.mod_seq, &mut self.judged] {
            if *own == 0 {
                *own = mod_seq;
            }
        }
        if let Some(all) = &mut self.apart {
            for apart in Arc::make_mut(all) {
                if apart.mod_seq == 0 {
                    apart.mod_seq = mod_seq;
                }
                apart.spots.iter_mut().flatten().for_each(|spot| fill(&mut spot.uid, uids));
            }
        }
        self
    }

    /// The newest change of it, in whatever view.
    pub(super) fn latest(&self) -> u64 {
        let apart = self.apart.iter().flat_map(|all| all.iter()).map(|apart| apart.mod_seq);
        apart.fold(self.mod_seq.max(self.judged), u64::max)
    }
}

fn fill(uid: &mut u32, uids: &mut impl Iterator<Item = u32>) {
    if *uid == 0 {
        *uid = uids.next().unwrap_or(0);
    }
}

/// A copy's: what was judged, but nobody has it anywhere else. 0 stands for the mod-sequence.
pub(super) fn of_copy(source: &Aparts) -> Aparts {
    let judged = source.iter().flat_map(|all| all.iter()).filter(|apart| apart.judged.is_some());
    let judged: Vec<Apart> = judged.map(|apart| Apart { mod_seq: 0, spots: None, ..apart.clone() }).collect();
    (!judged.is_empty()).then(|| Arc::new(judged))
}

/// A message that was sealed again: only views that have it, and new UIDs wherever it is.
pub(super) fn of_resealed(old: &Aparts, has: impl Fn(ViewId) -> bool) -> Aparts {
    let kept = old.iter().flat_map(|all| all.iter()).filter(|apart| has(apart.view));
    let anew = |apart: &Apart| {
        let mut anew = Apart { mod_seq: 0, ..apart.clone() };
        anew.spots.iter_mut().flatten().for_each(|spot| spot.uid = 0);
        anew
    };
    let kept: Vec<Apart> = kept.map(anew).collect();
    (!kept.is_empty()).then(|| Arc::new(kept))
}

/// As rows have it.
pub(super) fn to_rows(all: &Aparts, keywords: &Keywords) -> Option<Vec<ApartRow>> {
    let names = |flags: Flags| {
        flags.keywords().filter_map(|number| keywords.name(number).map(str::to_owned)).collect::<Vec<_>>()
    };
    let spot = |spot: &Spot| SpotRow {
        folder: spot.folder.0,
        uid: spot.uid,
        saved: spot.saved,
        deleted: spot.deleted,
    };
    let row = |apart: &Apart| ApartRow {
        view: apart.view,
        mod_seq: apart.mod_seq,
        judged: apart.judged.map(names),
        spots: apart.spots.as_ref().map(|spots| spots.iter().map(spot).collect()),
    };
    all.as_ref().map(|all| all.iter().map(row).collect())
}

/// From rows. Keywords for which there is no room are left out.
pub(super) fn from_rows(rows: Option<&[ApartRow]>, keywords: &mut Keywords) -> Aparts {
    let mut flags = |names: &Vec<String>| {
        let numbers = names.iter().filter_map(|name| keywords.intern(name)).map(Flags::keyword);
        numbers.fold(Flags::none(), Flags::with)
    };
    let spot = |row: &SpotRow| Spot {
        folder: FolderId(row.folder),
        uid: row.uid,
        saved: row.saved,
        deleted: row.deleted,
    };
    let apart = |row: &ApartRow| Apart {
        view: row.view,
        mod_seq: row.mod_seq,
        judged: row.judged.as_ref().map(&mut flags),
        spots: row.spots.as_ref().map(|spots| spots.iter().map(spot).collect()),
    };
    let all: Vec<Apart> = rows?.iter().map(apart).collect();
    Some(Arc::new(all))
}
