//! Everything that can go wrong in a session, and the one function that tells what the client hears
//! of it. Texts are constants: nothing inner shows, and unknown names read like wrong passwords.

use super::SessionEnd;
use crate::gateway::mailroom::{MaildropError, OpenError};
use crate::net::lines::LineError;
use crate::wire::pop3::{Code, CommandError, Failure};
use crate::wire::sasl::SaslError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Line(LineError),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Sasl(#[from] SaslError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Maildrop(#[from] MaildropError),
    #[error("the command is not allowed in this state")]
    State,
    #[error("a login without TLS")]
    Unprotected,
    #[error("STLS is not offered here")]
    NoTls,
    #[error("STLS over TLS")]
    AlreadyTls,
    #[error("the mechanism is not offered")]
    Mechanism,
    #[error("PASS before USER")]
    NameFirst,
    #[error("there is no such message")]
    NoSuchMessage,
    #[error("not all deletions were done")]
    NotDeleted,
    #[error("a message broke off while it was sent")]
    BrokenOff,
    #[error("too many commands or errors before login")]
    Expelled,
    #[error("the server is shutting down")]
    Shutdown,
    #[error("the seat was wanted for another peer")]
    Evicted,
}

/// What the session does about a fault.
pub(super) enum Conduct {
    /// It tells the client and goes on.
    Stay(Failure),
    /// It tells the client and closes.
    Leave(Failure, SessionEnd),
    /// It closes without a word.
    Drop(SessionEnd),
}

impl Fault {
    pub(super) fn conduct(&self) -> Conduct {
        use Conduct::{Drop, Leave, Stay};
        match self {
            Self::Line(error) => line(error),
            Self::Command(CommandError::Unknown) => Stay(plain("unknown command")),
            Self::Command(CommandError::Arguments) => Stay(plain("the arguments are not as they should be")),
            Self::Sasl(error) => Stay(plain(sasl(*error))),
            Self::Open(error) => Stay(open(*error)),
            Self::Maildrop(MaildropError::Revoked) => {
                Leave(coded(Code::Auth, "this password has been revoked"), SessionEnd::BrokenOff)
            }
            Self::Maildrop(error) => Stay(maildrop(*error)),
            Self::State => Stay(plain("not now: the command belongs to another state of the session")),
            Self::Unprotected => Stay(coded(Code::Auth, "no login without TLS: use port 995, or STLS first")),
            Self::NoTls => Stay(plain("STLS is not offered here")),
            Self::AlreadyTls => Stay(plain("TLS is already on")),
            Self::Mechanism => Stay(plain("the mechanism is not offered, PLAIN and LOGIN are")),
            Self::NameFirst => Stay(plain("USER comes first")),
            Self::NoSuchMessage => Stay(plain("no such message")),
            // RFC 1939 §6.
            Self::NotDeleted => {
                Leave(coded(Code::SysTemp, "some deleted messages not removed"), SessionEnd::Quit)
            }
            // Without its final dot the answer is visibly unfinished; anything we said would be read as content.
            Self::BrokenOff => Drop(SessionEnd::BrokenOff),
            Self::Expelled => Leave(plain("too many commands without a login"), SessionEnd::Expelled),
            Self::Evicted => Leave(coded(Code::SysTemp, "too many connections"), SessionEnd::Evicted),
            Self::Shutdown => Leave(coded(Code::SysTemp, "shutting down"), SessionEnd::Shutdown),
        }
    }
}

fn line(error: &LineError) -> Conduct {
    match error {
        LineError::TooLong => Conduct::Stay(plain("the line is too long")),
        LineError::BareLineEnd => Conduct::Stay(plain("a CR or LF stands alone in the line")),
        LineError::Nul => Conduct::Stay(plain("the line holds a NUL")),
        // RFC 1939 §3: a session that times out ends without a response.
        LineError::Timeout => Conduct::Drop(SessionEnd::TimedOut),
        LineError::Closed | LineError::Io(_) => Conduct::Drop(SessionEnd::Vanished),
        LineError::Injected => Conduct::Drop(SessionEnd::TlsFailed),
    }
}

fn sasl(error: SaslError) -> &'static str {
    match error {
        SaslError::Cancelled => "cancelled, as you wish",
        SaslError::Encoding => "the response is not base64",
        SaslError::Form => "the response does not have the mechanism's form",
        SaslError::Identity => "nobody may act for another identity",
    }
}

fn open(error: OpenError) -> Failure {
    match error {
        OpenError::Refused => coded(Code::Auth, "name or password is wrong"),
        OpenError::SoftLocked { .. } => coded(Code::LoginDelay, "too many failed logins, try again later"),
        OpenError::Unavailable => coded(Code::SysTemp, "no login is possible now, try again later"),
    }
}

fn maildrop(error: MaildropError) -> Failure {
    match error {
        MaildropError::Damaged => coded(Code::SysPerm, "message is damaged, the vault's owner has been told"),
        MaildropError::Gone => plain("the message is gone"),
        MaildropError::Revoked => coded(Code::Auth, "this password has been revoked"),
        MaildropError::Unavailable => coded(Code::SysTemp, "the mail is not available now, try again later"),
    }
}

const fn plain(text: &'static str) -> Failure {
    Failure { code: None, text }
}

const fn coded(code: Code, text: &'static str) -> Failure {
    Failure { code: Some(code), text }
}
