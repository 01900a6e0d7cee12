//! THREAD (RFC 5256): messages put together by subject, or by what they refer to.
//!
//! Works on a few facts of each message, which are functions of the view; knows no commands and opens
//! nothing. Ids are foreign text: whatever they say, the result is a forest that holds every message once,
//! and it is there in n log n.

mod forest;
mod references;
mod subject;

use crate::wire::imap::Threading;

pub use forest::Forest;

/// What threading needs of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letter {
    /// Its Message-ID, normalised, without brackets.
    pub id: Option<Box<[u8]>>,
    /// The ids of its References, oldest first; if there are none, the first of In-Reply-To.
    pub references: Vec<Box<[u8]>>,
    /// The sent date, Unix seconds: Date if it has a valid one, else when it was received (RFC 5256 §2.2).
    pub sent: i64,
    /// The base subject (§2.1), folded.
    pub subject: String,
    /// Whether the subject said that it is a reply or forward.
    pub is_reply: bool,
    /// Whether the subject is not the sender's: the message is in no thread for having none.
    pub is_made: bool,
}

/// The threads of these messages, which come by rising sequence number.
pub fn threads(letters: &[Letter], algorithm: Threading) -> Forest {
    match algorithm {
        Threading::OrderedSubject => subject::threads(letters),
        Threading::References => references::threads(letters),
    }
}

#[cfg(test)]
mod tests;
