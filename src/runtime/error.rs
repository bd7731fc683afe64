//! Errors of the runtime's calls.

use crate::{content, model::Refusal, state_surface, storage, vault};

/// A call on the runtime, or on a service beside it, that had no effect.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller asked for something that is not allowed; asking again will not help.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database failed.
    #[error(transparent)]
    Storage(storage::Error),
    /// The content store failed.
    #[error(transparent)]
    Content(content::Error),
    /// The handler's fingerprint could not be taken.
    #[error("the handler's fingerprint failed: {message}")]
    Fingerprint {
        /// The handler's message.
        message: String,
        /// True if the runtime could not do what the handler asked of it: the same call may succeed
        /// later.
        is_outage: bool,
    },
    /// Sensitive parameters could not be sealed.
    #[error(transparent)]
    Vault(vault::Error),
    /// The runtime is shutting down.
    #[error("the runtime is shutting down")]
    ShuttingDown,
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::Refused(refusal) => Self::Refused(refusal),
            storage::Error::Closed => Self::ShuttingDown,
            other => Self::Storage(other),
        }
    }
}

impl From<vault::Error> for Error {
    fn from(error: vault::Error) -> Self {
        match error {
            vault::Error::Storage(error) => error.into(),
            other => Self::Vault(other),
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

impl From<state_surface::Error> for Error {
    fn from(error: state_surface::Error) -> Self {
        match error {
            state_surface::Error::Refused(refusal) => Self::Refused(refusal),
            state_surface::Error::Storage(error) => error.into(),
            state_surface::Error::Content(error) => error.into(),
        }
    }
}
