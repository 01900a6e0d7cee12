//! Refused sign-ins and unlocks in the log.

use super::OwnerError;
use crate::audit::Origin;
use crate::vault::logins;

/// Writes the line for an attempt that a stranger may have made, and gives the error back.
pub fn noted(protocol: &'static str, origin: Origin, error: OwnerError) -> OwnerError {
    if matches!(error, OwnerError::Refused | OwnerError::SoftLocked(_)) {
        logins::refused(protocol, origin);
    }
    error
}
