//! Everything that goes wrong in a session, and the replies to it. Peers see these texts only.

use super::received::{Outcome, Reason};
use crate::net::lines::LineError;
use crate::wire::smtp::{CommandError, Reply};

/// Why a command or a message is refused; the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(super) enum Refusal {
    /// The peer's line is no command.
    #[error("{0}")]
    Command(#[from] CommandError),
    /// The peer's line is too long.
    #[error("the line is too long")]
    LongLine,
    /// The peer's line holds CR, LF or NUL.
    #[error("the line holds CR, LF or NUL")]
    BrokenLine,
    /// The peer uses the greeting of another protocol.
    #[error("the greeting is of another protocol")]
    WrongGreeting,
    /// The command does not fit the state of the session.
    #[error("the command is out of order")]
    OutOfOrder,
    /// There is nobody to send to.
    #[error("no addressee was accepted")]
    NoAddressee,
    /// The command is of an extension not offered.
    #[error("the command is not offered")]
    NotOffered,
    /// The message is larger than the limit.
    #[error("the message is too large")]
    TooLarge,
    /// The message holds what others might take for its end.
    #[error("the message holds a false end of data")]
    Smuggling,
    /// The message has come round too often.
    #[error("the message loops")]
    Loop,
    /// Our memory for messages is all in use.
    #[error("no memory for the message")]
    Memory,
    /// The addressee is not here.
    #[error("the addressee is unknown")]
    UnknownAddressee,
    /// The addressee's address is switched off. Why is not told.
    #[error("the address is switched off")]
    SwitchedOff,
    /// The addressee takes no mail for now, or our directory is unavailable.
    #[error("the addressee cannot be served for now")]
    DeferredAddressee,
    /// The addressee's mailbox has no room now.
    #[error("the addressee's mailbox is full")]
    FullMailbox,
    /// The transaction has as many addressees as it may.
    #[error("too many addressees")]
    TooManyAddressees,
    /// The addressee belongs to another tenant than those before.
    #[error("an addressee of another tenant")]
    OtherTenant,
}

impl Refusal {
    /// The reply to it.
    pub fn reply(self) -> Reply {
        match self {
            Self::Command(error) => command_reply(error),
            Self::LongLine => Reply::new(500, (5, 5, 2), "Line too long"), // RFC 5321 §4.5.3.1.9
            Self::BrokenLine => Reply::new(500, (5, 5, 2), "Lines end in CRLF and hold no CR, LF or NUL"),
            Self::WrongGreeting => Reply::new(500, (5, 5, 1), "Wrong protocol"), // RFC 2033 §4.1
            Self::OutOfOrder => Reply::new(503, (5, 5, 1), "Bad sequence of commands"),
            Self::NoAddressee => Reply::new(503, (5, 5, 1), "No valid addressees"), // RFC 2033 §4.2
            Self::NotOffered => Reply::new(502, (5, 5, 1), "Command not implemented"),
            Self::TooLarge => Reply::new(552, (5, 3, 4), "Message too large"), // RFC 1870 §6
            Self::Smuggling => Reply::new(550, (5, 6, 0), "Message holds a dot between bare line ends"),
            Self::Loop => Reply::new(554, (5, 4, 6), "Message loops"),
            Self::Memory => Reply::new(452, (4, 3, 1), "Too much mail at once, try again"),
            Self::UnknownAddressee => Reply::new(550, (5, 1, 1), "No such addressee here"),
            Self::SwitchedOff => Reply::new(550, (5, 2, 1), "Mailbox takes no mail"), // RFC 3463 §3.3
            Self::DeferredAddressee => Reply::new(451, (4, 3, 0), "Temporarily unavailable, try again"),
            // Not for good: what waits at the sender comes when there is room (RFC 3463 §3.3).
            Self::FullMailbox => Reply::new(452, (4, 2, 2), "Mailbox full, try again"),
            Self::TooManyAddressees => Reply::new(452, (4, 5, 3), "Too many addressees"), // RFC 5321 §4.5.3.1.10
            Self::OtherTenant => Reply::new(452, (4, 5, 3), "Send to this addressee separately"),
        }
    }

    /// Whether it counts against the peer.
    pub fn is_peers_fault(self) -> bool {
        !matches!(
            self,
            Self::Memory
                | Self::FullMailbox
                | Self::DeferredAddressee
                | Self::TooManyAddressees
                | Self::OtherTenant
        )
    }
}

fn command_reply(error: CommandError) -> Reply {
    match error {
        CommandError::Unknown => Reply::new(500, (5, 5, 1), "Unknown command"),
        CommandError::Characters => Reply::new(500, (5, 5, 2), "Characters not allowed"),
        CommandError::Arguments => Reply::new(501, (5, 5, 4), "Bad arguments"),
        CommandError::ChunkSize => Reply::new(501, (5, 5, 4), "Bad chunk size"),
        CommandError::Parameter => Reply::new(501, (5, 5, 4), "Bad parameter"),
        CommandError::UnknownParameter => Reply::new(555, (5, 5, 4), "Parameter not known"),
        CommandError::ReversePath => Reply::new(553, (5, 1, 7), "Bad sender address"),
        CommandError::ForwardPath => Reply::new(553, (5, 1, 3), "Bad addressee address"),
        CommandError::NeedsUtf8 => Reply::new(553, (5, 6, 7), "Address needs SMTPUTF8"), // RFC 6531 §3.5
    }
}

