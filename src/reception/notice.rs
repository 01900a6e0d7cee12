//! What became of a message for one addressee, for those who are asked where it is.

use std::net::IpAddr;

use super::received::{Outcome, UserRef};
use crate::names::{MessageId, SessionId};
use crate::wire::smtp::{Mailbox, ReversePath};

/// One addressee and the answer that the peer got; or a command that was refused before there was one.
pub struct Notice<'a> {
    /// The session.
    pub session: SessionId,
    /// Whence; none by a Unix socket.
    pub peer: Option<IpAddr>,
    /// The sender; none for the null path, or one that was not understood.
    pub sender: Option<&'a ReversePath>,
    /// The addressee, if it came to one.
    pub addressee: Option<&'a Mailbox>,
    /// Whose mailbox that is.
    pub target: Option<UserRef>,
    /// The message, if it is stored.
    pub message: Option<MessageId>,
    /// Octets of content, or what MAIL declared.
    pub size: u64,
    /// The reply's code.
    pub reply: u16,
    /// What the reply is about, in words of this program's.
    pub why: String,
}

/// Who a message is from and for, kept while it is handed over.
pub(super) struct Envelope {
    pub sender: Option<ReversePath>,
    pub addressees: Vec<(Mailbox, UserRef)>,
    pub size: u64,
}

/// The message that an outcome stored, and what is said of it.
pub(super) fn told(outcome: &Outcome) -> (Option<MessageId>, String) {
    match outcome {
        Outcome::Stored(message) => (Some(*message), "stored".to_owned()),
        Outcome::Deferred => (None, "temporarily unavailable".to_owned()),
        Outcome::Rejected(reason) => (None, format!("{reason:?}").to_ascii_lowercase()),
    }
}
