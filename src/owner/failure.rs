//! Why the owner's side does not do as asked.

use std::time::Duration;

use crate::audit::{AuditError, EntryError};
use crate::keyring::KeyringError;
use crate::records::RecordError;
use crate::seal::UnsealError;
use crate::store::blobs::BlobError;
use crate::store::ledger::CommitError;
use crate::vault::mailboxes::BoxError;

/// Why the owner's side does not do as asked. Names who is at fault; holds no secret, no address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnerError {
    /// Login, password, code, recovery code or session is wrong: nobody can tell which.
    #[error("the login, the password or the code is wrong")]
    Refused,
    /// The password was right, and the code had been used before.
    #[error("that code was used before")]
    CodeUsed,
    /// The password was right, and the code belongs to another time: seconds that the phone is ahead.
    #[error("the clock of the phone, or of the server, is wrong by {}", away(*.0))]
    ClockOff(i64),
    /// Too many passwords are being checked. Nothing was tried, and nothing counts.
    #[error("too many sign-ins at once")]
    Busy,
    /// The session has ended.
    #[error("the unlock session has ended")]
    SessionEnded,
    /// Too many failed attempts.
    #[error("too many failed attempts")]
    SoftLocked(Duration),
    /// The tenant asks for a reason.
    #[error("an unlock needs a reason here")]
    ReasonNeeded,
    /// The reason is empty, too long, or holds control characters.
    #[error("the reason is not allowed: {0}")]
    Reason(#[from] EntryError),
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// There is one already.
    #[error("this {0} is there already")]
    Exists(&'static str),
    /// A name or address is not well formed.
    #[error("the {what} is not allowed: {why}")]
    Invalid {
        /// What.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// It belongs to another tenant than the one that was unlocked.
    #[error("the unlocked tenant is another one")]
    OtherTenant,
    /// Only the user themselves may do this, or the holder of the recovery code.
    #[error("only the user themselves may do this")]
    OtherUser,
    /// Whoever asks may not do this; says what to do instead.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The tenant asks for a code for every single message.
    #[error("every single message needs a code of its own here")]
    CodeNeeded,
    /// It reveals more than before (law 7).
    #[error("this reveals more than before, so it needs an unlock")]
    UnlockNeeded,
    /// A stored message does not open.
    #[error("the message is damaged: {0}")]
    Damaged(#[from] UnsealError),
    /// The tenant's recovery file is not there, so no recovery code opens anything.
    #[error("the tenant's recovery file is gone")]
    RecoveryGone,
    /// The audit log cannot be written, so nothing is unsealed.
    #[error("the audit log cannot be written, so nothing is unsealed: {0}")]
    Audit(#[from] AuditError),
    /// The ledger failed.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// The blob store failed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// A key or keyslot is not what it should be.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The search index failed; it can be made anew.
    #[error("the search index: {0}")]
    Search(#[from] crate::search::SearchError),
    /// A policy or a store is not there; the log says more.
    #[error("this is not available now")]
    Unavailable,
    /// A task ended early: the server is shutting down.
    #[error("the server is shutting down")]
    Stopping,
}

/// How far two clocks are apart, in words.
pub fn away(seconds: i64) -> String {
    let minutes = seconds.unsigned_abs().div_ceil(60).max(1);
    let (hours, rest) = (minutes / 60, minutes % 60);
    let plural = |number: u64, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    match (hours, rest) {
        (0, minutes) => plural(minutes, "minute"),
        (hours, 0) => plural(hours, "hour"),
        (hours, minutes) => format!("{} and {}", plural(hours, "hour"), plural(minutes, "minute")),
    }
}

impl From<BoxError> for OwnerError {
    fn from(error: BoxError) -> Self {
        match error {
            BoxError::NoFolder => Self::NotFound("folder"),
            BoxError::Exists => Self::Exists("folder"),
            BoxError::Records(error) => error.into(),
            BoxError::Audit(error) => error.into(),
            BoxError::Blobs(error) => error.into(),
            error => Self::Invalid { what: "folder", why: error.to_string() },
        }
    }
}

impl From<CommitError> for OwnerError {
    fn from(error: CommitError) -> Self {
        Self::Records(error.into())
    }
}
