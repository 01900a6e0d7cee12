//! What a client that comes back has missed (RFC 7162 §3.2.5): from what it knows and the roll as it is. Pure.

use std::ops::RangeInclusive;

use crate::mailbox::Roll;
use crate::wire::imap::{Numbers, Qresync, SetElement};

/// What a client has missed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missed {
    /// UIDs that it knows and that are gone, rising.
    pub(super) vanished: Vec<u32>,
    /// Positions of messages that changed, rising.
    pub(super) changed: Vec<usize>,
}

/// What the client has missed since its mod-sequence.
pub(super) fn missed(roll: &Roll, client: &Qresync) -> Missed {
    let known = Uids::known(roll, client.known.as_ref());
    // RFC 7162 §3.2.5.2: where sequence numbers still fit their UIDs, nothing below is gone.
    let intact = client.matched.as_ref().map_or(0, |(sequences, uids)| intact(roll, sequences, uids));
    let is_changed = |(_, entry): &(usize, &crate::mailbox::Entry)| {
        entry.mod_seq > client.mod_seq && known.contains(entry.uid)
    };
    let changed = roll.entries.iter().enumerate().filter(is_changed).map(|(position, _)| position).collect();
    Missed { vanished: vanished(roll, client.mod_seq, &known, intact), changed }
}

/// UIDs above `intact` that the client knows and that are gone: those that went since, if the roll
/// remembers so far back, else all that are not there (RFC 7162 §3.2.5.1 allows both).
pub(super) fn vanished(roll: &Roll, since: u64, known: &Uids, intact: u32) -> Vec<u32> {
    let is_gone = |uid: &u32| *uid > intact && roll.position(*uid).is_err();
    if since >= roll.changes_since {
        let newer = roll.changes.iter().rev().take_while(|change| change.mod_seq > since);
        let mut uids: Vec<u32> =
            newer.map(|change| change.uid).filter(|uid| is_gone(uid) && known.contains(*uid)).collect();
        uids.sort_unstable();
        uids.dedup();
        return uids;
    }
    known.iter().filter(is_gone).collect()
}

/// Known UIDs as rising ranges that do not touch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Uids(Vec<RangeInclusive<u32>>);

impl Uids {
    /// Those of a client, as far as UIDs have been given; none said is all (RFC 7162 §3.2.5).
    pub(super) fn known(roll: &Roll, numbers: Option<&Numbers>) -> Self {
        let last = roll.uid_next.saturating_sub(1);
        let mut ranges: Vec<_> = match numbers {
            Some(Numbers::Set(elements)) => elements.iter().map(|element| range(*element, last)).collect(),
            Some(Numbers::Saved) | None => vec![1..=last],
        };
        ranges.retain(|range| !range.is_empty());
        ranges.sort_unstable_by_key(|range| *range.start());
        ranges.dedup_by(|next, before| {
            let touches = *next.start() <= before.end().saturating_add(1);
            if touches {
                *before = *before.start()..=(*before.end()).max(*next.end());
            }
            touches
        });
        Self(ranges)
    }

    fn contains(&self, uid: u32) -> bool {
        let index = self.0.partition_point(|range| *range.end() < uid);
        self.0.get(index).is_some_and(|range| range.contains(&uid))
    }

    fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().cloned().flatten()
    }
}

fn range(element: SetElement, last: u32) -> RangeInclusive<u32> {
    let (one, other) = (element.from.unwrap_or(last), element.to.unwrap_or(last));
    one.min(other).max(1)..=one.max(other).min(last)
}

/// The highest UID up to which the client's sequence numbers are those of the roll.
fn intact(roll: &Roll, sequences: &Numbers, uids: &Numbers) -> u32 {
    let (Numbers::Set(sequences), Numbers::Set(uids)) = (sequences, uids) else { return 0 };
    let numbers = |elements: &[SetElement]| {
        // `*` has no place here (RFC 7162 §3.2.5.2), and numbers rise.
        let ends = elements.iter().map_while(|element| Some(element.from?..=element.to?));
        ends.collect::<Vec<_>>().into_iter().flatten()
    };
    numbers(sequences)
        .zip(numbers(uids))
        .take_while(|(sequence, uid)| {
            roll.position(*uid).is_ok_and(|position| position + 1 == *sequence as usize)
        })
        .take(roll.entries.len())
        .map(|(_, uid)| uid)
        .last()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::{Change, Entry, Flags};
    use crate::names::MessageId;

    fn roll(uids: &[(u32, u64)], uid_next: u32) -> Roll {
        let entry = |(uid, mod_seq): &(u32, u64)| Entry {
            uid: *uid,
            number: *uid,
            message: MessageId::from_bytes([0; 16]),
            flags: Flags::none(),
            mod_seq: *mod_seq,
            octets: 1,
            sealing: 0,
            received: 0,
            saved: 0,
        };
        let highest_mod_seq = uids.iter().map(|(_, mod_seq)| *mod_seq).max().unwrap_or(1);
        let entries = uids.iter().map(entry).collect();
        Roll { uid_next, entries, highest_mod_seq, changes_since: highest_mod_seq, ..Roll::empty(1) }
    }

    fn set(ranges: &[(u32, u32)]) -> Numbers {
        Numbers::Set(
            ranges.iter().map(|(from, to)| SetElement { from: Some(*from), to: Some(*to) }).collect(),
        )
    }

    fn client(mod_seq: u64) -> Qresync {
        Qresync { uid_validity: 1, mod_seq, known: None, matched: None }
    }

    #[test]
    fn what_is_not_there_is_gone() {
        let roll = roll(&[(2, 5), (4, 9), (7, 20)], 10);
        let missed = missed(&roll, &client(8));
        assert_eq!(missed, Missed { vanished: vec![1, 3, 5, 6, 8, 9], changed: vec![1, 2] });
    }

    #[test]
    fn only_what_the_client_knows_is_told() {
        let roll = roll(&[(2, 5), (4, 9), (7, 20)], 10);
        let known = Some(set(&[(3, 4), (4, 5), (9, u32::MAX)]));
        let missed = missed(&roll, &Qresync { known, ..client(8) });
        assert_eq!(missed, Missed { vanished: vec![3, 5, 9], changed: vec![1] });
    }

    #[test]
    fn a_roll_that_remembers_tells_less() {
        let mut roll = roll(&[(2, 5), (4, 9)], 10);
        roll.changes =
            [(8, 7), (9, 4), (10, 3)].map(|(mod_seq, uid)| Change { mod_seq, uid }).into_iter().collect();
        (roll.highest_mod_seq, roll.changes_since) = (10, 7);
        assert_eq!(missed(&roll, &client(8)).vanished, [3]);
        assert_eq!(missed(&roll, &client(7)).vanished, [3, 7]);
        assert_eq!(missed(&roll, &client(6)).vanished, [1, 3, 5, 6, 7, 8, 9]);
    }

    /// RFC 7162 §3.2.5.2.
    #[test]
    fn sequence_numbers_that_fit_narrow_the_answer() {
        let roll = roll(&[(2, 5), (4, 9), (7, 9)], 10);
        let matched = Some((set(&[(1, 3)]), set(&[(2, 2), (4, 4), (6, 6)])));
        assert_eq!(missed(&roll, &Qresync { matched, ..client(8) }).vanished, [5, 6, 8, 9]);
        let hostile = Some((set(&[(1, u32::MAX)]), set(&[(1, u32::MAX)])));
        assert_eq!(missed(&roll, &Qresync { matched: hostile, ..client(8) }).vanished, [1, 3, 5, 6, 8, 9]);
    }
}
