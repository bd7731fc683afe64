//! Errors of the content store.

use super::plain::NotPlain;
use crate::model::Refusal;

/// Content that was not stored or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller may not have it: it is more than the caller's budget or than what is shown of content.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// More bytes than allowed or declared.
    #[error("the content has more than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// Not as many bytes as declared.
    #[error("{declared} bytes were declared and {actual} arrived")]
    SizeMismatch {
        /// The declared number.
        declared: u64,
        /// The number that arrived.
        actual: u64,
    },
    /// Not the declared bytes.
    #[error("the content's digest is not the declared one")]
    DigestMismatch,
    /// Nothing with that digest.
    #[error("the content is not in the store")]
    NotFound,
    /// The stored bytes do not have the digest under which they are stored.
    #[error("the stored content is damaged")]
    Corrupt,
    /// A link, or something else that is no file, stands where the content should be.
    #[error("the stored content is no file, and is not read")]
    NotPlain(#[source] object_store::Error),
    /// The incoming stream broke off.
    #[error("the content did not arrive whole")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Not the store that was opened: it has lost its mark, as a folder has whose disk is not mounted.
    #[error("the content store is not there")]
    Absent,
    /// The store cannot be reached, or refuses.
    #[error("the content store is not available")]
    Unavailable(#[source] object_store::Error),
    /// The store's address or settings make no sense, or its folder cannot be used.
    #[error("the content store cannot be opened: {reason}")]
    Url {
        /// The fault.
        reason: String,
    },
}

impl Error {
    /// Returns whether the same call may succeed later.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Absent)
    }

    /// The store has no such object where it should take one: it is not there itself.
    pub(super) fn of_a_write(error: object_store::Error) -> Self {
        match Self::from(error) {
            Self::NotFound => Self::Absent,
            other => other,
        }
    }

    /// A task of the store's ended before its time.
    pub(super) fn interrupted(source: tokio::task::JoinError) -> Self {
        Self::Unavailable(object_store::Error::JoinError { source })
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            object_store::Error::Generic { ref source, .. } if source.is::<NotPlain>() => {
                Self::NotPlain(error)
            }
            other => Self::Unavailable(other),
        }
    }
}
