//! What a SEARCH answers of what it found: ESEARCH's results (RFC 4731, RFC 9394), the mod-sequence
//! (RFC 7162 §3.1.5), and what becomes of `$` (RFC 5182 §2.1).

use std::ops::Range;

use crate::gateway::imap::sets::Numbering;
use crate::mailbox::Roll;
use crate::wire::imap::Returns;

/// The results that were asked for, as the numbers that the client uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// MIN; none if nothing was found.
    pub min: Option<u32>,
    /// MAX.
    pub max: Option<u32>,
    /// ALL, in the order of the results; none if not asked, and then or if empty it is not said.
    pub all: Option<Vec<u32>>,
    /// COUNT.
    pub count: Option<u64>,
    /// PARTIAL: the range as the client gave it, and the results in it.
    pub partial: Option<((i64, i64), Vec<u32>)>,
    /// MODSEQ: the highest of the messages that are told. None without the search key or without a message.
    pub mod_seq: Option<u64>,
    /// What `$` is from now on, rising UIDs; none if it stays.
    pub saved: Option<Vec<u32>>,
    /// Whether there is nothing to say but the tagged response (RFC 5182 §2.1: SAVE alone).
    pub is_silent: bool,
}

impl Answer {
    /// The answer for the messages at these positions. For SEARCH they rise; for SORT they are in the order
    /// of the criteria, and then MIN and MAX are the first and the last (RFC 5267 §3.1).
    pub fn of(
        found: &[usize],
        roll: &Roll,
        numbering: Numbering,
        returns: Returns,
        has_mod_seq: bool,
    ) -> Self {
        let number = |position: &usize| {
            roll.entries.get(*position).map_or(0, |entry| numbering.number(*position, entry))
        };
        let numbers = |positions: &[usize]| positions.iter().map(number).collect::<Vec<_>>();
        // RFC 4731 §3.1: no option is ALL.
        let nothing =
            !(returns.min || returns.max || returns.all || returns.count || returns.partial.is_some());
        let partial = returns.partial.map(|range| (range, slice(found, range)));
        let told = told(found, returns, partial.map_or(&[], |(_, part)| part));
        Self {
            min: found.first().filter(|_| returns.min).map(number),
            max: found.last().filter(|_| returns.max).map(number),
            all: (returns.all || (nothing && !returns.save)).then(|| numbers(found)),
            count: returns.count.then_some(found.len() as u64),
            partial: partial.map(|(range, part)| (range, numbers(part))),
            mod_seq: if has_mod_seq { highest(&told, roll) } else { None },
            saved: returns.save.then(|| uids(&told, roll)),
            is_silent: returns.save && nothing,
        }
    }
}

/// The results that are told one way or another: all of them but where only ends or a part is asked for.
/// `$` holds these (RFC 5182 §2.1, RFC 9394 §3.3), and MODSEQ is theirs (RFC 7162 §3.1.10).
fn told(found: &[usize], returns: Returns, part: &[usize]) -> Vec<usize> {
    let some = returns.min || returns.max || returns.partial.is_some();
    if returns.all || returns.count || !some {
        return found.to_vec();
    }
    let mut told = part.to_vec();
    told.extend(found.first().filter(|_| returns.min));
    told.extend(found.last().filter(|_| returns.max));
    told
}

/// The results in a range of RFC 9394 §3.1: from 1, or from the end if negative; either end may come first.
fn slice(found: &[usize], range: (i64, i64)) -> &[usize] {
    let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let place = |end: i64| if end < 0 { count.saturating_add(end) } else { end - 1 };
    let (one, other) = (place(range.0), place(range.1));
    let begin = one.min(other).clamp(0, count);
    let end = one.max(other).saturating_add(1).clamp(begin, count);
    let range: Range<usize> = usize::try_from(begin).unwrap_or(0)..usize::try_from(end).unwrap_or(0);
    found.get(range).unwrap_or_default()
}

fn highest(positions: &[usize], roll: &Roll) -> Option<u64> {
    positions.iter().filter_map(|position| roll.entries.get(*position)).map(|entry| entry.mod_seq).max()
}

