//! Sets of messages: what a client's numbers mean on a roll (RFC 9051 §9, sequence-set; RFC 5182 for `$`).
//!
//! A set is never enumerated: its ranges are cut to the roll first, so `1:4294967295` costs what `1:*`
//! costs. Knows nothing of commands, and no message is opened for it.

use std::ops::Range;

use crate::mailbox::{Entry, Roll};
use crate::wire::imap::{Numbers, SetElement};

/// What the numbers of a command count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// Message sequence numbers.
    Sequence,
    /// UIDs, as in commands that begin with UID.
    Uid,
}

impl Numbering {
    /// That of a command, by whether it began with UID.
    pub fn of(uid: bool) -> Self {
        if uid { Self::Uid } else { Self::Sequence }
    }

    /// The number of the message at this position.
    pub fn number(self, position: usize, entry: &Entry) -> u32 {
        match self {
            Self::Sequence => sequence(position),
            Self::Uid => entry.uid,
        }
    }
}

/// A message sequence number that no message has. RFC 9051 §9 (seq-number) asks for a BAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no message with this number")]
pub struct NoSuchNumber;

/// Messages of one roll, by their positions (which count from 0), rising and without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picks {
    /// None is empty, and none touches the next.
    ranges: Vec<Range<usize>>,
}

impl Picks {
    /// The messages that a command names. `saved` is the saved result, rising UIDs; those that are gone
    /// are left out, as are UIDs that no message has.
    ///
    /// # Errors
    /// [`NoSuchNumber`] for sequence numbers past the end, and for `*` where there are no messages.
    pub fn resolve(
        numbers: &Numbers,
        numbering: Numbering,
        roll: &Roll,
        saved: &[u32],
    ) -> Result<Self, NoSuchNumber> {
        match (numbers, numbering) {
            (Numbers::Saved, _) => Ok(Self::of_uids(roll, saved)),
            (Numbers::Set(elements), Numbering::Uid) => Ok(Self::of_uid_ranges(elements, roll)),
            (Numbers::Set(elements), Numbering::Sequence) => {
                let count = count(roll);
                if elements.iter().any(|element| bounds(*element, count).1 > count || count == 0) {
                    return Err(NoSuchNumber);
                }
                Ok(Self::of_sequence_ranges(elements, count))
            }
        }
    }

    /// The same for search keys, where numbers that no message has are no error: they match nothing.
    pub fn resolve_known(numbers: &Numbers, numbering: Numbering, roll: &Roll, saved: &[u32]) -> Self {
        match (numbers, numbering) {
            (Numbers::Set(elements), Numbering::Sequence) => Self::of_sequence_ranges(elements, count(roll)),
            _ => Self::resolve(numbers, numbering, roll, saved).unwrap_or_default(),
        }
    }

    /// All messages.
    pub fn all(roll: &Roll) -> Self {
        Self::joined(std::iter::once(0..roll.entries.len()))
    }

    /// The messages that have these UIDs.
    pub fn of_uids(roll: &Roll, uids: &[u32]) -> Self {
        Self::joined(uids.iter().filter_map(|uid| roll.position(*uid).ok()).map(|at| at..at + 1))
    }

    /// The messages at these positions, in any order.
    pub fn of_positions(positions: impl IntoIterator<Item = usize>) -> Self {
        Self::joined(positions.into_iter().map(|at| at..at + 1))
    }

    /// Those of them that changed after this mod-sequence (RFC 7162 §3.1.4.1).
    pub fn changed_since(&self, roll: &Roll, mod_seq: u64) -> Self {
        let changed =
            self.positions().zip(self.entries(roll)).filter(|(_, (_, entry))| entry.mod_seq > mod_seq);
        Self::of_positions(changed.map(|(position, _)| position))
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.ranges.iter().map(Range::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether the message at this position is one of them.
    pub fn contains(&self, position: usize) -> bool {
        let index = self.ranges.partition_point(|range| range.end <= position);
        self.ranges.get(index).is_some_and(|range| range.contains(&position))
    }

    /// Their positions, rising.
    pub fn positions(&self) -> impl Iterator<Item = usize> + '_ {
        self.ranges.iter().cloned().flatten()
    }

    /// Their positions, as ranges.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.ranges.iter().cloned()
    }

