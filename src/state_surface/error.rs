//! Errors of sessions and state.

use crate::{content, model::Refusal, storage};

/// A call on sessions or state that had no effect.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller asked for something that is not allowed; asking again will not help.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database failed, or the attempt that writes has lost its execution.
    #[error(transparent)]
    Storage(storage::Error),
    /// The content store failed, which takes values that are too large for the log.
    #[error(transparent)]
    Content(content::Error),
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::Refused(refusal) => Self::Refused(refusal),
            other => Self::Storage(other),
        }
    }
}

impl From<content::Error> for Error {
    fn from(error: content::Error) -> Self {
        match error {
            content::Error::Refused(refusal) => Self::Refused(refusal),
            other => Self::Content(other),
        }
    }
}
