//! Why sealing or unsealing refuses. No variant holds message text, a key or an address.

use crate::keyring::KeyringError;

/// Why a message is not sealed. All are faults of ours: the plan or the caller broke a law.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// The atoms do not tile the message (law 1).
    #[error("the atoms do not tile the message")]
    Tiling,
    /// An atom names a stratum that has no readers' set.
    #[error("an atom names an unknown stratum")]
    Stratum,
    /// A view's plan refers to bytes that the view may not read.
    #[error("a view's plan refers to an atom that it may not read")]
    Hidden,
    /// A view's plan refers to bytes beyond the message.
    #[error("a view's plan refers to bytes beyond the message")]
    Range,
    /// The message keys are not one for the owner and one for each view.
    #[error("the message keys do not fit the readers")]
    Grants,
    /// More strata or readers than the format counts.
    #[error("more strata or readers than the format holds")]
    TooMany,
}

/// Why nothing, or nothing more, is unsealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnsealError {
    /// The disk's: not a container.
    #[error("not a container")]
    Magic,
    /// Made by a version that this one does not know.
    #[error("a container of an unknown version")]
    Version,
    /// The disk's: lengths and counts in the container do not fit together.
    #[error("the container is damaged: its lengths do not fit")]
    Layout,
    /// The caller's or the disk's: it is the container of another message or tenant.
    #[error("the container is another message's")]
    Foreign,
    /// The caller's: the message is not in this view.
    #[error("no manifest for this reader")]
    NoManifest,
    /// The key's or the disk's: the manifest does not authenticate.
    #[error("the manifest does not open: wrong key, or damaged")]
    Manifest,
    /// Ours: an authentic manifest that does not follow the format.
    #[error("the manifest does not follow the format")]
    ManifestForm,
    /// The disk's: a chunk of a stratum does not authenticate.
    #[error("the container is damaged: a chunk does not open")]
    Chunk,
    /// The caller's: beyond the end.
    #[error("a range beyond the end")]
    Range,
    /// The disk's or ours: the reassembled message is not the one received.
    #[error("the reassembled message differs from the one received")]
    Digest,
    /// The caller's: an epoch has no message key with this counter.
    #[error("no such message key in an epoch")]
    Counter,
    /// The key's or the disk's: the epoch's seed does not open.
    #[error("the epoch's seed does not open: {0}")]
    Seed(#[from] KeyringError),
    /// The disk's: the stored container cannot be read further.
    #[error("the container cannot be read")]
    Unreadable,
    /// The disk's: the epoch's seed is not there.
    #[error("the epoch's seed is gone")]
    SeedGone,
}
