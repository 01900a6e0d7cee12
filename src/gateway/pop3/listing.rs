//! The messages of one session: numbered from 1 when the session first asks, the same until it ends
//! (RFC 1939 §5), some of them marked as deleted. Pure.

use crate::gateway::mailroom::Entry;
use crate::wire::pop3::MessageNumber;

pub(super) struct Listing<Handle> {
    entries: Vec<Entry<Handle>>,
    /// One bit a message, none as long as nothing is marked.
    marks: Vec<u64>,
    live: u64,
    octets: u64,
}

impl<Handle: Copy> Listing<Handle> {
    pub(super) fn new(mut entries: Vec<Entry<Handle>>) -> Self {
        entries.shrink_to_fit();
        let mut listing = Self { entries, marks: Vec::new(), live: 0, octets: 0 };
        listing.unmark_all();
        listing
    }

    /// How many messages are not marked.
    pub(super) fn live(&self) -> u64 {
        self.live
    }

    /// The octets of the messages that are not marked.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// The message with this number, unless it is marked.
    pub(super) fn get(&self, number: MessageNumber) -> Option<Entry<Handle>> {
        let index = number.index()?;
        let entry = self.entries.get(index)?;
        (!self.is_marked(index)).then_some(*entry)
    }

    /// The first message at or after `index` that is not marked, with its index.
    pub(super) fn next_from(&self, index: usize) -> Option<(usize, Entry<Handle>)> {
        let index = (index..self.entries.len()).find(|index| !self.is_marked(*index))?;
        Some((index, self.entries[index]))
    }

    /// Marks a message as deleted. `None` if there is none that is not marked.
    pub(super) fn mark(&mut self, number: MessageNumber) -> Option<()> {
        let entry = self.get(number)?;
        let index = number.index()?;
        if self.marks.is_empty() {
            self.marks = vec![0; self.entries.len().div_ceil(64)];
        }
        self.marks[index / 64] |= 1 << (index % 64);
        self.live -= 1;
        self.octets = self.octets.saturating_sub(entry.size);
        Some(())
    }

    /// Takes all marks away (RFC 1939 §5, RSET).
    pub(super) fn unmark_all(&mut self) {
        self.marks = Vec::new();
        self.live = self.entries.len() as u64;
        self.octets = self.entries.iter().map(|entry| entry.size).fold(0, u64::saturating_add);
    }

    /// The messages that are marked.
    pub(super) fn into_marked(self) -> Vec<Handle> {
        let Self { entries, marks, .. } = self;
        let is_marked =
            |index: usize| marks.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1);
        entries
            .into_iter()
            .enumerate()
            .filter(|(i, _)| is_marked(*i))
            .map(|(_, entry)| entry.handle)
            .collect()
    }

    fn is_marked(&self, index: usize) -> bool {
        self.marks.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::pop3::UniqueId;

    fn listing(count: usize) -> Listing<usize> {
        let entry = |handle| Entry { size: 10, unique_id: UniqueId::from_bytes([0; 16]), handle };
        Listing::new((0..count).map(entry).collect())
    }

    fn number(index: usize) -> MessageNumber {
        MessageNumber::from_index(index)
    }

    #[test]
    fn marked_messages_are_out_of_reach() {
        let mut listing = listing(130);
        assert!(listing.mark(number(64)).is_some());
        assert!(listing.mark(number(64)).is_none());
        assert!(listing.get(number(64)).is_none());
        assert_eq!((listing.live(), listing.octets()), (129, 1290));
        assert_eq!(listing.next_from(64).map(|(index, _)| index), Some(65));
        assert_eq!(listing.into_marked(), [64]);
    }

    #[test]
    fn numbers_stay_until_the_end() {
        let mut listing = listing(3);
        listing.mark(number(0));
        assert_eq!(listing.get(number(1)).map(|entry| entry.handle), Some(1));
        listing.unmark_all();
        assert_eq!((listing.live(), listing.octets()), (3, 30));
        assert_eq!(listing.get(number(0)).map(|entry| entry.handle), Some(0));
        assert!(listing.into_marked().is_empty());
    }

    #[test]
    fn there_are_no_others() {
        let mut listing = listing(2);
        assert!(listing.get(number(2)).is_none());
        assert!(listing.mark(number(usize::MAX)).is_none());
        assert!(listing.next_from(2).is_none());
    }
}
