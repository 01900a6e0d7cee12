//! Turns every error of the owner's side into what the caller is told. Total, and in one place.

use crate::admin::api::{Failure, FailureCode};
use crate::owner::OwnerError;
use crate::records::RecordError;
use crate::store::blobs::BlobError;
use crate::store::ledger::{CommitError, LedgerError};

impl From<OwnerError> for Failure {
    fn from(error: OwnerError) -> Self {
        let code = code(&error);
        if code == FailureCode::Internal {
            tracing::error!(%error, "a call failed");
        }
        Self { code, message: error.to_string(), hint: hint(&error) }
    }
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        OwnerError::from(error).into()
    }
}

fn code(error: &OwnerError) -> FailureCode {
    match error {
        OwnerError::Refused
        | OwnerError::CodeUsed
        | OwnerError::ClockOff(_)
        | OwnerError::SessionEnded
        | OwnerError::OtherTenant
        | OwnerError::OtherUser
        | OwnerError::Forbidden(_) => FailureCode::Refused,
        OwnerError::CodeNeeded => FailureCode::CodeNeeded,
        OwnerError::Busy => FailureCode::Busy,
        OwnerError::SoftLocked(_) => FailureCode::SoftLocked,
        OwnerError::ReasonNeeded | OwnerError::Reason(_) | OwnerError::Invalid { .. } => FailureCode::Invalid,
        OwnerError::UnlockNeeded => FailureCode::UnlockNeeded,
        OwnerError::NotFound(_) => FailureCode::NotFound,
        OwnerError::Exists(_) => FailureCode::Exists,
        OwnerError::Damaged(_) | OwnerError::RecoveryGone => FailureCode::Damaged,
        OwnerError::Blobs(BlobError::Full) | OwnerError::Records(RecordError::Ledger(LedgerError::Full)) => {
            FailureCode::Full
        }
        OwnerError::Records(RecordError::Commit(CommitError::Ledger(LedgerError::Full))) => FailureCode::Full,
        _ => FailureCode::Internal,
    }
}

fn hint(error: &OwnerError) -> Option<String> {
    let hint = match error {
        OwnerError::Refused => {
            "a TOTP code works once and for about a minute: wait for the next one; with phone or password lost, use --recovery"
        }
        OwnerError::CodeUsed => "wait for the next code; each works once",
        OwnerError::ClockOff(ahead) => return Some(clock_hint(*ahead)),
        OwnerError::Busy => "nothing was tried and nothing counts; try again in a moment",
        OwnerError::SessionEnded => "open one with `veilpost unlock LOGIN`",
        OwnerError::SoftLocked(wait) => {
            return Some(format!("try again in {} seconds", wait.as_secs().max(1)));
        }
        OwnerError::ReasonNeeded => "pass --reason 'why you unlock'",
        OwnerError::CodeNeeded => {
            "read messages one by one with `veilpost mail read NO --code DIGITS`; an export would need one for each"
        }
        OwnerError::UnlockNeeded => "pass --as LOGIN, or open a session with `veilpost unlock LOGIN`",
        OwnerError::NotFound("tenant") => "`veilpost tenant list` shows the tenants",
        OwnerError::NotFound("user") => "`veilpost user list` shows the users; a login is an address",
        OwnerError::NotFound("view") => "`veilpost view list` shows the views",
        OwnerError::NotFound("policy") => "`veilpost policy list TENANT` shows the policies",
        OwnerError::NotFound("credential") => "`veilpost credential list LOGIN` shows the credentials",
        OwnerError::NotFound("message") => "`veilpost mail list` shows the messages",
        OwnerError::OtherUser => "unlock as that user, or use --recovery",
        OwnerError::OtherTenant => "unlock as a user of that tenant",
        OwnerError::Damaged(_) => "the other messages are not affected; restore this one from a backup",
        OwnerError::RecoveryGone => {
            "restore the folder blobs/recovery from a backup; password and TOTP code unlock all the same"
        }
        OwnerError::Audit(_) => {
            "look at the disk: the audit log must be writable before anything is unsealed"
        }
        OwnerError::Blobs(BlobError::Full) => "make room on the disk; nothing that was acknowledged is lost",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Whose clock to look at.
fn clock_hint(ahead: i64) -> String {
    let where_to = if ahead > 0 { "ahead of" } else { "behind" };
    format!(
        "the code is right for another time: the phone's clock is {where_to} this server's. Set the phone to the network's time, and look at `timedatectl` here; then use the next code"
    )
}
