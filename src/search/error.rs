//! Why an index does not answer: nothing of the mail or the query is in it.

use std::io::{self, ErrorKind};

use tantivy::TantivyError;
use tantivy::directory::error::{LockError, OpenReadError, OpenWriteError};

/// Why a search index does not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The index was damaged, sealed under another key, or made by another version of the program.
    /// It can be erased and built anew.
    #[error("the search index is damaged or not ours")]
    Damaged,
    /// Somebody else is writing to the index.
    #[error("the search index is being written to")]
    Busy,
    /// The disk refused.
    #[error("the search index cannot be read or written: {0}")]
    Disk(ErrorKind),
    /// tantivy gave up; a writer has to be made anew.
    #[error("the search engine failed")]
    Engine,
}

impl From<io::Error> for SearchError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Self::Damaged,
            kind => Self::Disk(kind),
        }
    }
}

impl From<TantivyError> for SearchError {
    fn from(error: TantivyError) -> Self {
        match error {
            TantivyError::IoError(error)
            | TantivyError::OpenReadError(OpenReadError::IoError { io_error: error, .. })
            | TantivyError::OpenWriteError(OpenWriteError::IoError { io_error: error, .. })
            | TantivyError::LockFailure(LockError::IoError(error), _) => error.kind().into_error(),
            TantivyError::LockFailure(LockError::LockBusy, _) => Self::Busy,
            TantivyError::OpenReadError(_)
            | TantivyError::OpenWriteError(_)
            | TantivyError::DataCorruption(_)
            | TantivyError::SchemaError(_)
            | TantivyError::IncompatibleIndex(_)
            | TantivyError::DeserializeError(_) => Self::Damaged,
            _ => Self::Engine,
        }
    }
}

/// The kind says all that there is to say.
trait IntoError {
    fn into_error(self) -> SearchError;
}

impl IntoError for ErrorKind {
    fn into_error(self) -> SearchError {
        io::Error::from(self).into()
    }
}
