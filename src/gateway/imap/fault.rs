//! Everything that can go wrong in a session, and the one function that tells what the client hears of it.
//! Texts are constants: nothing inner shows, and unknown names read like wrong passwords.

use super::SessionEnd;
use super::room::AccountError;
use super::sets::NoSuchNumber;
use crate::gateway::mailroom::OpenError;
use crate::mailbox::FolderNameError;
use crate::net::lines::LineError;
use crate::wire::imap::CommandErrorKind;
use crate::wire::imap::framing::RefusalReason;
use crate::wire::imap::response::Code;
use crate::wire::sasl::SaslError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error("the command is not taken: {0:?}")]
    Refused(RefusalReason),
    #[error("the command is larger than what is read past")]
    Endless(RefusalReason),
    #[error("there is no memory for an upload")]
    NoMemory,
    #[error("the command cannot be read: {0:?}")]
    Command(CommandErrorKind),
    #[error(transparent)]
    Sasl(#[from] SaslError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    NoSuchNumber(#[from] NoSuchNumber),
    #[error("the command is not allowed in this state")]
    State,
    #[error("a login without TLS")]
    Unprotected,
    #[error("STARTTLS is not offered here")]
    NoTls,
    #[error("STARTTLS over TLS")]
    AlreadyTls,
    #[error("the mechanism is not offered")]
    Mechanism,
    #[error("COMPRESS is not offered here")]
    NoCompression,
    #[error("COMPRESS twice")]
    AlreadyCompressed,
    #[error("octets came ahead of COMPRESS")]
    EarlyOctets,
    #[error("a folder that messages should go to is missing")]
    NoTarget,
    #[error("the folder is open for reading only")]
    ReadOnly,
    #[error("QRESYNC before it was enabled")]
    NotEnabled,
    #[error("there are too many patterns, or too long ones")]
    Patterns,
    #[error("quotas are not the client's to set")]
    Quota,
    #[error("there is no such quota root")]
    NoQuotaRoot,
    #[error("an IDLE ends with DONE")]
    NotDone,
    #[error("the message that is uploaded is empty")]
    EmptyMessage,
    #[error("special uses are given, not chosen")]
    SpecialUse,
    #[error("a part has an encoding that is not known")]
    UnknownEncoding,
    #[error("a message broke off while it was sent")]
    BrokenOff,
    #[error("too many commands or errors")]
    Expelled,
    #[error("the folder is gone")]
    FolderGone,
    #[error("the server is shutting down")]
    Shutdown,
    #[error("the seat was wanted for another peer")]
    Evicted,
}

/// What the session does about a fault.
pub(super) enum Conduct {
    /// It says NO and goes on.
    No(Option<Code<'static>>, &'static str),
    /// It says BAD and goes on.
    Bad(Option<Code<'static>>, &'static str),
    /// It says BYE and closes.
    Bye(Option<Code<'static>>, &'static str, SessionEnd),
    /// It closes without a word.
    Drop(SessionEnd),
}

impl Fault {
    pub(super) fn conduct(&self) -> Conduct {
        use Conduct::{Bad, Bye, Drop, No};
        match self {
            Self::Line(error) => line(error),
            Self::Refused(reason) => refused(*reason),
            Self::Endless(reason) => match refused(*reason) {
                No(code, text) | Bad(code, text) => Bye(code, text, SessionEnd::Expelled),
                other => other,
            },
            Self::NoMemory => {
                Bye(Some(Code::Unavailable), "too many uploads at once; come back", SessionEnd::TimedOut)
            }
            Self::Command(kind) => command(*kind),
            Self::Sasl(SaslError::Cancelled) => Bad(None, "cancelled, as you wish"),
            Self::Sasl(error) => Bad(None, sasl(*error)),
            Self::Open(error) => open(*error),
            Self::Account(error) => account(*error),
            Self::NoSuchNumber(_) => Bad(None, "there is no message with this number"),
            Self::State => Bad(None, "not now: the command belongs to another state of the session"),
            Self::Unprotected => {
                No(Some(Code::PrivacyRequired), "no login without TLS: use port 993, or STARTTLS first")
            }
            Self::NoTls => Bad(None, "STARTTLS is not offered here"),
            Self::AlreadyTls => Bad(None, "TLS is already on"),
            Self::Mechanism => No(Some(Code::Cannot), "the mechanism is not offered, PLAIN and LOGIN are"),
            Self::NoCompression => No(Some(Code::Cannot), "COMPRESS is not offered here"),
            Self::AlreadyCompressed => No(Some(Code::CompressionActive), "DEFLATE is already on"),
            // RFC 4978 §3: no command may follow before the answer is there.
            Self::EarlyOctets => Bad(None, "nothing may follow COMPRESS before its answer"),
            Self::NoTarget => No(Some(Code::TryCreate), "there is no such folder"),
            Self::ReadOnly => No(None, "the folder is open for reading only"),
            Self::NotEnabled => Bad(None, "ENABLE QRESYNC comes first"),
            Self::Patterns => No(Some(Code::Limit), "too many patterns, or too long ones"),
            Self::Quota => No(Some(Code::NoPermission), "quotas are not yours to set"),
            Self::NoQuotaRoot => No(Some(Code::NonExistent), "there is no such quota root"),
            Self::NotDone => Bad(None, "an IDLE ends with DONE"),
            Self::EmptyMessage => No(Some(Code::Cannot), "the message is empty"),
            Self::SpecialUse => No(Some(Code::Cannot), "the folders with a special use are there already"),
            Self::UnknownEncoding => No(Some(Code::UnknownCte), "a part has an encoding that is not known"),
            // Anything we said would be read as content.
            Self::BrokenOff => Drop(SessionEnd::BrokenOff),
            Self::Expelled => Bye(None, "too many commands or errors", SessionEnd::Expelled),
            Self::FolderGone => Bye(None, "the folder is gone", SessionEnd::BrokenOff),
            // RFC 3501 §7.1.5, RFC 5530 §3.
            Self::Evicted => Bye(Some(Code::Unavailable), "too many connections", SessionEnd::Evicted),
            Self::Shutdown => Bye(Some(Code::Unavailable), "shutting down", SessionEnd::Shutdown),
        }
    }
}

