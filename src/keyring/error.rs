//! Why a key could not be had. No variant holds a secret, a path or a credential.

/// Why the keyring refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// The operator's: others may read or write the key file. Holds its mode bits.
    #[error("the key file has mode {0:04o}: others can reach it; run `chmod 600` on it")]
    KeyFileMode(u32),
    /// The operator's: the key file belongs to another user. Holds its owner and ours.
    #[error(
        "the key file belongs to user {owner}, and this runs as {ours}: run it as that user, or, if no server runs with it, `chown {ours}` it"
    )]
    KeyFileOwner {
        /// The file's owner.
        owner: u32,
        /// Our effective user.
        ours: u32,
    },
    /// The operator's: the file is neither 32 bytes nor an age file that holds 32 bytes.
    #[error("the key file is neither 32 bytes nor an age file of 32 bytes: restore it from a backup")]
    KeyFileForm,
    /// The operator's: the key file is locked and no passphrase was given.
    #[error("the key file is locked by a passphrase, and none was given")]
    KeyFileLocked,
    /// The system's: reading or writing the key file failed.
    #[error("the key file cannot be read or written: {0}")]
    KeyFile(#[from] std::io::Error),
    /// The holder's or the disk's: the key does not fit, or the sealed bytes are damaged. Which of
    /// the two cannot be told apart, by design.
    #[error("the key does not open this, or it is damaged")]
    Sealed,
    /// Ours or the disk's: made by a version that this one does not know.
    #[error("sealed in an unknown version")]
    Version,
    /// The typist's: not of the form that such a key or code has.
    #[error("not of the form that such a key or code has")]
    Form,
    /// The sender's: an X25519 point of low order, which no honest key holder makes.
    #[error("a key of low order")]
    LowOrder,
    /// Ours or the disk's: Argon2id parameters beyond what we run.
    #[error("password hashing parameters out of bounds")]
    Parameters,
    /// Ours: age would not seal to these recipients together.
    #[error("these recipients cannot share one age file")]
    Recipients,
}
