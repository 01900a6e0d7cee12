//! What can go wrong with an audit log, and whose fault it is.

use super::checkpoint::CheckpointError;
use super::entry::EntryError;
use super::store::StoreError;

/// Why something was not recorded, proven, or exported. Whoever meets it while recording must not
/// go on with the act.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The store failed. Whether the entries were written is not known; the act must not happen.
    #[error("the audit store failed")]
    Store(#[from] StoreError),
    /// The store did not answer in time; as [`AuditError::Store`].
    #[error("the audit store did not answer in time")]
    TimedOut,
    /// Other writers won every time.
    #[error("other writers kept this one from the audit log")]
    Contended,
    /// More is waiting to be recorded for this tenant than memory is set aside for.
    #[error("too much is waiting to be recorded")]
    Busy,
    /// The caller gave more drafts than one append takes.
    #[error("more than {} entries at once", super::log::MAX_BATCH)]
    TooMany,
    /// The server is stopping.
    #[error("the audit log is stopping")]
    Stopped,
    /// The log lacks a row or has an impossible size: `veilpost audit verify` tells more.
    #[error("the audit log is damaged")]
    Damaged,
    /// The entry cannot be written.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The checkpoint cannot be made or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The caller's output failed.
    #[error("the output failed")]
    Output(std::io::ErrorKind),
}
