//! Hot copies: small values by key, kept near for a while. They are never the truth: whoever reads
//! one checks it against the database, so losing, delaying or forging one changes no answer.

mod in_process;
mod layered;

use std::{fmt, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;

pub use in_process::InProcess;
pub use layered::Layered;

/// The copies cannot be reached now. The caller goes to the database instead.
#[derive(Debug, thiserror::Error)]
#[error("hot copies are not available")]
pub struct Error(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// A place for hot copies.
pub trait HotCopies: fmt::Debug + Send + Sync + 'static {
    /// The value under `key`, if there is one that has not run out of time.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>>;

    /// Keeps `value` under `key` for at most `ttl`; it may be dropped earlier.
    fn put<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// Drops the value under `key`.
    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), Error>>;
}
