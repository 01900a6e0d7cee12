//! Flags and keywords (RFC 9051 §2.3.2). System flags are bits; keywords are bits too, into the list of
//! names that a user's mailbox has in use.

use std::sync::Arc;

/// The system flags and `$`-less bookkeeping of one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    bits: u8,
    keywords: u64,
}

impl Flags {
    /// `\Seen`.
    pub const SEEN: Self = Self { bits: 1, keywords: 0 };
    /// `\Answered`.
    pub const ANSWERED: Self = Self { bits: 2, keywords: 0 };
    /// `\Flagged`.
    pub const FLAGGED: Self = Self { bits: 4, keywords: 0 };
    /// `\Deleted`.
    pub const DELETED: Self = Self { bits: 8, keywords: 0 };
    /// `\Draft`.
    pub const DRAFT: Self = Self { bits: 16, keywords: 0 };
    /// The system flags with their names.
    pub const SYSTEM: [(Self, &'static str); 5] = [
        (Self::SEEN, "\\Seen"),
        (Self::ANSWERED, "\\Answered"),
        (Self::FLAGGED, "\\Flagged"),
        (Self::DELETED, "\\Deleted"),
        (Self::DRAFT, "\\Draft"),
    ];

    /// No flag.
    pub const fn none() -> Self {
        Self { bits: 0, keywords: 0 }
    }

    /// The flag of the keyword with this number in [`Keywords`].
    pub fn keyword(number: usize) -> Self {
        Self {
            bits: 0,
            keywords: u32::try_from(number).map_or(0, |number| 1_u64.checked_shl(number).unwrap_or(0)),
        }
    }

    /// System flags from their bits as stored; unknown bits are dropped.
    pub const fn from_bits(bits: u8) -> Self {
        Self { bits: bits & 31, keywords: 0 }
    }

    /// The system flags as bits, for storing.
    pub const fn bits(self) -> u8 {
        self.bits
    }

    /// Whether all flags of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.bits & other.bits == other.bits && self.keywords & other.keywords == other.keywords
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self { bits: self.bits | other.bits, keywords: self.keywords | other.keywords }
    }

    /// These without those.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self { bits: self.bits & !other.bits, keywords: self.keywords & !other.keywords }
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { bits: self.bits & other.bits, keywords: self.keywords & other.keywords }
    }

    /// The numbers of the keywords that are set, rising.
    pub fn keywords(self) -> impl Iterator<Item = usize> {
        (0..64).filter(move |number| self.keywords >> number & 1 == 1)
    }
}

/// The keywords in use in a user's mailbox, by number. Names are compared without case (RFC 9051 §2.3.2)
/// and keep the spelling they came with first. The list only grows; a copy is a reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keywords {
    names: Arc<Vec<String>>,
    judgements: Flags,
    junk: Flags,
    not_junk: Flags,
}

impl Keywords {
    /// The number of a keyword in use.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known.eq_ignore_ascii_case(name))
    }

    /// The number of a keyword, which is in use from now on; none if [`MAX_KEYWORDS`] are.
    pub fn intern(&mut self, name: &str) -> Option<usize> {
        if let Some(number) = self.find(name) {
            return Some(number);
        }
        if self.names.len() == MAX_KEYWORDS {
            return None;
        }
        let number = self.names.len();
        Arc::make_mut(&mut self.names).push(name.to_owned());
        if is_one_of(JUDGEMENTS, name) {
            self.judgements = self.judgements.with(Flags::keyword(number));
        }
        if is_one_of(JUNK, name) {
            self.junk = self.junk.with(Flags::keyword(number));
        }
        if NOT_JUNK.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            self.not_junk = self.not_junk.with(Flags::keyword(number));
        }
        Some(number)
    }

    /// The keywords in use that say whether a message is junk.
    pub fn judgements(&self) -> Flags {
        self.judgements
    }

    /// The keywords in use that say that a message is junk.
    pub fn junk(&self) -> Flags {
        self.junk
    }

    /// The keywords that say that a message is none, as they are in use.
    pub fn not_junk(&self) -> Flags {
        self.not_junk
    }

    /// The keyword with this number.
    pub fn name(&self, number: usize) -> Option<&str> {
        self.names.get(number).map(String::as_str)
    }

    /// All of them, by number.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