/// Why a session ends.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum Ended {
    /// The peer said QUIT.
    #[error("the peer quit")]
    Quit,
    /// The plain dialogue ends so that one over TLS can begin.
    #[error("the dialogue goes on over TLS")]
    StartTls,
    /// The peer or the connection is gone, or the peer sent octets ahead of a TLS handshake.
    #[error("the connection is lost: {0}")]
    Lost(LineError),
    /// The server stops.
    #[error("the server stops")]
    Shutdown,
    /// The seat is wanted for somebody else.
    #[error("the seat was wanted for another peer")]
    Evicted,
    /// The peer was silent for too long.
    #[error("the peer was silent for too long")]
    Silent,
    /// The peer sends a message too slowly.
    #[error("the peer sends too slowly")]
    Slow,
    /// The peer has made too many mistakes.
    #[error("the peer made too many mistakes")]
    TooManyErrors,
    /// The peer sends command after command and no mail.
    #[error("the peer sends no mail")]
    Idle,
    /// The peer talked before the greeting.
    #[error("the peer talked before the greeting")]
    EarlyTalker,
    /// The peer does not begin with a command: it speaks another protocol, as a browser would that
    /// a web page made connect.
    #[error("the peer speaks another protocol")]
    Stranger,
    /// It is not known where a chunk ends, so what follows cannot be told from content.
    #[error("the size of a chunk is unreadable")]
    ChunkSize,
}

impl Ended {
    /// What the peer is told, if there is still somebody to tell.
    pub fn farewell(&self) -> Option<Reply> {
        Some(match self {
            Self::StartTls | Self::Lost(_) => return None,
            Self::Quit => Reply::new(221, (2, 0, 0), "Goodbye"),
            Self::Shutdown => Reply::new(421, (4, 3, 2), "Shutting down, try again"),
            Self::Evicted => Reply::new(421, (4, 3, 2), "Too many connections, try again"),
            Self::Silent => Reply::new(421, (4, 4, 2), "Too slow, goodbye"),
            Self::Slow => Reply::new(421, (4, 4, 2), "Message comes too slowly"),
            Self::TooManyErrors => Reply::new(421, (4, 7, 0), "Too many errors"),
            Self::Idle => Reply::new(421, (4, 7, 0), "Too many commands without mail"),
            Self::EarlyTalker => Reply::new(554, (5, 5, 1), "Wait for the greeting"), // RFC 5321 §4.3.1
            Self::Stranger => Reply::new(554, (5, 5, 1), "This is a mail server"),
            Self::ChunkSize => command_reply(CommandError::ChunkSize),
        })
    }
}

impl From<LineError> for Ended {
    fn from(error: LineError) -> Self {
        match error {
            LineError::Timeout => Self::Silent,
            error => Self::Lost(error),
        }
    }
}

/// The reply to an outcome.
pub(super) fn outcome_reply(outcome: &Outcome) -> Reply {
    match outcome {
        Outcome::Stored(id) => Reply::new(250, (2, 0, 0), format!("Stored as {id}")),
        Outcome::Deferred => Reply::new(451, (4, 3, 0), "Temporarily unavailable, try again"),
        Outcome::Rejected(reason) => rejection(*reason),
    }
}

fn rejection(reason: Reason) -> Reply {
    match reason {
        Reason::Unknown => Refusal::UnknownAddressee.reply(),
        Reason::Full => Reply::new(552, (5, 2, 2), "Mailbox full"),
        Reason::Harmful => Reply::new(554, (5, 7, 1), "Message refused as harmful"),
        Reason::Unwanted => Reply::new(550, (5, 7, 1), "Message refused"),
        Reason::Unauthenticated => Reply::new(550, (5, 7, 26), "Message not authenticated"), // RFC 7372
        Reason::Malformed => Reply::new(554, (5, 6, 0), "Message malformed"),
    }
}

/// The one reply to an SMTP transaction: 250 only when the message is stored for every addressee.
///
/// When some have it and some are deferred, the answer is 451 and the peer sends again: those who
/// have it get it twice. A duplicate is a nuisance, a lost message is not (RFC 5321 §6.1), and we
/// owe no DSN that would go to a forged sender. When some have it and some reject it, the answer is
/// the rejection: the sender learns that not everybody has it. Both are rare, because all
/// addressees of an SMTP transaction are of one tenant, with one filter, one store and one set of keys.
pub(super) fn transaction_reply(outcomes: &[Outcome]) -> Reply {
    let worst = |outcome: &&Outcome| match outcome {
        Outcome::Deferred => 2,
        Outcome::Rejected(_) => 1,
        Outcome::Stored(_) => 0,
    };
    // `rev` makes the first of equals win.
    let outcome = outcomes.iter().rev().max_by_key(worst).unwrap_or(&Outcome::Deferred);
    outcome_reply(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::MessageId;

    #[test]
    fn a_transaction_succeeds_only_as_a_whole() {
        let stored = Outcome::Stored(MessageId::random());
        let rejected = Outcome::Rejected(Reason::Full);
        for (outcomes, code) in [
            (vec![stored, stored], 250),
            (vec![stored, Outcome::Deferred], 451),
            (vec![rejected, Outcome::Deferred, stored], 451),
            (vec![stored, rejected], 552),
            (vec![], 451),
        ] {
            assert_eq!(transaction_reply(&outcomes).code(), code, "{outcomes:?}");
        }
    }

    #[test]
    fn the_reply_names_the_first_message() {
        let ids = [MessageId::random(), MessageId::random()];
        let reply = transaction_reply(&ids.map(Outcome::Stored));
        assert_eq!(reply, outcome_reply(&Outcome::Stored(ids[0])));
    }
}