fn line(error: &LineError) -> Conduct {
    match error {
        LineError::TooLong => Conduct::Bad(Some(Code::TooBig), "the line is too long"),
        LineError::BareLineEnd => Conduct::Bad(None, "a CR or LF stands alone in the line"),
        LineError::Nul => Conduct::Bad(None, "the line holds a NUL"),
        // RFC 9051 §5.4.
        LineError::Timeout => Conduct::Bye(None, "silent for too long", SessionEnd::TimedOut),
        LineError::Closed | LineError::Io(_) => Conduct::Drop(SessionEnd::Vanished),
        LineError::Injected => Conduct::Drop(SessionEnd::TlsFailed),
    }
}

fn refused(reason: RefusalReason) -> Conduct {
    match reason {
        // RFC 7889 §4, RFC 4469 §4.2.
        RefusalReason::MessageTooLarge => Conduct::No(Some(Code::TooBig), "the message is too large"),
        RefusalReason::LiteralTooLarge => Conduct::Bad(Some(Code::TooBig), "too many literals, or too large"),
        RefusalReason::TextTooLong => Conduct::Bad(Some(Code::TooBig), "the command is too long"),
        RefusalReason::Malformed => Conduct::Bad(None, "the command holds a NUL, or a CR or LF alone"),
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

fn open(error: OpenError) -> Conduct {
    match error {
        OpenError::Refused => Conduct::No(Some(Code::AuthenticationFailed), "name or password is wrong"),
        OpenError::SoftLocked { .. } => {
            Conduct::No(Some(Code::Unavailable), "too many failed logins, try again later")
        }
        OpenError::Unavailable => {
            Conduct::No(Some(Code::Unavailable), "no login is possible now, try again later")
        }
    }
}

fn account(error: AccountError) -> Conduct {
    use Conduct::{Bye, No};
    match error {
        AccountError::NoFolder => No(Some(Code::NonExistent), "there is no such folder"),
        AccountError::FolderExists => No(Some(Code::AlreadyExists), "there is a folder of that name"),
        AccountError::Fixed => No(Some(Code::Cannot), "this folder stays as it is"),
        AccountError::Name(error) => No(Some(Code::Cannot), name(error)),
        AccountError::HasChildren => {
            No(Some(Code::HasChildren), "there are folders below this one, remove them first")
        }
        AccountError::Limit => No(Some(Code::Limit), "a limit of the mailbox is reached"),
        AccountError::OverQuota => No(Some(Code::OverQuota), "there is no room for the message"),
        AccountError::Damaged => {
            No(Some(Code::ServerBug), "a message is damaged, the vault's owner has been told")
        }
        AccountError::Gone => No(Some(Code::ExpungeIssued), "the message is gone"),
        AccountError::Changed => Bye(None, "this view has changed, connect again", SessionEnd::BrokenOff),
        AccountError::Revoked => Bye(None, "this password has been revoked", SessionEnd::BrokenOff),
        AccountError::Unavailable => No(Some(Code::Unavailable), "not possible now, try again later"),
    }
}

fn name(error: FolderNameError) -> &'static str {
    match error {
        FolderNameError::Empty => "a folder needs a name",
        FolderNameError::Dots => "no folder has the name . or ..",
        FolderNameError::TooLong => "the folder's name is too long",
        FolderNameError::Characters => "the folder's name has characters that names cannot have",
    }
}

fn command(kind: CommandErrorKind) -> Conduct {
    use Conduct::{Bad, No};
    match kind {
        CommandErrorKind::Unknown => Bad(None, "unknown command"),
        CommandErrorKind::Charset => No(Some(Code::BadCharset), "US-ASCII and UTF-8 it can be"),
        CommandErrorKind::Unsupported => No(Some(Code::Cannot), "not supported, or not enabled"),
        CommandErrorKind::TooMany => No(Some(Code::Limit), "too much at once"),
        CommandErrorKind::MailboxName => {
            No(Some(Code::Cannot), "the mailbox name is in no encoding of this session")
        }
        CommandErrorKind::Wrong(argument) => Bad(None, argument.text()),
        // Whatever else there will be is the client's doing too.
        _ => Bad(None, "the arguments are not as they should be"),
    }
}
