//! Errors of uploads and downloads.

use std::time::Duration;

use crate::{
    content::{self, SignatureError},
    storage,
};

/// An upload or download that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The link is not good, or no longer.
    #[error(transparent)]
    Link(#[from] SignatureError),
    /// Whose link it is has spent what it may, and has to wait so long.
    #[error("the tenant asks for more than its share; try again later")]
    OverBudget(Duration),
    /// The upload or content that the link names is not there.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// More bytes than announced.
    #[error("the content has more than the {declared_bytes} bytes that were announced")]
    TooLarge {
        /// The announced number.
        declared_bytes: u64,
    },
    /// Fewer bytes than announced.
    #[error("{declared_bytes} bytes were announced and {actual_bytes} arrived")]
    SizeMismatch {
        /// The announced number.
        declared_bytes: u64,
        /// The number that arrived.
        actual_bytes: u64,
    },
    /// The digest that came with the bytes is not one.
    #[error("malformed digest header")]
    MalformedDigest,
    /// Not the bytes whose digest came with them.
    #[error("the content does not have the digest that was sent with it")]
    DigestMismatch,
    /// Other bytes have arrived before.
    #[error("the upload is complete, with other content")]
    Conflict,
    /// The bytes stopped coming.
    #[error("the content did not arrive whole")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The content store failed.
    #[error(transparent)]
    Content(content::Error),
}

impl From<content::Error> for Error {
    fn from(error: content::Error) -> Self {
        use content::Error as Content;
        match error {
            Content::TooLarge { limit_bytes } => Self::TooLarge {
                declared_bytes: limit_bytes,
            },
            Content::SizeMismatch { declared, actual } => Self::SizeMismatch {
                declared_bytes: declared,
                actual_bytes: actual,
            },
            Content::DigestMismatch => Self::DigestMismatch,
            Content::NotFound => Self::NotFound("content"),
            Content::Source(cause) => Self::Broken(cause),
            other => Self::Content(other),
        }
    }
}
