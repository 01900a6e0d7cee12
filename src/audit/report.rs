//! What the verifier found, in words that name the rows.

use std::fmt;

use tlog_tiles::Hash;

use crate::names::TenantId;

/// The outcome of checking one log.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Whose log.
    pub tenant: TenantId,
    /// Entries by the log's head.
    pub size: u64,
    /// Root recomputed from the entries; from the stored hashes where those are what was signed.
    pub root: Hash,
    /// Entries before this number are as a checkpoint signed them, apart from what the findings name. The
    /// later ones fit each other, but no checkpoint vouches for them yet.
    pub vouched: u64,
    /// Checkpoints of this log that were compared.
    pub checkpoints: usize,
    /// Of those given, how many are of this log and were compared.
    pub given: usize,
    /// Of those given, how many are of other tenants' logs and were passed over.
    pub others: usize,
    /// Entries by a newer Veilpost, whose text this program cannot read; their hashes are checked.
    pub newer: u64,
    /// What is wrong, at most 1,000 findings.
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty() && self.more == 0
    }

    /// Whether nothing is wrong with the log: a checkpoint that was given and cannot be read tells nothing
    /// of it.
    pub fn log_is_sound(&self) -> bool {
        self.more == 0 && self.findings.iter().all(|finding| finding.place().is_some())
    }
}

/// One thing that is wrong with a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The entry is not the one whose hash was stored.
    EntryEdited {
        /// Its number.
        number: u64,
    },
    /// The entry is as a checkpoint signed it, its stored hash is not.
    HashEdited {
        /// The entry's number.
        number: u64,
    },
    /// Entries and their hashes were edited together; the hash above them tells.
    RangeEdited {
        /// First entry that may be edited.
        first: u64,
        /// Last entry that may be edited.
        last: u64,
    },
    /// Stored hashes above these entries were edited; the entries are as a checkpoint signed them.
    RangeHashesEdited {
        /// First entry below the hashes.
        first: u64,
        /// Last entry below the hashes.
        last: u64,
    },
    /// Entry rows are gone.
    EntriesMissing {
        /// First number.
        first: u64,
        /// Last number.
        last: u64,
    },
    /// The head counts more entries than any log can have.
    SizeImpossible,
    /// Rows of stored hashes are gone.
    HashesMissing {
        /// First index.
        first: u64,
        /// Last index.
        last: u64,
    },
    /// The row was hashed as it is, but it is no entry.
    EntryMalformed {
        /// Its number.
        number: u64,
    },
    /// The entry says it has another number.
    EntryMisnumbered {
        /// Its row.
        number: u64,
        /// What it says.
        says: u64,
    },
    /// A checkpoint vouches for more entries than the log has.
    Truncated {
        /// Entries the log has.
        size: u64,
        /// Entries it had.
        signed: u64,
    },
    /// The log is not the one that was signed: entries were rewritten with all their hashes.
    Forked {
        /// Entries before this number are as signed.
        agreed: u64,
        /// The checkpoint's size: the difference is before it.
        signed: u64,
    },
    /// Two valid checkpoints of one size have different roots: somebody with the audit key signed two logs.
    TwoHistories {
        /// Their size.
        size: u64,
    },
    /// A valid checkpoint whose last leaf does not announce it: the audit key was used outside the server.
    CheckpointUnannounced {
        /// Its size.
        size: u64,
    },
    /// There are entry rows that the head does not count.
    EntriesPastEnd {
        /// The first of them.
        first: u64,
    },
    /// A given checkpoint cannot be read or is not signed by the given key.
    CheckpointUnreadable {
        /// Its place among those given, from 0; `None` for the one in the store.
        place: Option<usize>,
    },
}

impl Finding {
    /// The place of a given checkpoint that is unreadable, from 0; none if something else is wrong.
    pub fn place(&self) -> Option<usize> {
        match self {
            Self::CheckpointUnreadable { place } => *place,
            _ => None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EntryEdited { number } => write!(out, "entry {number} was edited"),
            Self::HashEdited { number } => {
                write!(out, "the stored hash of entry {number} was edited; the entry is as signed")
            }
            Self::RangeEdited { first, last } => {
                write!(out, "entries {first} to {last}: at least one was edited together with its hash")
            }
            Self::RangeHashesEdited { first, last } => {
                write!(
                    out,
                    "stored hashes over entries {first} to {last} were edited; the entries are as signed"
                )
            }
            Self::EntriesMissing { first, last } => write!(out, "entries {first} to {last} are missing"),
            Self::HashesMissing { first, last } => write!(out, "stored hashes {first} to {last} are missing"),
            Self::SizeImpossible => write!(out, "the log says it has a size that no log can have"),
            Self::EntryMalformed { number } => write!(out, "entry {number} is not an audit entry"),
            Self::EntryMisnumbered { number, says } => {
                write!(out, "entry {number} says it is number {says}")
            }
            Self::Truncated { size, signed } => {
                write!(out, "the log ends after {size} entries, but a checkpoint signed {signed}")
            }
            Self::Forked { agreed, signed } => {
                write!(
                    out,
                    "entries from {agreed} on are not those that the checkpoint of size {signed} signed"
                )
            }
            Self::TwoHistories { size } => {
                write!(out, "two checkpoints of size {size} contradict each other: two logs were signed")
            }
            Self::CheckpointUnannounced { size } => {
                write!(out, "a checkpoint of size {size} was signed outside the server")
            }
            Self::EntriesPastEnd { first } => {
                write!(out, "there are entries from {first} on that the log does not count")
            }
            Self::CheckpointUnreadable { place: Some(place) } => {
                write!(out, "checkpoint {} of those given is unreadable or not signed by this key", place + 1)
            }
            Self::CheckpointUnreadable { place: None } => {
                write!(out, "the stored checkpoint is unreadable or not signed by this key")
            }
        }
    }
}
