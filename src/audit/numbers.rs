//! Many messages in one entry: the store's numbers of messages as a set, in the form in which IMAP
//! writes one (RFC 9051 §4.1.1, without `*`), and a bounded list of identifiers.
//!
//! Digits, commas and colons, so a set can hold no content. There is one spelling for a set: rising,
//! nothing twice, neighbours joined.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// Numbers of messages in a user's mailbox, which a message keeps wherever it is moved: `1:40,57`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageNumbers(String);

impl MessageNumbers {
    /// Longest set of one entry, in octets.
    pub const MAX_OCTETS: usize = 1024;

    /// These numbers, in as many sets as it takes; none for none. Order and repetition do not matter, and
    /// 0 is the number of no message.
    pub fn sets(numbers: impl IntoIterator<Item = u32>) -> Vec<Self> {
        let mut sets: Vec<Self> = Vec::new();
        for range in joined(numbers) {
            let text = written(&range);
            match sets.last_mut() {
                Some(Self(set)) if set.len() + 1 + text.len() <= Self::MAX_OCTETS => {
                    set.push(',');
                    set.push_str(&text);
                }
                _ => sets.push(Self(text)),
            }
        }
        sets
    }

    /// Reads a set as [`MessageNumbers::sets`] writes it; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > Self::MAX_OCTETS {
            return None;
        }
        let mut last = None;
        for piece in text.split(',') {
            let range = range(piece)?;
            // Neighbours would have been joined.
            if range.is_empty() || *range.start() <= last.map_or(0, |last: u32| last.saturating_add(1)) {
                return None;
            }
            if written(&range) != piece {
                return None;
            }
            last = Some(*range.end());
        }
        Some(Self(text.to_owned()))
    }

    /// The numbers as ranges, rising.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u32>> + '_ {
        self.0.split(',').filter_map(range)
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.ranges().map(|range| u64::from(range.end() - range.start()) + 1).sum()
    }

    /// Whether a number is among them.
    pub fn contains(&self, number: u32) -> bool {
        self.ranges().any(|range| range.contains(&number))
    }

    /// The set as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MessageNumbers {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a set of message numbers")
    }
}

impl From<MessageNumbers> for String {
    fn from(numbers: MessageNumbers) -> Self {
        numbers.0
    }
}

/// Rising ranges without neighbours.
fn joined(numbers: impl IntoIterator<Item = u32>) -> Vec<RangeInclusive<u32>> {
    let mut numbers: Vec<u32> = numbers.into_iter().filter(|number| *number > 0).collect();
    numbers.sort_unstable();
    let mut ranges: Vec<RangeInclusive<u32>> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some(range) if number <= range.end().saturating_add(1) => *range = *range.start()..=number,
            _ => ranges.push(number..=number),
        }
    }
    ranges
}

fn written(range: &RangeInclusive<u32>) -> String {
    let (first, last) = (range.start(), range.end());
    if first == last { first.to_string() } else { format!("{first}:{last}") }
}

fn range(piece: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = piece.split_once(':').unwrap_or((piece, piece));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

/// Identifiers of messages in JSON, for `#[serde(with = "messages")]`: an array of 1 to
/// [`messages::MOST`].
pub(super) mod messages {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::names::MessageId;

    /// How many messages one entry names.
    pub const MOST: usize = 64;

    /// Writes them as they print.
    pub fn serialize<S: Serializer>(messages: &[MessageId], out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(messages.iter().map(ToString::to_string))
    }

    /// Reads them back by parsing.
    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<MessageId>, D::Error> {
        let texts = Vec::<String>::deserialize(input)?;
        if !(1..=MOST).contains(&texts.len()) {
            return Err(D::Error::custom("an entry names 1 to 64 messages"));
        }
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(numbers: &[u32]) -> String {
        let sets = MessageNumbers::sets(numbers.iter().copied());
        sets.iter().map(MessageNumbers::as_str).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn neighbours_are_joined() {
        assert_eq!(one(&[]), "");
        assert_eq!(one(&[0]), "");
        assert_eq!(one(&[7]), "7");
        assert_eq!(one(&[3, 1, 2, 2, 9, 57, 58]), "1:3,9,57:58");
        assert_eq!(one(&[u32::MAX, u32::MAX - 1, u32::MAX]), "4294967294:4294967295");
    }

    #[test]
    fn there_is_one_spelling() {
        for good in ["1", "1:3,5", "4294967295", "2,4,6:4294967295"] {
            assert!(MessageNumbers::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "0",
            "0:1",
            "01",
            "+1",
            "1,",
            ",1",
            "1:1",
            "3:1",
            "1,2",
            "1:3,4",
            "1:3,3",
            "5,1",
            "1:*",
            "*",
            "1 ,3",
            "a",
            "4294967296",
            "1:2:3",
            "4294967295,4294967295",
        ] {
            assert_eq!(MessageNumbers::parse(bad), None, "{bad}");
        }
        assert_eq!(MessageNumbers::parse(&"1".repeat(1025)), None);
    }

    #[test]
    fn a_set_is_asked() {
        let set = MessageNumbers::parse("1:3,9").unwrap();
        assert_eq!(set.count(), 4);
        assert_eq!([0, 1, 3, 4, 9].map(|number| set.contains(number)), [false, true, true, false, true]);
        assert_eq!(MessageNumbers::parse("1:4294967295").unwrap().count(), u64::from(u32::MAX));
    }

    proptest! {
        #[test]
        fn cutting_loses_nothing(mut numbers in proptest::collection::vec(1u32..5000, 0..1500)) {
            let sets = MessageNumbers::sets(numbers.iter().copied());
            for set in &sets {
                prop_assert!(set.as_str().len() <= MessageNumbers::MAX_OCTETS);
                prop_assert_eq!(MessageNumbers::parse(set.as_str()), Some(set.clone()));
            }
            numbers.sort_unstable();
            numbers.dedup();
            let read: Vec<u32> = sets.iter().flat_map(MessageNumbers::ranges).flatten().collect();
            prop_assert_eq!(read, numbers);
        }

        #[test]
        fn whatever_is_read_is_how_it_is_written(text in "[0-9:,]{0,12}") {
            if let Some(set) = MessageNumbers::parse(&text) {
                let again = MessageNumbers::sets(set.ranges().flatten().take(100_000));
                if set.count() <= 100_000 {
                    prop_assert_eq!(again, vec![set]);
                }
            }
        }
    }
}
