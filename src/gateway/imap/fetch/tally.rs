//! What a FETCH could not tell, message by message, and what its tagged response is therefore.

use super::Complete;
use crate::gateway::imap::room::AccountError;

/// Why a FETCH's tagged response is not simply OK. All messages that could be told have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shortfall {
    /// Messages are gone: `OK [EXPUNGEISSUED]` (RFC 9051 §7.1, whose example is an OK). Not a NO: clients
    /// that retry after one would do so for ever while the EXPUNGE may not be told, and Dovecot agrees.
    Gone,
    /// A part could not be decoded: `NO [UNKNOWN-CTE]` (RFC 3516 §4.3).
    UnknownCte,
    /// Messages are not available now: `NO [UNAVAILABLE]` (RFC 5530 §3).
    Unavailable,
    /// Messages are damaged: `NO [CORRUPTION]` (RFC 5530 §3), or `[SERVERBUG]`.
    Damaged,
}

/// Counts nothing, but keeps the worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally(Option<Shortfall>);

impl Tally {
    /// Notes how a message was told.
    pub fn told(&mut self, complete: Complete) {
        if complete == Complete::WithoutUnknownCte {
            self.note(Shortfall::UnknownCte);
        }
    }

    /// Notes why a message could not be told.
    ///
    /// # Errors
    /// Those that end the session, or concern more than the one message.
    pub fn missed(&mut self, error: AccountError) -> Result<(), AccountError> {
        self.note(match error {
            AccountError::Gone => Shortfall::Gone,
            AccountError::Damaged => Shortfall::Damaged,
            AccountError::Unavailable => Shortfall::Unavailable,
            other => return Err(other),
        });
        Ok(())
    }

    /// The worst that was noted.
    pub fn shortfall(self) -> Option<Shortfall> {
        self.0
    }

    fn note(&mut self, shortfall: Shortfall) {
        self.0 = self.0.max(Some(shortfall));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_told() {
        let mut tally = Tally::default();
        tally.told(Complete::Fully);
        assert_eq!(tally.shortfall(), None);
        assert_eq!(tally.missed(AccountError::Damaged), Ok(()));
        assert_eq!(tally.missed(AccountError::Gone), Ok(()));
        assert_eq!(tally.shortfall(), Some(Shortfall::Damaged));
        assert_eq!(tally.missed(AccountError::Revoked), Err(AccountError::Revoked));
    }
}