/// Whether a keyword is one of `known`, whatever its punctuation.
fn is_one_of(known: &[&str], name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    known.iter().any(|known| plain.eq_ignore_ascii_case(known))
}

/// How STORE changes flags (RFC 9051 §6.4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagEdit {
    /// `FLAGS`
    Replace,
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
}

/// A change of flags, as a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagChange {
    /// How.
    pub edit: FlagEdit,
    /// Which system flags.
    pub system: Flags,
    /// Which keywords, by name, at most [`MAX_KEYWORD`] octets each.
    pub keywords: Vec<String>,
}

/// What tells clients that a message is no junk, so that they neither judge it nor learn from it:
/// Thunderbird's word, and the registered one.
pub const NOT_JUNK: [&str; 2] = ["NonJunk", "$NotJunk"];
/// Whether a message is junk, or that it is none: `$Junk`, `$NotJunk` and `$Phishing` of IANA's registry, `Junk`,
/// `NonJunk`, `NotJunk`, `JunkRecorded` and their like of Thunderbird, Evolution, Apple Mail and KMail. Without
/// punctuation, in which clients differ.
const JUDGEMENTS: &[&str] = &[
    "junk",
    "nonjunk",
    "notjunk",
    "junkrecorded",
    "notjunkrecorded",
    "spam",
    "nonspam",
    "notspam",
    "ham",
    "phishing",
    "notphishing",
    "nonphishing",
];
/// Those of them that say that it is. Apple Mail's `JunkRecorded` stands beside either word.
const JUNK: &[&str] = &["junk", "spam", "phishing"];
/// Keywords that a user's mailbox can have in use.
pub const MAX_KEYWORDS: usize = 64;
/// Octets of a keyword.
pub const MAX_KEYWORD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_numbered_as_they_come() {
        let mut keywords = Keywords::default();
        assert_eq!(keywords.intern("$Forwarded"), Some(0));
        assert_eq!(keywords.intern("Work"), Some(1));
        assert_eq!(keywords.intern("$FORWARDED"), Some(0));
        assert_eq!(keywords.name(1), Some("Work"));
        (2..MAX_KEYWORDS).for_each(|number| assert_eq!(keywords.intern(&format!("k{number}")), Some(number)));
        assert_eq!(keywords.intern("one more"), None);
        assert_eq!(keywords.find("work"), Some(1));
    }

    #[test]
    fn words_about_junk_are_known_however_clients_spell_them() {
        let mut keywords = Keywords::default();
        let said = ["$Junk", "Junk", "$NotJunk", "NotJunk", "NonJunk", "JunkRecorded", "$Phishing", "SPAM"];
        said.iter().for_each(|name| assert!(keywords.intern(name).is_some()));
        assert_eq!(keywords.judgements().keywords().count(), said.len());
        let other = ["$Forwarded", "Work", "JunkFood", "$MDNSent"];
        other.iter().for_each(|name| assert!(keywords.intern(name).is_some()));
        assert_eq!(keywords.judgements().keywords().count(), said.len());
        assert_eq!(keywords.not_junk().keywords().count(), 2);
        let junk: Vec<_> = keywords.junk().keywords().filter_map(|number| keywords.name(number)).collect();
        assert_eq!(junk, ["$Junk", "Junk", "$Phishing", "SPAM"]);
    }

    #[test]
    fn flags_are_a_set() {
        let flags = Flags::SEEN.with(Flags::keyword(63)).with(Flags::keyword(64));
        assert!(flags.contains(Flags::SEEN) && !flags.contains(Flags::DRAFT));
        assert_eq!(flags.keywords().collect::<Vec<_>>(), [63]);
        assert_eq!(flags.without(Flags::SEEN), Flags::keyword(63));
        assert_eq!(Flags::from_bits(0xff).bits(), 31);
    }
}