    /// Their sequence numbers and entries on the roll that they were resolved on.
    pub fn entries<'a>(&'a self, roll: &'a Roll) -> impl Iterator<Item = (u32, &'a Entry)> + 'a {
        let slice = |range: &Range<usize>| {
            let focus = roll.entries.focus().narrow(range.clone());
            range.clone().map(sequence).zip(focus)
        };
        self.ranges.iter().flat_map(slice)
    }

    /// Their UIDs, rising.
    pub fn uids(&self, roll: &Roll) -> Vec<u32> {
        self.entries(roll).map(|(_, entry)| entry.uid).collect()
    }

    /// UIDs by ranges: both ends by binary search. A `*` is the last message's UID, even where the other
    /// end is above it (RFC 9051 §9, seq-range).
    fn of_uid_ranges(elements: &[SetElement], roll: &Roll) -> Self {
        let Some(last) = roll.entries.last() else { return Self::default() };
        let place = |uid| roll.position(uid).unwrap_or_else(|place| place);
        Self::joined(elements.iter().map(|element| {
            let (from, to) = bounds(*element, last.uid);
            place(from)..to.checked_add(1).map_or(roll.entries.len(), place)
        }))
    }

    fn of_sequence_ranges(elements: &[SetElement], count: u32) -> Self {
        Self::joined(elements.iter().map(|element| {
            let (from, to) = bounds(*element, count);
            (from.max(1) as usize - 1)..to.min(count) as usize
        }))
    }

    fn joined(ranges: impl IntoIterator<Item = Range<usize>>) -> Self {
        let mut sorted: Vec<_> = ranges.into_iter().filter(|range| range.start < range.end).collect();
        sorted.sort_unstable_by_key(|range| range.start);
        sorted.dedup_by(|next, before| {
            let touches = next.start <= before.end;
            if touches {
                before.end = before.end.max(next.end);
            }
            touches
        });
        Self { ranges: sorted }
    }
}

/// The message sequence number of a position.
pub fn sequence(position: usize) -> u32 {
    // Rolls are shorter than the numbers that UIDs can have.
    u32::try_from(position + 1).unwrap_or(u32::MAX)
}

fn count(roll: &Roll) -> u32 {
    u32::try_from(roll.entries.len()).unwrap_or(u32::MAX)
}