fn uids(positions: &[usize], roll: &Roll) -> Vec<u32> {
    let entries = positions.iter().filter_map(|position| roll.entries.get(*position));
    let mut uids: Vec<u32> = entries.map(|entry| entry.uid).collect();
    uids.sort_unstable();
    uids.dedup();
    uids
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gateway::imap::search::samples::roll_of;

    fn roll() -> Roll {
        roll_of(10, |uid, entry| {
            entry.uid = uid * 10;
            entry.mod_seq = 100 - u64::from(uid);
        })
    }

    fn uid_answer(found: &[usize], returns: Returns) -> Answer {
        Answer::of(found, &roll(), Numbering::Uid, returns, true)
    }

    const NONE: Returns =
        Returns { min: false, max: false, all: false, count: false, save: false, partial: None };

    #[test]
    fn no_option_is_all() {
        let answer = uid_answer(&[1, 3], NONE);
        assert_eq!(answer.all, Some(vec![20, 40]));
        assert_eq!((answer.saved, answer.mod_seq, answer.is_silent), (None, Some(98), false));
        let sequences = Answer::of(&[1, 3], &roll(), Numbering::Sequence, NONE, false);
        assert_eq!((sequences.all, sequences.mod_seq), (Some(vec![2, 4]), None));
    }

    #[test]
    fn nothing_found_has_no_ends() {
        let every =
            Returns { min: true, max: true, all: true, count: true, save: true, partial: Some((1, 5)) };
        let answer = uid_answer(&[], every);
        assert_eq!((answer.min, answer.max, answer.count, answer.mod_seq), (None, None, Some(0), None));
        assert_eq!((answer.all, answer.saved), (Some(vec![]), Some(vec![])));
        assert_eq!(answer.partial, Some(((1, 5), vec![])));
    }

    #[test]
    fn what_is_saved_is_what_is_told() {
        // RFC 5182 §2.1, the table.
        let saved =
            |returns: Returns| uid_answer(&[1, 3, 5, 7], Returns { save: true, ..returns }).saved.unwrap();
        let all = [20, 40, 60, 80];
        assert_eq!(saved(NONE), all);
        assert_eq!(saved(Returns { min: true, ..NONE }), [20]);
        assert_eq!(saved(Returns { max: true, ..NONE }), [80]);
        assert_eq!(saved(Returns { min: true, max: true, ..NONE }), [20, 80]);
        assert_eq!(saved(Returns { min: true, count: true, ..NONE }), all);
        assert_eq!(saved(Returns { max: true, all: true, ..NONE }), all);
        assert_eq!(saved(Returns { partial: Some((2, 3)), ..NONE }), [40, 60]);
        assert_eq!(saved(Returns { partial: Some((2, 3)), min: true, ..NONE }), [20, 40, 60]);
        assert!(uid_answer(&[1], Returns { save: true, ..NONE }).is_silent);
    }

    #[test]
    fn ends_have_their_own_mod_sequence() {
        // RFC 7162 §3.1.10.
        let mod_seq = |returns| uid_answer(&[1, 3, 5], returns).mod_seq;
        assert_eq!(mod_seq(Returns { max: true, ..NONE }), Some(94));
        assert_eq!(mod_seq(Returns { min: true, max: true, ..NONE }), Some(98));
        assert_eq!(mod_seq(Returns { max: true, count: true, ..NONE }), Some(98));
    }

    #[test]
    fn parts_count_from_either_end() {
        let found = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(slice(&found, (1, 3)), [0, 1, 2]);
        assert_eq!(slice(&found, (3, 1)), [0, 1, 2]);
        assert_eq!(slice(&found, (-1, -3)), [7, 8, 9]);
        assert_eq!(slice(&found, (9, 500)), [8, 9]);
        assert!(slice(&found, (11, 500)).is_empty());
        assert_eq!(slice(&found, (-9, -100)), [0, 1]);
        assert!(slice(&found, (-11, i64::MIN)).is_empty());
        assert!(slice(&[], (1, i64::MAX)).is_empty());
    }

    proptest! {
        #[test]
        fn parts_together_are_the_whole(count in 0_usize..60, step in 1_i64..20) {
            let found: Vec<usize> = (0..count).collect();
            let pages = (0..60 / step + 1).map(|page| slice(&found, (page * step + 1, (page + 1) * step)));
            prop_assert_eq!(pages.flatten().copied().collect::<Vec<_>>(), found.clone());
            let back = (0..60 / step + 1).rev().map(|page| slice(&found, (-page * step - 1, -(page + 1) * step)));
            prop_assert_eq!(back.flatten().copied().collect::<Vec<_>>(), found);
        }
    }
}