/// The lower and the higher end, with `*` as the largest number in use.
fn bounds(element: SetElement, largest: u32) -> (u32, u32) {
    let (one, other) = (element.from.unwrap_or(largest), element.to.unwrap_or(largest));
    (one.min(other), one.max(other))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mailbox::Flags;
    use crate::names::MessageId;

    fn roll(uids: &[u32]) -> Roll {
        let mut roll = Roll::empty(1);
        roll.entries = uids.iter().map(|uid| entry(*uid)).collect();
        roll
    }

    fn entry(uid: u32) -> Entry {
        Entry {
            uid,
            number: uid,
            message: MessageId::from_bytes([0; 16]),
            flags: Flags::none(),
            mod_seq: 1,
            octets: 0,
            sealing: 0,
            received: 0,
            saved: 0,
        }
    }

    fn set(elements: &[(u32, u32)]) -> Numbers {
        let end = |number| (number != STAR).then_some(number);
        Numbers::Set(
            elements.iter().map(|(from, to)| SetElement { from: end(*from), to: end(*to) }).collect(),
        )
    }

    fn uids(elements: &[(u32, u32)], roll: &Roll) -> Vec<u32> {
        Picks::resolve(&set(elements), Numbering::Uid, roll, &[]).unwrap().uids(roll)
    }

    fn sequences(elements: &[(u32, u32)], roll: &Roll) -> Result<Vec<u32>, NoSuchNumber> {
        let picks = Picks::resolve(&set(elements), Numbering::Sequence, roll, &[])?;
        Ok(picks.entries(roll).map(|(sequence, _)| sequence).collect())
    }

    const STAR: u32 = 0;

    #[test]
    fn sequence_numbers_exist_or_are_refused() {
        let five = roll(&[10, 20, 30, 40, 50]);
        assert_eq!(sequences(&[(2, 4), (1, 1), (3, 3)], &five), Ok(vec![1, 2, 3, 4]));
        assert_eq!(sequences(&[(4, 2)], &five), Ok(vec![2, 3, 4]));
        assert_eq!(sequences(&[(4, STAR), (STAR, STAR)], &five), Ok(vec![4, 5]));
        assert_eq!(sequences(&[(1, 1), (6, 6)], &five), Err(NoSuchNumber));
        assert_eq!(sequences(&[(6, STAR)], &five), Err(NoSuchNumber));
        assert_eq!(sequences(&[(1, u32::MAX)], &five), Err(NoSuchNumber));
        assert_eq!(sequences(&[(1, STAR)], &roll(&[])), Err(NoSuchNumber));
    }

    #[test]
    fn search_keys_take_any_numbers() {
        let five = roll(&[10, 20, 30, 40, 50]);
        let known = |elements: &[(u32, u32)], roll: &Roll| {
            Picks::resolve_known(&set(elements), Numbering::Sequence, roll, &[])
                .positions()
                .collect::<Vec<_>>()
        };
        assert_eq!(known(&[(4, 9), (u32::MAX, u32::MAX)], &five), [3, 4]);
        assert!(known(&[(1, STAR)], &roll(&[])).is_empty());
        assert_eq!(known(&[(7, STAR)], &five), [4]);
    }

    #[test]
    fn uids_are_found_without_counting() {
        let five = roll(&[10, 20, 30, 40, u32::MAX]);
        assert_eq!(uids(&[(1, u32::MAX)], &five), [10, 20, 30, 40, u32::MAX]);
        assert_eq!(uids(&[(30, 15), (21, 39)], &five), [20, 30]);
        assert!(uids(&[(11, 19), (5, 5)], &five).is_empty());
        // RFC 9051 §9: 3291:* always includes the last message.
        assert_eq!(uids(&[(3291, STAR)], &roll(&[10, 20])), [20]);
        assert!(uids(&[(1, STAR)], &roll(&[])).is_empty());
    }

    #[test]
    fn the_saved_result_loses_what_is_gone() {
        let five = roll(&[10, 20, 30, 40, 50]);
        let picks = Picks::resolve(&Numbers::Saved, Numbering::Sequence, &five, &[10, 25, 50]).unwrap();
        assert_eq!(picks.uids(&five), [10, 50]);
        assert_eq!((picks.len(), picks.is_empty()), (2, false));
        assert!(Picks::resolve(&Numbers::Saved, Numbering::Uid, &five, &[]).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn picks_are_what_the_set_says(
            gaps in prop::collection::vec(1_u32..4, 0..40),
            elements in prop::collection::vec((0_u32..60, 0_u32..60), 1..8),
        ) {
            let numbers: Vec<u32> = gaps.iter().scan(0, |uid, gap| { *uid += gap; Some(*uid) }).collect();
            let roll = roll(&numbers);
            let last = numbers.last().copied().unwrap_or(0);
            let naive = |uid: &u32| elements.iter().any(|(from, to)| {
                let end = |number: u32| if number == STAR { last } else { number };
                let (from, to) = (end(*from), end(*to));
                (from.min(to)..=from.max(to)).contains(uid)
            });
            let picks = Picks::resolve(&set(&elements), Numbering::Uid, &roll, &[]).unwrap();
            let wanted: Vec<u32> = numbers.iter().copied().filter(naive).collect();
            prop_assert_eq!(picks.uids(&roll), wanted.clone());
            prop_assert_eq!(picks.len(), wanted.len());
            for (position, uid) in numbers.iter().enumerate() {
                prop_assert_eq!(picks.contains(position), wanted.contains(uid));
            }
        }
    }
}
